"""Texts that do not fit into memory come back as they were."""

import pytest

from granpipe.dataset import records
from granpipe.dataset.records import Records, RecordsFile


@pytest.fixture(params=[0, 1000, 10**9, None], ids=["texts", "some texts", "nothing", "all"])
def kept(request, monkeypatch):
    """Return an empty mapping; the id tells what stands in a file."""
    monkeypatch.setattr(records, "IN_MEMORY", request.param)
    return RecordsFile() if request.param is None else Records()


def texts(mark: str) -> dict[str, str]:
    return {f"corn/{number}.npy": f"{mark} ä \udcff {number} " * 9 for number in range(50)}


def test_every_text_comes_back_as_it_was(kept):
    kept.update(texts("first"))
    assert dict(kept) == texts("first")
    assert [kept.get(path) for path in texts("first")] == [*texts("first").values()]


def test_a_text_that_was_written_again_is_the_new_one(kept):
    kept.update(texts("first"))
    assert kept["corn/7.npy"] == texts("first")["corn/7.npy"]
    kept.update(texts("second, and longer"))
    assert dict(kept) == texts("second, and longer")


def test_what_is_kept_is_in_the_order_asked_for_and_nothing_else_is_there(kept):
    kept.update(texts("one"))
    kept.keep(["corn/9.npy", "corn/3.npy"])
    in_order = ["corn/9.npy", "corn/3.npy"]
    assert list(kept) == (in_order if isinstance(kept, Records) else sorted(in_order))
    assert kept["corn/3.npy"] == texts("one")["corn/3.npy"]
    assert kept.get("corn/4.npy", "") == ""
    assert {"corn/9.npy", "corn/3.npy"} == kept.keys()


def test_short_and_empty_texts_take_no_room_in_the_file(kept):
    kept["a.npy"] = ""
    assert kept["a.npy"] == ""
    assert kept.pop("a.npy") == ""
    assert "a.npy" not in kept
