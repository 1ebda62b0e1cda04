"""Fetch or build the servers that tests start, ahead of the tests."""

from functools import partial

import pytest

from buckets import gateway_program
from kafkas import kafka_jars
from search_servers import PROFILES, search_jars

PROGRAMS = [gateway_program, kafka_jars, *(partial(search_jars, profile) for profile in PROFILES)]

if __name__ == "__main__":
    for program in PROGRAMS:
        try:
            program()
        except pytest.skip.Exception as cause:
            print(f"tests of it will be skipped: {cause}")
