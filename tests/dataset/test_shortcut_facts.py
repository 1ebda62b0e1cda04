"""Facts are cut into cells by their own values alone, and are what the records say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from granpipe.dataset.circumstances import COLUMNS, Circumstances, number_of, texts_of
from granpipe.dataset.shortcut_facts import by_frequency, by_halves, by_rank, on_sphere, opened

RECORD = {
    "latitude": 48.5,
    "longitude": 11.0,
    "taken_at": "2024-03-01T18:30:59",
    "camera": "Maker Phone",
    "blocks": "exif icc",
    "width": 400,
    "height": 300,
    "file_size": 60_000,
    "quantization": 210,
    "sharpness": 0.75,
    "border": bytes(range(24)),
    **{"left": 0, "top": 1, "right": 4, "bottom": 4},
    **{"red": 1200, "green": 600, "blue": 12},
}


def circumstances(*changes: dict, label: str = "corn") -> Circumstances:
    return Circumstances.of(rows(*changes, label=label))


def rows(*changes: dict, label: str = "corn", name: str = "corn/IMG_0412.jpg"):
    for number, change in enumerate(changes):
        values = RECORD | change
        yield f"g{number}", label, name, *(values[column] for column in COLUMNS)


def values(*changes: dict) -> dict[str, np.ndarray]:
    return {fact.name: fact.made() for fact in circumstances(*changes).facts()}


def test_facts_are_what_is_recorded():
    found = values({})
    assert found["place"].tolist() == [[48.5, 11.0]]
    assert (found["season"][0], found["hour"][0]) == (61, 18.5)  # 2024 is a leap year
    assert found["date"][0] == 19_783
    assert (found["shape"][0], found["pixels"][0], found["density"][0]) == (1.33, 120_000, 0.5)
    assert (found["quality"][0], found["sharpness"][0]) == (210, 0.75)
    assert found["light"][0] == 151  # 100 + 50 + 1, a mean of twelve pixels
    assert found["colour"].tolist() == [[990, -10]]
    assert found["border"].tolist() == [[*range(24), 1]]


def test_each_turned_colour_of_a_border_is_cut_by_itself():
    """Light, red against blue, and green against both, of eight pixels."""
    dark, light, red = bytes(24), bytes([90] * 24), bytes([90, 0, 0] * 8)
    *_, border = circumstances({"border": dark}, {"border": light}, {"border": red}).facts()
    cells = border.cells(border.made(), np.ones(3), 3)
    assert cells.tolist() == [[1, 6, 4], [2, 2, 6], [5, 5, 1]] * 8


def test_what_is_not_recorded_is_missing():
    lacks = {"latitude": None, "longitude": None, "taken_at": "", "camera": "", "blocks": ""}
    lacks |= {"quantization": None, "sharpness": None, "border": None, "file_size": 0}
    photos = circumstances(lacks, {})
    has = {fact.name: fact.has(fact.made()).tolist() for fact in photos.facts()}
    missing = {"place", "season", "date", "hour", "camera", "quality", "sharpness", "border"}
    assert {name for name, there in has.items() if there == [False, True]} == missing | {"density"}
    assert all(there in ([False, True], [True, True]) for there in has.values())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({}, "exif icc camera time place"),
        ({"camera": "", "latitude": None}, "exif icc time"),
        ({"blocks": "", "camera": "", "taken_at": "", "latitude": None}, "none"),
    ],
)
def test_blocks_are_told_by_words(change, text):
    photos = circumstances(change)
    number = int(photos.rows["exif"][0])
    assert number == number_of(text)
    assert texts_of(rows(change), {("exif", number)}) == {("exif", number): text}


def test_numbers_in_names_count_as_one():
    photos = Circumstances.of(rows({}, {}, name="corn/2024/IMG_0412 (3).jpg"))
    assert set(photos.rows["name"].tolist()) == {number_of("IMG_0 (0).jpg")}


def test_classes_are_in_the_order_of_their_photographs():
    first = list(rows({}, label="wheat"))
    second = [("g1", "corn", *first[0][2:])]
    assert Circumstances.of(first + second).classes == ["wheat", "corn"]


numbers = st.lists(st.integers(-50, 50), min_size=1, max_size=60)


@given(numbers, st.integers(1, 6))
def test_cells_have_the_order_of_values_and_equal_ones_share_one(numbers, depth):
    array = np.array(numbers, float)
    cells = by_rank(array, np.ones(len(array)), 1 << depth)
    order = np.argsort(array, kind="stable")
    assert (np.diff(cells[order].astype(int)) >= 0).all()
    assert cells.max() < 1 << depth
    for value in set(numbers):
        assert len(set(cells[array == value].tolist())) == 1
    assert np.array_equal(cells, by_rank(3 * array + 7, np.ones(len(array)), 1 << depth))


@given(st.lists(st.integers(0, 23), min_size=1, max_size=40), st.integers(0, 23))
def test_a_circle_is_cut_at_its_widest_gap(hours, turn):
    array = np.array(hours, float)
    straight = opened(array, 24.0)
    distinct = np.unique(array)
    widest = np.diff(np.append(distinct, distinct[0] + 24)).max()
    assert straight.min() == 0
    assert straight.max() == 24 - widest


def test_places_are_halved_along_their_widest_axis():
    degrees = np.array([[0, 0], [0, 0.1], [0, 40], [0, 40.1]])
    assert by_halves(on_sphere(degrees), np.ones(4), 1).tolist() == [0, 0, 1, 1]
    assert len(set(by_halves(on_sphere(degrees), np.ones(4), 2).tolist())) == 4
    assert by_halves(on_sphere(degrees[[0, 0, 0]]), np.ones(3), 2).tolist() == [0, 0, 0]


def test_places_on_both_sides_of_the_date_line_are_neighbours():
    degrees = np.array([[10, 179.9], [10, -179.9], [10, 0.0], [10, 0.2]])
    cells = by_halves(on_sphere(degrees), np.ones(4), 1)
    assert cells[0] == cells[1] != cells[2] == cells[3]


def test_the_most_frequent_words_have_cells_of_their_own():
    words = np.array([7, 7, 7, 5, 5, 1, 2, 3], np.uint64)
    assert by_frequency(words, np.ones(8), 3).tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
