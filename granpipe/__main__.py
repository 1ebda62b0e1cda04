"""Run granpipe as `python -m granpipe`."""

from granpipe.cli import main

main()
