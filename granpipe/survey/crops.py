"""What was declared to grow on a field, beside what a photograph's label says."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from granpipe.dataset.label_table import read_cells
from granpipe.dataset.names import class_key
from granpipe.errors import LayoutError
from granpipe.stores.urls import open_file
from granpipe.survey.fields import Field

CONFLICT_COLUMNS = ["source", "label", "field", "field_crop", "distance", "sure"]
"""Header of conflicts.csv."""

_COLUMNS = ("field_crop", "label")
_LARGEST = 1_000_000  # characters


def read_crop_names(url: str) -> dict[str, set[str]]:
    """Return which labels declared crops may have, by a table; all as `class_key` makes them.

    LayoutError means that there is no such table, or that it cannot be used.
    """
    table = read_cells(*open_file(url))
    header, size = next(table), 0
    if not set(_COLUMNS) <= set(header):
        raise LayoutError(f"{url}: is no table with columns {' and '.join(_COLUMNS)}; write one")
    names: defaultdict[str, set[str]] = defaultdict(set)
    for cells in table:
        size += sum(map(len, cells))
        if size > _LARGEST:
            raise LayoutError(f"{url}: is larger than any table of crops; name another")
        row = dict(zip(header, cells, strict=False))
        crop, label = (class_key(row.get(column, "")) for column in _COLUMNS)
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
    compared, unknown : Counter
        Photographs of sure fields, by the declared crop: those of crops whose labels are listed or
        are labels themselves, and others.
    """

    labels: frozenset[str]
    names: dict[str, set[str]] | None = None
    count: int = 0
    compared: Counter[str] = field(default_factory=Counter)
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
            (self.compared if meant else self.unknown)[shown.crop] += 1
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
                "no photograph shows a field of --fields: photographs have no positions, or none "
                "near its fields, or the file has latitudes before longitudes"
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
