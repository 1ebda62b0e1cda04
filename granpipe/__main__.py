"""Run granpipe as `python -m granpipe`."""

from granpipe.commands.cli import main

main()
