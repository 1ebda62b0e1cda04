"""Where work is done: processes of this machine, or Apache Spark."""
