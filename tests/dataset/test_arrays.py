"""Reading the array of a row: whole, or an error that says why not."""

import io

import numpy as np
import pytest

from granpipe import PhotoError, load_array
from granpipe.stores.folder import Folder

from conftest import put

ARRAY = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 3)


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def reason(folder, path: object) -> tuple[str, str]:
    with pytest.raises(PhotoError) as caught:
        load_array(folder, {"path": path})
    return caught.value.reason, caught.value.detail


@pytest.mark.parametrize("opened", [str, lambda folder: folder, lambda folder: Folder(str(folder))])
def test_an_array_is_read_from_a_name_a_path_and_a_store(tmp_path, opened):
    put(tmp_path / "corn/a.jpg.npy", npy(ARRAY))
    array = load_array(opened(tmp_path), {"path": "corn/a.jpg.npy", "label": "corn"})
    assert array.dtype == np.uint8 and np.array_equal(array, ARRAY)
    array[:] = 0  # belongs to the caller


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (npy(ARRAY)[:-5], "its array has 171 bytes, not as many as it says"),
        (npy(ARRAY) + b"x", "its array has 177 bytes, not as many as it says"),
        (npy(ARRAY).replace(b"(4, 4", b"(4, 5"), "its array is not uint8 of shape (N, N, 3)"),
        (npy(ARRAY[:3]), "its array is not uint8 of shape (N, N, 3)"),
        (npy(np.stack([ARRAY, ARRAY])), "its array is not uint8 of shape (N, N, 3)"),
        (npy(ARRAY.astype("i4")), "its array is not uint8 of shape (N, N, 3)"),
        (b"", "its array is not uint8 of shape (N, N, 3)"),
    ],
)
def test_a_damaged_array_is_an_error_in_words(tmp_path, data, why):
    (tmp_path / "a.npy").write_bytes(data)
    assert reason(tmp_path, "a.npy") == ("unreadable", f"a.npy: {why}")


def test_an_array_that_is_missing_is_an_error_in_words(tmp_path):
    why = "corn/a.jpg.npy: its array cannot be read: No such file or directory"
    assert reason(tmp_path, "corn/a.jpg.npy") == ("unreadable", why)


@pytest.mark.parametrize("path", [None, "", "a.txt", "../a.npy", "/a.npy", "c:/a.npy", "a\\b.npy"])
def test_a_row_that_names_no_array_is_an_error_in_words(tmp_path, path):
    why = "its row of labels.csv is damaged: path is "
    assert reason(tmp_path, path)[1].startswith(why)
