"""The command line: a group, and a module for each of its commands."""
