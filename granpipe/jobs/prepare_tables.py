"""What the tables of a prepared dataset tell: labels, rejects, likenesses, and the summary."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import PIL

from granpipe import __version__
from granpipe.dataset.ledger import Ledger
from granpipe.dataset.moments import Moments
from granpipe.dataset.names import ALIKE, LABELS, REJECTED, SUMMARY, array_path, label_of
from granpipe.dataset.roll import Roll
from granpipe.dataset.tables import (
    ALIKE_COLUMNS,
    PREPARED_COLUMNS,
    REJECTED_COLUMNS,
    csv_lines,
    summary_lines,
)
from granpipe.jobs.deal_sides import Sides
from granpipe.jobs.packing import Packing
from granpipe.jobs.prepare_photo import Settings
from granpipe.photo.letterbox import Box


@dataclass(frozen=True, slots=True)
class PrepareTables:
    """The tables of one run of `prepare`.

    Attributes
    ----------
    ledger, roll, settings, packing : Ledger, Roll, Settings, Packing
        What is known of the arrays; which photographs are in; how and where arrays were made.
    side_settings : mapping
        How sides were asked for; empty where there are none.
    sides : Sides or None
    ignored : int
        Files that are no photographs.
    """

    ledger: Ledger
    roll: Roll
    settings: Settings
    packing: Packing
    side_settings: Mapping[str, Any]
    sides: Sides | None
    ignored: int

    def tables(self) -> dict[str, Iterator[str]]:
        """Return the lines of each table by its name; dataset.json last."""
        tables = {
            LABELS: self.labels(),
            REJECTED: csv_lines(REJECTED_COLUMNS, map(asdict, self.roll.rejections())),
        }
        if self.sides:
            tables[ALIKE] = csv_lines(ALIKE_COLUMNS, map(asdict, self.sides.alike))
        return tables | {SUMMARY: summary_lines(self._summary)}

    def labels(self) -> Iterator[str]:
        """Return the lines of labels.csv."""
        return csv_lines(PREPARED_COLUMNS, self._rows())

    def digest(self) -> str:
        """Return a digest of all that the tables tell beside the records of the photographs."""
        rejections = [asdict(one) for one in self.roll.rejections()]
        about = json.dumps([self._settings(), self.ignored, rejections])
        digest = hashlib.sha256(about.encode())
        for source in self.roll.sources:  # one by one: a text of all takes memory
            digest.update(json.dumps(source).encode())
        return digest.hexdigest()

    def _rows(self) -> Iterator[dict[str, Any]]:
        labels = {label: index for index, label in enumerate(sorted(self.roll.counts()))}
        for source in self.roll.sources:
            label = label_of(source)
            about = {"label": label, "label_index": labels[label], "source": source}
            sides = self.sides.columns(source) if self.sides else {}
            place = self.packing.columns(array_path(source))
            yield self.ledger.get(array_path(source)) | about | sides | place

    def _summary(self) -> dict[str, Any]:
        sources, moments = self.roll.sources, Moments()
        for source in sources:
            record = self.ledger.get(array_path(source))
            box = Box(*(record[side] for side in ("left", "top", "right", "bottom")))
            moments.add(record, box.width * box.height)
        return {
            "granpipe": __version__,
            "pillow": PIL.__version__,
            "settings": self._settings(),
            "classes": dict(sorted(self.roll.counts().items())),
            "found": len(sources) + len(self.roll.rejected),
            "prepared": len(sources),
            "rejected": len(self.roll.rejected),
            "ignored": self.ignored,
            "mean": moments.mean(),
            "std": moments.std(),
            "arrays_sha256": self.ledger.arrays_digest(map(array_path, sources)),
        }

    def _settings(self) -> dict[str, Any]:
        return {
            "size": self.settings.size,
            "fill": list(self.settings.fill),
            "max_pixels": self.settings.max_pixels,
            "max_memory": self.settings.max_memory,
            **self.side_settings,
            **self.packing.settings,
        }
