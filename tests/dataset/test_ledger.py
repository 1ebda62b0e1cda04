"""The ledger: what it says of an array is believed where its checksum holds, and nothing else."""

import json

import pytest

from granpipe.dataset.ledger import LEDGER, PARTS, Ledger
from granpipe.errors import DatasetError
from granpipe.stores.folder import Folder

from buckets import memory_bucket
from conftest import picture, rejects, save, tree

RECORD = '{"width":3,"sums":[1,2,3],"deep":{"a":[{"b":null}]},"array_sha256":"00"}'
PATHS = ["corn/a.jpg.npy", "corn/b.jpg.npy", "rye/c.png.npy"]


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path):
    if request.param == "folder":
        return Folder(str(tmp_path / "out"))
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    return memory_bucket({}, "out")


@pytest.fixture
def written(store) -> Ledger:
    """Return a ledger of three arrays, in one file."""
    ledger = Ledger(store, "prepare")
    for path in PATHS:
        ledger.add(path, RECORD)
    ledger.compact(PATHS.__contains__)
    return ledger


def again(store) -> dict[str, str]:
    return Ledger(store, "prepare").records


def change(store, old: str, new: str) -> None:
    text = store.read(LEDGER)[0].decode()
    assert old in text
    store.write(LEDGER, text.replace(old, new, 1).encode())


def test_what_was_added_is_read_again_as_it_was(store, written):
    assert again(store) == dict.fromkeys(PATHS, RECORD)
    assert written.is_compact
    assert [entry.path for entry in store.list()] == [LEDGER]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"width":3', '"width":4'),
        ('"width":3', '"width":null'),
        ('"width":3,', ""),
        ('{"b":null}', '{"b":{}}'),
        ('"array_sha256":"00"', '"array_sha256":"01"'),
        ('"00"}', '"00"} '),
        (f"{RECORD}, ", f"{RECORD},"),
        (RECORD, "[" * 5000),
        (RECORD, "null"),
    ],
)
def test_a_record_that_was_altered_tells_only_whose_array_may_be_replaced(store, written, old, new):
    change(store, old, new)
    assert again(store) == dict.fromkeys(PATHS[1:], RECORD)
    ledger = Ledger(store, "prepare")
    assert (ledger.is_whole, ledger.replaceable) == (False, {PATHS[0]})


def test_a_record_moved_to_another_array_is_not_believed(store, written):
    change(store, "corn/a.jpg.npy", "corn/x.jpg.npy")
    assert again(store) == dict.fromkeys(PATHS[1:], RECORD)
    assert not Ledger(store, "prepare").is_whole


@pytest.mark.parametrize("length", [*range(1, 420, 7), 1000])
def test_a_ledger_cut_off_anywhere_is_read_as_far_as_it_goes(store, written, length):
    data = store.read(LEDGER)[0]
    store.write(LEDGER, data[:length])
    ledger = Ledger(store, "prepare")
    lines = data[:length].decode().count("]\n")
    assert ledger.records == dict.fromkeys(PATHS[:lines], RECORD)
    assert ledger.replaceable <= set(PATHS[lines:])
    assert ledger.is_whole == (length >= len(data))


@pytest.mark.parametrize(
    "path",
    [
        *("../../home/x.npy", "/etc/x.npy", "a//b.npy", "a/./b.npy", "a\\b.npy", "C:/x.npy"),
        *("corn/a.jpg", "labels.csv.bak", "", "a\0b.npy", "..", "corn/../../x.npy"),
    ],
)
def test_a_name_that_leads_elsewhere_is_nobodys_array(store, written, path):
    stranger = Ledger(store, "prepare")
    stranger.add(path, RECORD)
    stranger.flush()
    assert again(store) == dict.fromkeys(PATHS, RECORD)


@pytest.mark.parametrize(
    "line",
    ["", "x", "[]", "[1, 2, 3]", '["', '["a.npy"', "\ud800", "null", "[" * 9999, '["\\ud800.npy"'],
)
def test_lines_of_nonsense_are_passed_over(store, written, line):
    data = store.read(LEDGER)[0]
    store.write(LEDGER, data + line.encode("utf-8", "surrogatepass") + b"\n\xff\xfe\n")
    records = again(store)
    assert dict.fromkeys(PATHS, RECORD).items() <= records.items()
    assert set(records) == set(PATHS)


def with_first_line(store, first: bytes) -> Ledger:
    store.write(LEDGER, first + b"\n" + store.read(LEDGER)[0].partition(b"\n")[2])
    return Ledger(store, "prepare")


