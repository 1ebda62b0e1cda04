"""The files that `granpipe map` writes."""
