"""Cells of a table's row, whoever read the table: csv, pandas, pyarrow or polars.

Readers make text, numbers or booleans of the same cell, and a number with a fraction of a column
in which a cell is missing. All of these are the same value here.
"""

from typing import Any

_TRUE, _FALSE = {"1", "true"}, {"0", "false"}


def text_in(row: Any, column: str) -> str:
    """Return a cell that holds text.

    Parameters
    ----------
    row : mapping, Series, named tuple or anything else with columns by name
    column : str

    Raises
    ------
    ValueError
        The row has no such cell, or it is missing or no text.
    """
    value = _value(row, column)
    if not isinstance(value, str):
        raise ValueError(f"{column} is {value!r}, not text")  # noqa: TRY004 - of a file, not a call
    return str(value)


def whole_in(row: Any, column: str) -> int:
    """Return a cell that holds a whole number, also one that a reader wrote with a fraction of 0.

    >>> whole_in({"left": "12"}, "left"), whole_in({"left": 12.0}, "left")
    (12, 12)

    Raises
    ------
    ValueError
        The row has no such cell, or it is missing or no whole number.
    """
    number = number_in(row, column)
    if not number.is_integer():
        raise ValueError(f"{column} is {number}, not a whole number")
    return int(number)


def number_in(row: Any, column: str) -> float:
    """Return a cell that holds a finite number.

    Raises
    ------
    ValueError
        The row has no such cell, or it is missing or no number.
    """
    value = _value(row, column)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if number - number:  # neither finite nor a number
        raise ValueError(f"{column} is {value!r}, not a number")
    return number


def truth_in(row: Any, column: str) -> bool:
    """Return a cell that holds 0 or 1.

    >>> [truth_in({"flip": value}, "flip") for value in ("1", 1, 1.0, True, "0", 0, "False")]
    [True, True, True, True, False, False, False]

    Raises
    ------
    ValueError
        The row has no such cell, or it is missing or something else.
    """
    value = _value(row, column)
    text = str(value).strip().lower().removesuffix(".0")
    if text not in _TRUE | _FALSE:
        raise ValueError(f"{column} is {value!r}, neither 0 nor 1")
    return text in _TRUE


def has_column(row: Any, column: str) -> bool:
    """Return whether a row has a column, whatever is in it."""
    try:
        _value(row, column)
    except ValueError:
        return False
    return True


def has_cell(row: Any, column: str) -> bool:
    """Return whether a row has a cell, and it is not missing."""
    try:
        value = _value(row, column)
    except ValueError:
        return False
    return value is not None and value != "" and bool(value == value)  # noqa: PLR0124 - NaN


def _value(row: Any, column: str) -> Any:
    """Return a cell as Python's own value; ValueError where the row has no such column."""
    row = row._asdict() if hasattr(row, "_asdict") else row
    try:
        value = row[column]
    except Exception as error:  # polars raises an error of its own
        raise ValueError(f"it has no column {column}; give a row by its columns' names") from error
    if str(value) in {"<NA>", "NaT"}:  # pandas's own missing values are true of no comparison
        return None
    for unpack in ("item", "as_py"):  # NumPy's numbers, cells of one row, and those of pyarrow
        if hasattr(value, unpack):
            return getattr(value, unpack)()
    return value
