"""One augmented copy: its parameters and its pixels."""
