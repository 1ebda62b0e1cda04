"""The flow over Apache Kafka, OpenSearch, S3 and Spark, with real servers."""

import os
import threading

import pytest

from brokers import received
from conftest import digest, photographs, put, rows, tree
from harm import until
from search_servers import PROFILES

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


@pytest.mark.parametrize("engine", ["local", "spark"])
def test_every_real_part_at_once(
    online, kafka, search_programs, lake, granpipe, tmp_path, engine, request, record_property
):
    record_property("server", PROFILES[0])
    search = {"GRANPIPE_SEARCH": search_programs(PROFILES[0]).url}
    search |= {"GRANPIPE_SEARCH_INDEX": f"photographs-{engine}"}
    stores = {"GRANPIPE_SOURCE": lake.url("photos"), "GRANPIPE_OUTPUT": lake.url("arrays")}
    spark = request.getfixturevalue("cluster").driver() if engine == "spark" else {}
    path = online(**kafka.variables | spark | search | stores, GRANPIPE_ENGINE=engine)
    path.web(), path.worker()
    photos = photographs(40)
    for number, photo in enumerate(photos):
        until(lambda p=photo, n=number: path.post(p, ("corn", "wheat")[n % 2]).status == 200)
    path.post(photos[1][:-60], "wheat")
    until(lambda: len(path.sources()) == len(photos), "the positions", 120)
    until(lambda: path.state_of(digest(photos[1][:-60])) == "rejected", "the rejected one")
    assert {name.split("/")[0] for name in path.sources("label=corn")} == {"corn"}
    assert len(path.sources("bbox=-0.1,-60.1,5.1,90")) == 11
    assert digest(photos[0]) in path.ask("/map").body.decode()
    (message,) = received(kafka.variables, 1)
    assert (message["sha256"], message["reason"]) == (digest(photos[1][:-60]), "truncated")
    result = granpipe("prepare", *stores.values())
    assert f"40 prepared ({len(photos)} unchanged)" in result.stdout
    for name, data in lake.tree("photos").items():
        put(tmp_path / "same" / name, data)
    granpipe("prepare", tmp_path / "same", tmp_path / "alone")
    arrays, expected = lake.tree("arrays"), tree(tmp_path / "alone")
    assert arrays.keys() == expected.keys()
    assert [name for name, data in arrays.items() if data != expected[name]] == []
    assert "Traceback" not in path.log()


@pytest.mark.parametrize("search_server", PROFILES[:1], indirect=True)
def test_a_broker_and_a_search_server_that_are_killed_lose_nothing(
    online, kafka, search_server, granpipe
):
    search = {"GRANPIPE_SEARCH": search_server.url, "GRANPIPE_SEARCH_INDEX": kafka.name}
    path, photos = online(**kafka.variables | search), photographs(120)
    path.web()
    worker = path.worker()
    acknowledged: list[str] = []

    def post_all() -> None:
        for photo in photos:
            until(lambda p=photo: path.post(p, "corn").status == 200, "an answer", 120)
            acknowledged.append(digest(photo))

    phone = threading.Thread(target=post_all)
    phone.start()
    until(lambda: len(acknowledged) >= 50, "posts", 120)
    kafka.broker.kill()
    search_server.kill()
    answer = path.post(photos[-1], "corn")
    assert answer.status == 503 and answer.headers["Retry-After"]
    until(lambda: " waiting cause=" in worker.log.read_text(), "a line of the worker")
    kafka.broker.start()
    search_server.start()
    phone.join()
    until(lambda: len(path.sources()) == len(photos), "the positions", 120)
    assert path.arrays() == len(photos)
    granpipe("prepare", path.source, path.output)
    table = rows(path.output / "labels.csv")
    assert sorted(row["sha256"] for row in table) == sorted(map(digest, photos))
    assert "Traceback" not in path.log()
