"""What was declared to grow on a field, beside what a photograph's label says."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from granpipe.dataset.names import class_key
from granpipe.errors import DatasetError, LayoutError
from granpipe.stores.urls import open_file
from granpipe.survey.fields import Field

CONFLICT_COLUMNS = ["source", "label", "field", "field_crop", "distance", "sure"]
"""Header of conflicts.csv."""

_COLUMNS = ("field_crop", "label")
_LARGEST = 1_000_000


def read_crop_names(url: str) -> dict[str, set[str]]:
    """Return which labels declared crops may have, by a table; all as `class_key` makes them.

    DatasetError means that there is no such table, or that it lacks a column.
    """
    store, name = open_file(url)
    try:
        data = store.head(name, _LARGEST + 1)
        text = data.decode("utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig")
    except FileNotFoundError as error:
        raise LayoutError(f"{url}: no such table of crops; name one") from error
    except OSError as error:
        raise DatasetError(f"{url}: {error.strerror or error}; name a table of crops") from error
    except UnicodeError as error:
        raise DatasetError(f"{url}: is not UTF-8 or UTF-16; save it as UTF-8") from error
    first = text.partition("\n")[0]
    try:
        rows = [*csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=first.count))]
    except csv.Error as error:
        raise DatasetError(f"{url}: is no table ({error})") from error
    if len(data) > _LARGEST or not rows or not set(_COLUMNS) <= rows[0].keys():
        raise DatasetError(f"{url}: is no table with columns {' and '.join(_COLUMNS)}; write one")
    names: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        crop, label = (class_key(row[column] or "") for column in _COLUMNS)
        if crop and label:
            names[crop].add(label)
    return dict(names)


@dataclass(slots=True)
class Crops:
    """Compares labels with declared crops.

    Attributes
    ----------
    labels : frozenset of str
        Of all photographs, as `class_key` makes them.
    names : dict or None
        As `read_crop_names` returns them; None without a table.
    count : int
        Photographs that show a field.
    known, unknown : Counter
        Photographs of surely known fields, by the declared crop: those of which it is known what
        labels it may have, and others.
    """

    labels: frozenset[str]
    names: dict[str, set[str]] | None = None
    count: int = 0
    known: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)

    def contradictions(self, photos: Iterable[tuple[str, str, Field]]) -> Iterator[dict[str, Any]]:
        """Yield the rows of conflicts.csv: where a declared crop is surely not the label.

        Photographs are source, label, which may be empty, and field.
        """
        for source, label, shown in photos:
            self.count += 1
            if not label or shown.sure != "yes" or not shown.crop:
                continue
            meant = self._meaning(shown.crop)
            (self.known if meant else self.unknown)[shown.crop] += 1
            if meant and class_key(label) not in meant:
                values = (source, label, shown.name, shown.crop, shown.distance, shown.sure)
                yield dict(zip(CONFLICT_COLUMNS, values, strict=True))

    def _meaning(self, crop: str) -> set[str]:
        """Return the labels that a crop may have; none where nobody knows."""
        key = class_key(crop)
        if self.names and key in self.names:
            return self.names[key]
        return {key} if key in self.labels else set()

    def line(self) -> str:
        """Return what to report: that no field is shown, or what cannot be compared."""
        if not self.count:
            return (
                "no photograph shows a field of --fields; are its positions longitude before "
                "latitude, and near the photographs'?"
            )
        if not self.unknown:
            return ""
        (crop, count), *others = self.unknown.most_common()
        what = f"{crop!r} ({count:,} photographs)" + (
            f" and {len(others):,} more" if others else ""
        )
        return (
            f"declared crops that are no label: {what}; say by --crop-names TABLE (columns "
            f"field_crop and label) which labels they may have"
        )
