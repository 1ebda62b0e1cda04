"""From a photograph posted to its array, its position, and the tables of prepare."""

import json
import shutil
import signal
import time

import exif_blocks as eb
from conftest import ROOT, digest, picture, rows, save, tree
from harm import until

IMG = sorted(path for path in (ROOT / "img").rglob("*") if path.is_file())


def test_what_was_posted_becomes_what_prepare_makes_of_the_same_files(online, granpipe, tmp_path):
    path = online(GRANPIPE_LOG="json")
    web, worker = path.web(), path.worker()
    digests = []
    for photo in IMG:
        data = photo.read_bytes()
        answer = path.post(data, photo.parent.name)
        assert answer.status == 200, answer.body
        digests.append(digest(data))
    until(lambda: all(path.state_of(one) == "prepared" for one in digests), "the worker")
    assert path.arrays() == len(IMG)
    assert not (path.output / "dataset.json").exists()

    told = path.ask(f"/photographs/{digests[0]}").json
    assert told["path"] == f"alfalfa/{digests[0]}.jpg.npy"
    assert told["right"] - told["left"] == 224
    page = path.ask("/map").body.decode()
    assert digests[0] in page

    result = granpipe("prepare", path.source, path.output)
    assert "25 prepared (25 unchanged), 0 rejected" in result.stdout
    assert "0 other files ignored" in result.stdout
    shutil.copytree(path.source, tmp_path / "same", ignore=shutil.ignore_patterns(".granpipe"))
    granpipe("prepare", tmp_path / "same", tmp_path / "alone")
    assert tree(path.output) == tree(tmp_path / "alone")

    placed = [row for row in rows(path.output / "labels.csv") if row["latitude"]]
    assert len(path.sources()) == len(placed) > 0
    for process in (web, worker):
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - began < 10
    lines = [json.loads(line) for line in worker.log.read_text().splitlines()]
    assert sum(line["prepared"] for line in lines if line["what"] == "batch") == len(IMG)


def test_the_two_answers_are_word_for_word_those_of_the_specification(online):
    path = online()
    path.web()
    alive = path.ask("/is_alive", Host=f"0.0.0.0:{path.port}")
    assert alive.json == {"ret_ack": "Channa works on granular data pipeline."}
    photo = eb.jpeg_at(10.0, 20.0)
    kind = "<class 'PIL.JpegImagePlugin.JpegImageFile'>"
    assert path.post(photo).json == {
        "ret_ack": f"Success. Got your image. Thank you. {kind}",
        "sha256": digest(photo),
        "source": f"unlabelled/{digest(photo)}.jpg",
        "state": "received",
    }
    assert [one.name for one in path.source.glob("[!.]*")] == ["unlabelled"]


def test_flasks_own_server_takes_photographs_and_ends(online):
    path = online()
    web = path.started(
        path.start("flask", "--app", "granpipe.service", "run", "-p", str(path.port))
    )
    for data in (eb.jpeg_at(10.0, 20.0), eb.jpeg_at(11.0, 20.0)):
        assert path.post(data, "corn").status == 200
    assert path.post(b"nonsense").status == 415
    web.send_signal(signal.SIGTERM)
    assert web.wait(10) in {0, -signal.SIGTERM}
    assert len([*path.source.glob("corn/*")]) == 2
    assert "Traceback" not in path.log()


def test_an_array_that_comes_after_prepare_leaves_dataset_json_as_it_is(online, granpipe, tmp_path):
    path, settings = online(), ["--size", 64, "--fill", "#102030"]
    for number in range(3):
        save(path.source / f"corn/{number}.jpg", picture(seed=10 + number))
    granpipe("prepare", path.source, path.output, *settings)
    before = tree(path.output)
    path.web(), path.worker()
    photo = save(tmp_path / "b.jpg", picture(seed=5)).read_bytes()
    path.post(photo, "wheat")
    until(lambda: path.state_of(digest(photo)) == "prepared", "the worker")
    assert before.items() <= tree(path.output).items()
    result = granpipe("prepare", path.source, path.output, *settings)
    assert "4 prepared (4 unchanged)" in result.stdout
    granpipe("prepare", path.source, tmp_path / "alone", *settings)
    assert tree(path.output) == tree(tmp_path / "alone")


def test_positions_are_found_by_window_and_class_also_across_the_antimeridian(online):
    path = online()
    path.web(), path.worker()
    places = {"corn": (48.5, 11.5), "wheat": (-17.0, 179.5), "barley": (-16.0, -179.5)}
    for label, place in places.items():
        path.post(eb.jpeg_at(*place), label)
    until(lambda: path.arrays() == 3, "the worker")

    def labels(query: str) -> set[str]:
        return {source.split("/")[0] for source in path.sources(query)}

    until(lambda: labels("") == set(places))
    assert labels("bbox=11,48,12,49") == {"corn"}
    assert labels("bbox=179,-20,-179,0") == {"wheat", "barley"}
    assert labels("bbox=179,-20,-179,0&label=wheat") == {"wheat"}
    assert labels("bbox=12,48,13,49") == set()
