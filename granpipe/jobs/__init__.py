"""The three jobs of granpipe: what its commands do, callable from Python."""
