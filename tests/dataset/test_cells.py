"""Rows of any reader: the same array and the same copy, or an error in words."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from granpipe import PhotoError, augment, load_array, make_copy, parameters_of, prepare, read_table
from granpipe.copies.transform import Ranges

from conftest import picture, save

# The texts that pandas takes for missing values are names of classes, too.
CLASSES = ("corn", "NA", "None", "null", "2024", "1.50", "True")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    """Two photographs of each class, with 3 copies of each, of which half are mirrored."""
    folder = tmp_path_factory.mktemp("cells")
    for number, label in enumerate(CLASSES):
        save(folder / f"img/{label}/a.jpg", picture(90, 60, number))
        save(folder / f"img/{label}/b, c.png", picture(60, 90, 50 + number))
    prepare(folder / "img", folder / "out", size=32, workers=1)
    augment(folder / "out", 3, ranges=Ranges(flip_vertical=0.5), workers=1)
    return folder / "out"


def by_csv(path: Path) -> list[Any]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def by_pandas(path: Path, **how: Any) -> list[Any]:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    return [row for _, row in pandas.read_csv(path, **how).iterrows()]


def by_pandas_as_text(path: Path) -> list[Any]:
    return by_pandas(path, dtype=str)


def by_pandas_as_readme_says(path: Path) -> list[Any]:
    how = {"keep_default_na": False, "na_values": [""], "float_precision": "round_trip"}
    return by_pandas(path, dtype={"label": str}, **how)


def by_pandas_nullable(path: Path) -> list[Any]:
    return by_pandas(path, dtype_backend="numpy_nullable")


def by_pandas_tuples(path: Path) -> list[Any]:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    return list(pandas.read_csv(path).itertuples())


def by_pandas_with_a_row_missing(path: Path) -> list[Any]:
    """Numbers of a column with a gap have fractions."""
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    table = pandas.read_csv(path)
    joined = pandas.concat([table, pandas.DataFrame({"source": ["none"]})])
    return [row for _, row in joined.iterrows()][:-1]


def by_pyarrow(path: Path) -> list[Any]:
    arrow = pytest.importorskip("pyarrow.csv", reason="pyarrow is not installed")
    return arrow.read_csv(path).to_pylist()


def by_pyarrow_scalars(path: Path) -> list[Any]:
    arrow = pytest.importorskip("pyarrow.csv", reason="pyarrow is not installed")
    table = arrow.read_csv(path)
    return [{name: table[name][n] for name in table.column_names} for n in range(len(table))]


def by_polars(path: Path) -> list[Any]:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    return list(polars.read_csv(path).iter_rows(named=True))


def by_polars_frames(path: Path) -> list[Any]:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    table = polars.read_csv(path)
    return [table[n] for n in range(len(table))]


def by_numpy(path: Path) -> list[Any]:
    """NumPy's numbers, as whoever keeps columns in arrays gives them."""
    return [
        {name: _numpy(value) for name, value in row.items() if value} for row in read_table(path)
    ]


def _numpy(text: str) -> Any:
    try:
        return np.float64(text) if "." in text else np.int64(text)
    except ValueError:
        return np.str_(text)


EXTRAS = [
    *(by_pandas, by_pandas_as_text, by_pandas_as_readme_says, by_pandas_nullable),
    *(by_pandas_tuples, by_pandas_with_a_row_missing, by_pyarrow, by_pyarrow_scalars),
    *(by_polars, by_polars_frames),
]
READERS = [by_csv, by_numpy, *(pytest.param(read, marks=pytest.mark.extras) for read in EXTRAS)]


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
def test_a_row_of_any_reader_gives_the_same_array_and_copy(dataset, read: Callable):
    photos = {row["source"]: row for row in read_table(dataset / "labels.csv")}
    table = read_table(dataset / "augmented/labels.csv")
    assert {row["flip_horizontal"] for row in table} == {"0", "1"}
    assert len({row["flip_horizontal"] + row["flip_vertical"] for row in table}) == 4
    for text, row in zip(table, read(dataset / "augmented/labels.csv"), strict=True):
        expected = np.load(dataset / "augmented" / text["path"])
        assert np.array_equal(load_array(dataset / "augmented", row), expected)
        array = load_array(dataset, photos[text["source"]])
        assert np.array_equal(make_copy(array, *parameters_of(row)), expected)
    for text, row in zip(photos.values(), read(dataset / "labels.csv"), strict=True):
        assert np.array_equal(load_array(dataset, row), np.load(dataset / text["path"]))


@pytest.mark.parametrize("value", [None, "", float("nan"), np.nan, "x", 2, "0.5", [1], object()])
@pytest.mark.parametrize("column", ["flip_horizontal", "left"])
def test_a_cell_that_is_missing_or_no_number_is_named(dataset, column, value):
    row = read_table(dataset / "augmented/labels.csv")[0] | {column: value}
    if (column, value) == ("left", 2):
        assert parameters_of(row)[0].left == 2
        return
    with pytest.raises(PhotoError, match=f"row of labels.csv is damaged: {column} is "):
        parameters_of(row)


@pytest.mark.parametrize("column", ["angle", "crop_left", "bottom"])
def test_a_number_that_is_none_is_named(dataset, column):
    for value in ("nan", "inf", float("inf"), None):
        row = read_table(dataset / "augmented/labels.csv")[0] | {column: value}
        with pytest.raises(PhotoError, match=f"{column} is "):
            parameters_of(row)


def test_a_row_without_names_or_of_another_table_is_an_error_in_words(dataset):
    row = read_table(dataset / "labels.csv")[0]
    with pytest.raises(PhotoError, match="no column flip_horizontal"):
        parameters_of(row)
    for other in (tuple(row.values()), [*row.values()], None, 5):
        with pytest.raises(PhotoError, match="no column path; give a row by its columns' names"):
            load_array(dataset, other)
