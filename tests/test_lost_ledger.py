"""The ledger is not believed: what is lost or damaged of it is made again."""

import json

import pytest

import ledgers
from conftest import assert_one_line, picture, rows, save, tree
from harm import die

pytestmark = pytest.mark.slow


@pytest.fixture
def src(tmp_path):
    for number in range(6):
        save(
            tmp_path / "src" / ("corn", "wheat")[number % 2] / f"{number}.png", picture(seed=number)
        )
    return tmp_path / "src"


@pytest.fixture
def out(granpipe, src, tmp_path):
    granpipe("prepare", src, tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def ledger(out):
    return out / ".granpipe/ledger.sqlite"


def delete(ledger) -> None:
    ledger.unlink()


def cut(ledger) -> None:
    ledger.write_bytes(ledger.read_bytes()[: ledger.stat().st_size // 2])


def cut_last_page(ledger) -> None:
    ledger.write_bytes(ledger.read_bytes()[:-5000])


def zero_first_page(ledger) -> None:
    ledger.write_bytes(bytes(4096) + ledger.read_bytes()[4096:])


def empty(ledger) -> None:
    ledger.write_bytes(b"")


def change_a_number(ledger) -> None:
    ledgers.edit(ledger, "UPDATE records SET width = 65 WHERE name = 'corn/0.png'")


def set_null(ledger) -> None:
    ledgers.edit(ledger, "UPDATE records SET height = NULL")


def set_bytes(ledger) -> None:
    ledgers.edit(ledger, "UPDATE records SET recipe = x'ff00'")


def name_another(ledger) -> None:
    ledgers.edit(ledger, "UPDATE records SET name = '../../escape' WHERE name = 'corn/0.png'")


def name_too_long(ledger) -> None:
    ledgers.edit(ledger, f"UPDATE records SET name = 'corn/{'x' * 5000}' WHERE name = 'corn/0.png'")


def drop(ledger) -> None:
    ledgers.edit(ledger, "DROP TABLE records")


def put_a_view_there(ledger) -> None:
    view = "CREATE VIEW records AS SELECT * FROM notes"
    ledgers.edit(ledger, "DROP TABLE records", view)


DAMAGES = [
    *(delete, cut, cut_last_page, zero_first_page, empty, drop, put_a_view_there),
    *(change_a_number, set_null, set_bytes, name_another, name_too_long),
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_the_next_run_brings_back_the_same_dataset_and_says_so(granpipe, src, out, ledger, damage):
    before = tree(out)
    damage(ledger)
    result = granpipe("prepare", src, out)
    assert result.stderr.count("its ledger is lost or damaged") == 1
    assert result.stderr.count("\n") == 1
    assert tree(out) == before
    assert "(6 unchanged)" in granpipe("prepare", src, out).stdout


@pytest.mark.parametrize("damage", [delete, cut])
def test_arrays_of_photographs_that_are_gone_go_where_they_are_provably_ours(
    granpipe, src, out, ledger, damage
):
    damage(ledger)
    (src / "corn/0.png").unlink()
    granpipe("prepare", src, out)
    assert len(rows(out / "labels.csv")) == 5
    assert not (out / "corn/0.png.npy").exists()


def test_an_array_that_is_not_provably_ours_stays(granpipe, src, out, ledger):
    ledger.unlink()
    (src / "corn/0.png").unlink()
    (out / "corn/0.png.npy").write_bytes(b"somebody's own")
    granpipe("prepare", src, out)
    assert (out / "corn/0.png.npy").read_bytes() == b"somebody's own"
    assert len(rows(out / "labels.csv")) == 5


def test_a_file_in_an_arrays_place_that_no_table_lists_is_not_overwritten(
    granpipe, src, out, ledger
):
    ledger.unlink()
    save(src / "corn/new.png")
    (out / "corn/new.png.npy").write_bytes(b"somebody's own")
    result = granpipe("prepare", src, out, code=1)
    assert "was not written by granpipe" in result.stderr
    assert (out / "corn/new.png.npy").read_bytes() == b"somebody's own"


def test_the_copies_ledger_is_made_again_too(granpipe, out):
    granpipe("augment", out, "--copies", 2)
    before = tree(out)
    delete(out / "augmented/.granpipe/ledger.sqlite")
    assert_one_line(granpipe("augment", out, "--copies", 2))
    assert tree(out) == before


def test_a_ledger_of_another_command_is_still_refused(granpipe, src, out):
    granpipe("augment", out, "--copies", 1)
    result = granpipe("prepare", src, out / "augmented", code=1)
    assert "did not write" in result.stderr
    (out / "augmented/.granpipe/ledger.sqlite").unlink()
    granpipe("prepare", src, out / "augmented", code=1)
    assert json.loads((out / "augmented/dataset.json").read_text())["copies"] == 6


def sides(out) -> dict[str, str]:
    return {row["source"]: row["split"] for row in rows(out / "labels.csv")}


@pytest.mark.parametrize("damage", [delete, cut])
def test_no_photograph_changes_its_side_with_the_ledger_lost(granpipe, src, out, ledger, damage):
    granpipe("prepare", src, out, "--split", "50/50", "--together", "burst", "--seed", 3)
    before = tree(out)
    damage(ledger)
    granpipe("prepare", src, out)
    assert tree(out) == before


def test_sides_of_which_nothing_else_is_known_are_not_dropped_without_a_word(
    granpipe, src, out, ledger
):
    granpipe("prepare", src, out, "--split", "50/50", "--together", "burst", "--seed", 3)
    before = sides(out)
    ledger.unlink()
    (out / "dataset.json").unlink()
    result = granpipe("prepare", src, out, code=1)
    assert "use --split as before" in result.stderr
    granpipe("prepare", src, out, "--split", "50/50", "--together", "burst", "--seed", 3)
    assert sides(out) == before


@pytest.mark.parametrize("command", ["prepare", "augment"])
def test_what_stands_in_the_ledgers_place_is_named_and_heals_once_moved(
    granpipe, src, out, ledger, command
):
    words = ("prepare", src, out) if command == "prepare" else ("augment", out, "--copies", 2)
    granpipe(*words)
    place = ledger if command == "prepare" else out / "augmented/.granpipe/ledger.sqlite"
    before = tree(out)
    place.unlink()
    place.mkdir()
    folder = granpipe(*words, code=1)
    assert f"{place}: Is a directory; move it away, then run again" in folder.stderr
    place.rmdir()
    place.symlink_to(out / "nowhere")
    link = granpipe(*words, code=1)
    assert f"{place}: a link that leads nowhere; remove it" in link.stderr
    place.unlink()
    granpipe(*words)
    assert tree(out) == before


@pytest.mark.parametrize("command", ["prepare", "augment"])
def test_a_first_run_killed_before_its_parts_became_one_file_has_lost_nothing(
    granpipe, src, tmp_path, monkeypatch, command
):
    out = tmp_path / "first"
    words = ("prepare", src, out)
    if command == "augment":
        granpipe(*words)
        words = ("augment", out, "--copies", 2)

    with monkeypatch.context() as patch:
        patch.setattr("granpipe.dataset.ledger.Ledger.compact", die)
        granpipe(*words, code=9)
    folder = out if command == "prepare" else out / "augmented"
    assert (folder / "dataset.json").exists()
    again = granpipe(*words)
    assert again.stderr == ""
    count = 6 if command == "prepare" else 12
    assert f"({count} unchanged)" in again.stdout