def test_a_ledger_of_another_command_is_not_ours(store, written):
    with pytest.raises(DatasetError, match="did not write"):
        with_first_line(store, b'{"granpipe": "augment"}')


@pytest.mark.parametrize("first", [b"{}", b'{"granpipe": "prepbre"}', b"", b"\xff"])
def test_a_damaged_first_line_makes_the_others_no_less_ours(store, written, first):
    ledger = with_first_line(store, first)
    assert ledger.records == dict.fromkeys(PATHS, RECORD)
    assert not ledger.is_whole


def test_parts_count_in_their_order_and_end_in_one_file(store, written):
    first = Ledger(store, "prepare")
    first.plan(["corn/d.jpg.npy"])
    first.add("corn/d.jpg.npy", RECORD)
    first.flush()
    second = Ledger(store, "prepare")
    assert not second.is_compact
    assert second.has_moved() is False
    second.add("corn/d.jpg.npy", "{}")
    second.flush()
    assert second.has_moved() is True
    third = Ledger(store, "prepare")
    assert third.records == dict.fromkeys(PATHS, RECORD) | {"corn/d.jpg.npy": "{}"}
    third.compact(PATHS.__contains__)
    assert again(store) == dict.fromkeys(PATHS, RECORD)
    assert [entry.path for entry in store.list()] == [LEDGER]


def test_two_runs_that_both_think_they_are_alone_keep_both_their_parts(store, written):
    one, other = Ledger(store, "prepare"), Ledger(store, "prepare")
    for ledger, path in ((one, "corn/1.npy"), (other, "corn/2.npy")):
        ledger.add(path, RECORD)
        ledger.flush()
    assert {"corn/1.npy", "corn/2.npy"} <= again(store).keys()


@pytest.mark.parametrize(
    "name", ["notes.jsonl", "000001.txt", "x/000009-1.jsonl", "-.jsonl", "²-1.jsonl"]
)
def test_a_strangers_file_among_the_parts_ends_nothing_badly(store, written, name):
    store.write(f"{PARTS}/{name}", b"")
    ledger = Ledger(store, "prepare")
    assert ledger.records == dict.fromkeys(PATHS, RECORD)


def test_a_store_that_holds_files_and_no_ledger_is_not_ours(store):
    store.write("mine.txt", b"mine")
    with pytest.raises(DatasetError, match="holds files that granpipe prepare did not write"):
        Ledger(store, "prepare")


def test_what_a_run_left_that_ended_before_it_began_is_no_hindrance(store):
    store.write(".granpipe/lock", b"")
    assert again(store) == {}


def test_a_damaged_ledger_costs_decoding_and_changes_no_byte(granpipe, tmp_path):
    for number in range(6):
        save(tmp_path / f"img/corn/{number}.png", picture(seed=number))
    command = ("prepare", tmp_path / "img", tmp_path / "out")
    granpipe(*command)
    before, ledger = tree(tmp_path / "out"), tmp_path / "out" / LEDGER
    sound = ledger.read_text()
    lines = sound.splitlines()
    damages = {
        5: sound.replace('"width":64', '"width":null', 1),
        4: "\n".join([*lines[:-3], lines[-3][:40], lines[-2].replace('"left":0', '"left":{}')])
        + "\n",
        0: lines[0] + "\n" + "".join(f'{line[:-4]}xx"]\n' for line in lines[1:]),
    }
    for kept, text in damages.items():
        assert text != sound
        ledger.write_text(text)
        assert f"({kept} of them up to date already)" in granpipe(*command).stdout
        assert tree(tmp_path / "out") == before
        assert ledger.read_text().splitlines()[0] == lines[0]


def test_names_as_long_as_can_be_travel_through_the_ledger(granpipe, tmp_path):
    name = "n" * 235 + ".png"
    assert len(name) == 239
    save(tmp_path / "img/corn" / name)
    save(tmp_path / "img/corn" / f"n{name}", picture(seed=1))
    granpipe("prepare", tmp_path / "img", tmp_path / "out")
    assert rejects(tmp_path / "out") == {f"corn/n{name}": "bad_name"}
    assert (
        "(1 of them up to date already)"
        in granpipe("prepare", tmp_path / "img", tmp_path / "out").stdout
    )
    record = json.loads((tmp_path / "out" / LEDGER).read_text().splitlines()[-2])
    assert record[0] == f"corn/{name}.npy"
