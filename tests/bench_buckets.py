"""Measure `granpipe prepare` from and to an S3 server of this machine."""

import os
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

import buckets
from bench_photos import SMALL
from bench_rounds import Bench, Contender, granpipe


def bench_buckets(bench: Bench) -> None:
    """Prepare the same photographs from and to a bucket, and from and to this disk."""
    try:
        server = buckets.start_server(bench.new_folder())
    except pytest.skip.Exception as cause:
        print(f"\nfrom and to S3: left out, {cause}")
        return
    try:
        os.environ.update(buckets.variables(server.endpoint))
        compare(bench, server.make_bucket())
    finally:
        server.kill()


def compare(bench: Bench, lake: buckets.Lake) -> None:
    """Print a table without the server's own CPU, and the requests of two runs."""
    photos = SMALL.draw(bench)
    lake.upload(photos, "img")
    count = len(lake.objects("img"))
    source, last = lake.url("img"), lake.url("last")
    granpipe("prepare", source, last)

    def to_a_new_prefix(folder: Path) -> None:
        granpipe("prepare", source, lake.url(folder.name))

    contenders = [
        Contender("folder to folder", partial(granpipe, "prepare", photos), count),
        Contender("bucket to bucket", to_a_new_prefix, count),
        Contender(
            "bucket to bucket, nothing to do", lambda _: granpipe("prepare", source, last), count
        ),
    ]
    bench.compete(f"prepare {count:,} photographs on SeaweedFS", contenders, 3)
    with closing(buckets.Proxy(lake.endpoint)) as proxy:
        os.environ["AWS_ENDPOINT_URL"] = proxy.endpoint
        for _ in range(2):
            before = proxy.counts()
            granpipe("prepare", source, lake.url("counted"))
            print(f"  requests: {dict(proxy.counts() - before)}")
