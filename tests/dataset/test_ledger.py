"""The ledger: what it says of an array is believed where its checksum holds, and nothing else."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from granpipe.dataset.ledger import Ledger, MovedError
from granpipe.dataset.ledger_file import LEDGER, PARTS
from granpipe.dataset.record import Record
from granpipe.errors import DatasetError
from granpipe.stores.folder import Folder

import ledgers
from buckets import memory_bucket
from conftest import ROOT, picture, rejects, save, tree
from ledgers import RECORD

NAMES = ["corn/a.jpg", "corn/b.jpg", "rye/c.png"]


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
    for name in NAMES:
        ledger.add(name, RECORD)
    ledger.note("settings", {"size": 7})
    ledger.compact()
    return ledger


def records(ledger: Ledger) -> dict[str, Record]:
    names = [name for (name,) in ledger.index.rows("SELECT name FROM records ORDER BY name")]
    return {name: ledger.index.record(name) for name in names}


def again(store) -> dict[str, Record]:
    return records(Ledger(store, "prepare"))


def with_part(store, *lines: str) -> Ledger:
    """Return the ledger of a store in which a run was killed that wrote these lines."""
    text = "".join(f"{line}\n" for line in ['{"granpipe": "prepare", "records": 2}', *lines])
    store.write(f"{PARTS}/000007-00000000-000000.jsonl", text.encode("utf-8", "surrogatepass"))
    return Ledger(store, "prepare")


def test_what_was_added_is_read_again_as_it_was(store, written):
    assert again(store) == dict.fromkeys(NAMES, RECORD)
    assert Ledger(store, "prepare").noted("settings") == {"size": 7}
    assert written.is_compact
    assert [entry.path for entry in store.list()] == [LEDGER]


def test_a_part_says_the_same_before_it_is_put_in_order(store):
    ledger = Ledger(store, "prepare")
    ledger.plan_names(NAMES)
    ledger.add(NAMES[0], RECORD)
    ledger.add(NAMES[0], replace(RECORD, phash=None))
    ledger.flush()
    second = Ledger(store, "prepare")
    assert records(second) == {NAMES[0]: replace(RECORD, phash=None)}
    planned = second.index.rows("SELECT name FROM planned EXCEPT SELECT name FROM records")
    assert [name for (name,) in planned] == NAMES[1:]
    assert second.is_whole


@pytest.fixture
def part(store, written) -> str:
    ledger = Ledger(store, "prepare")
    ledger.add("corn/d.jpg", RECORD)
    ledger.flush()
    (path,) = (entry.path for entry in store.list(PARTS))
    return path


@pytest.mark.parametrize(
    ("old", "new"),
    [("64,48", "65,48"), ("64,48", "null,48"), ("64,", ""), ('"aa"', "[[]]"), ("48.1", "48.2")],
)
def test_a_line_that_was_altered_says_only_whose_array_may_be_replaced(store, part, old, new):
    text = store.read(part)[0].decode()
    assert old in text
    store.write(part, text.replace(old, new, 1).encode())
    ledger = Ledger(store, "prepare")
    assert records(ledger) == dict.fromkeys(NAMES, RECORD)
    assert not ledger.is_whole
    assert ledger.index.value("SELECT name FROM replaceable") == "corn/d.jpg"


@pytest.mark.parametrize("length", range(1, 420, 23))
def test_a_part_cut_off_anywhere_is_read_as_far_as_it_goes(store, part, length):
    store.write(part, store.read(part)[0][:length])
    ledger = Ledger(store, "prepare")
    assert dict.fromkeys(NAMES, RECORD).items() <= records(ledger).items()
    assert records(ledger).get("corn/d.jpg", RECORD) == RECORD


@pytest.mark.parametrize(
    "name",
    [
        *("../../home/x", "/etc/x", "a//b", "a/./b", "a\\b", "C:/x", "corn/../../x"),
        *(f"corn/{'x' * 5000}", "a\0b"),
    ],
)
def test_a_name_that_leads_elsewhere_is_nobodys_array(store, written, name):
    stranger = Ledger(store, "prepare")
    stranger.add(name, RECORD)
    stranger.flush()
    assert again(store) == dict.fromkeys(NAMES, RECORD)
    stranger.compact()
    assert again(store) == dict.fromkeys(NAMES, RECORD)


@pytest.mark.parametrize(
    "line",
    ["", "x", "[]", "[1, 2, 3]", '["', '["a"', "\ud800", "null", "[" * 9999, '["\\ud800"'],
)
def test_lines_of_nonsense_are_passed_over(store, written, line):
    assert records(with_part(store, line, "\udcff")) == dict.fromkeys(NAMES, RECORD)


def test_a_ledger_of_another_command_is_not_ours(store, written):
    with pytest.raises(DatasetError, match="did not write"):
        Ledger(store, "augment")


def test_a_part_of_another_command_is_not_ours(store, written):
    part = f"{PARTS}/000001-00000000-000000.jsonl"
    store.write(part, b'{"granpipe": "augment", "records": 2}\n')
    with pytest.raises(DatasetError, match="did not write"):
        Ledger(store, "prepare")


@pytest.mark.parametrize("place", [0, 17, 100, 5000, 9000, -40, -1])
def test_a_flipped_bit_is_noticed_and_no_wrong_record_is_believed(store, written, place):
    data = bytearray(store.read(LEDGER)[0])
    data[place] ^= 1
    store.write(LEDGER, bytes(data))
    ledger = Ledger(store, "prepare")
    assert not ledger.is_whole
    assert records(ledger).items() <= dict.fromkeys(NAMES, RECORD).items()


def test_of_a_damaged_ledger_the_records_that_hold_are_kept(store, tmp_path, written):
    copy = tmp_path / "copy"
    copy.write_bytes(store.read(LEDGER)[0])
    ledgers.edit(copy, "UPDATE records SET width = 65 WHERE name = 'corn/b.jpg'")
    store.write(LEDGER, copy.read_bytes())
    assert again(store) == {NAMES[0]: RECORD, NAMES[2]: RECORD}


def test_parts_count_in_their_order_and_end_in_one_file(store, written):
    first = Ledger(store, "prepare")
    first.plan_names(["corn/d.jpg"])
    first.add("corn/d.jpg", RECORD)
    first.flush()
    second = Ledger(store, "prepare")
    assert not second.is_compact
    assert second.has_moved() is False
    other = replace(RECORD, width=9)
    second.add("corn/d.jpg", other)
    second.flush()
    assert second.has_moved() is True
    third = Ledger(store, "prepare")
    assert records(third) == dict.fromkeys(NAMES, RECORD) | {"corn/d.jpg": other}
    third.compact()
    assert again(store) == dict.fromkeys(NAMES, RECORD) | {"corn/d.jpg": other}
    assert [entry.path for entry in store.list()] == [LEDGER]


def test_two_runs_that_both_think_they_are_alone_keep_both_their_parts(store, written):
    one, other = Ledger(store, "prepare"), Ledger(store, "prepare")
    for ledger, name in ((one, "corn/1"), (other, "corn/2")):
        ledger.add(name, RECORD)
        ledger.flush()
    assert {"corn/1", "corn/2"} <= again(store).keys()


def test_a_part_that_another_run_put_in_order_meanwhile_is_looked_for_again(
    store, part, monkeypatch
):
    read = Ledger._read_part

    def put_in_order(ledger, path):
        monkeypatch.setattr(Ledger, "_read_part", read)
        Ledger(store, "prepare").compact()
        read(ledger, path)

    monkeypatch.setattr(Ledger, "_read_part", put_in_order)
    with pytest.raises(MovedError):
        Ledger(store, "prepare")
    assert "corn/d.jpg" in again(store)


@pytest.mark.parametrize(
    "name", ["notes.jsonl", "000001.txt", "x/000009-1.jsonl", "-.jsonl", "²-1.jsonl"]
)
def test_a_strangers_file_among_the_parts_ends_nothing_badly(store, written, name):
    store.write(f"{PARTS}/{name}", b"")
    assert again(store) == dict.fromkeys(NAMES, RECORD)


def test_a_store_that_holds_files_and_no_ledger_is_not_ours(store):
    store.write("mine.txt", b"mine")
    with pytest.raises(DatasetError, match="holds files that granpipe prepare did not write"):
        Ledger(store, "prepare")


def test_what_a_run_left_that_ended_before_it_began_is_no_hindrance(store):
    store.write(".granpipe/lock", b"")
    assert again(store) == {}


LIMITED = """
import resource, signal, sys
from granpipe.commands.group import main

resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sys.argv[0] = "granpipe"
main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")
def test_an_index_that_cannot_be_written_ends_in_one_line(tmp_path):
    (tmp_path / "img/corn").mkdir(parents=True)
    for number in range(1000):
        (tmp_path / f"img/corn/{number:0200}.jpg").write_bytes(b"")
    command = [sys.executable, "-c", LIMITED, "prepare", tmp_path / "img", tmp_path / "out", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "the run's index cannot be kept there" in done.stderr


def test_names_as_long_as_can_be_travel_through_the_ledger(granpipe, tmp_path):
    name = "n" * 235 + ".png"
    assert len(name) == 239
    save(tmp_path / "img/corn" / name)
    save(tmp_path / "img/corn" / f"n{name}", picture(seed=1))
    granpipe("prepare", tmp_path / "img", tmp_path / "out")
    assert rejects(tmp_path / "out") == {f"corn/n{name}": "bad_name"}
    assert "(1 unchanged)" in granpipe("prepare", tmp_path / "img", tmp_path / "out").stdout
    assert ledgers.names(tmp_path / "out" / LEDGER) == [f"corn/{name}"]


def test_the_ledger_of_an_earlier_version_says_which_arrays_are_ours(granpipe, tmp_path):
    save(tmp_path / "img/corn/a.png")
    save(tmp_path / "img/corn/b.png", picture(seed=1))
    granpipe("prepare", tmp_path / "img", tmp_path / "out")
    before = tree(tmp_path / "out")
    (tmp_path / "out" / LEDGER).unlink()
    lines = [former_line(f"corn/{one}.png.npy", {"array_sha256": "x"}) for one in ("a", "b", "z")]
    lines += [former_line("arrays-00000.npy", {"rows": 2, "array_version": "1"})]
    lines += [former_line("corn/p.png.npy", {"place": "arrays-00000.npy#0"})]
    former = tmp_path / "out/.granpipe/ledger.jsonl"
    former.write_text("\n".join(['{"granpipe": "prepare"}', *lines]))
    for name in ("arrays-00000.npy", "corn/z.png.npy", "corn/p.png.npy"):
        (tmp_path / "out" / name).write_bytes(b"array")
    result = granpipe("prepare", tmp_path / "img", tmp_path / "out")
    assert "was written by another version" in result.stderr
    assert tree(tmp_path / "out") == before | {"corn/p.png.npy": b"array"}
    assert not former.exists()
    assert granpipe("prepare", tmp_path / "img", tmp_path / "out").stderr == ""


def test_of_a_ledger_with_other_columns_names_and_splits_are_taken_over(granpipe, tmp_path):
    for number in range(12):
        save(tmp_path / f"img/corn/{number:02}.png", picture(seed=number))
    split = ("--split", "50/50", "--keep-together", "folder")
    granpipe("prepare", tmp_path / "img", tmp_path / "out", *split)
    before = tree(tmp_path / "out")
    query = "SELECT value FROM notes WHERE name = 'granpipe'"
    (command, columns) = json.loads(ledgers.value(tmp_path / "out" / LEDGER, query))
    text = json.dumps([command, columns[:-1]])
    ledgers.edit(
        tmp_path / "out" / LEDGER,
        f"ALTER TABLE records DROP COLUMN {columns[-1]}",
        f"UPDATE notes SET value = '{text}' WHERE name = 'granpipe'",
        is_sealed=True,
    )
    gone = tmp_path / "img/corn/00.png"
    data = gone.read_bytes()
    gone.unlink()
    result = granpipe("prepare", tmp_path / "img", tmp_path / "out")
    assert result.stderr == (
        f"granpipe: {tmp_path}/out: was written by another version; making it again from the "
        "photographs\n"
    )
    assert not (tmp_path / "out/corn/00.png.npy").exists()
    gone.write_bytes(data)
    assert granpipe("prepare", tmp_path / "img", tmp_path / "out").stderr == ""
    assert tree(tmp_path / "out") == before


def former_line(path: str, record: dict) -> str:
    from hashlib import blake2b

    body = f"[{json.dumps(path)}, {json.dumps(record)}"
    return f'{body}, "{blake2b(body.encode(), digest_size=6).hexdigest()}"]'
