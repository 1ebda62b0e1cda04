"""Run granpipe as `python -m granpipe`."""

from granpipe.commands.group import main

main()
