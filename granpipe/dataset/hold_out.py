"""Which photographs are held out for the test split, whatever is dealt: by when, where and how.

A rule is one of `after:2025-01-01`, `before:2025-01-01`, `country:FR`, `camera:Pixel 8` and
`folder:north/*`.
"""

import re
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase

from granpipe.errors import OptionError

KINDS = ("after", "before", "country", "camera", "folder")


@dataclass(frozen=True, slots=True)
class HoldOut:
    """A rule.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    value : str
    """

    kind: str
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"

    def holds(self, source: str, taken_at: str, camera: str, country: set[str], depth: int) -> bool:
        """Return whether a photograph is held out; what is not known of it holds nothing out.

        Parameters
        ----------
        source : str
        taken_at : str
            ISO 8601; may be empty.
        camera : str
            Make and model; may be empty.
        country : set of str
            What its country may be called, casefolded.
        depth : int
            Folders that its class takes.
        """
        match self.kind:
            case "after":
                return taken_at[:10] >= self.value
            case "before":
                return "" < taken_at[:10] < self.value
            case "country":
                return self.value.casefold() in country
            case "camera":
                return _is_called(self.value, camera)
        return _is_in(self.value, source, depth)


def parse_hold_out(text: str) -> HoldOut:
    """Return the rule that a text says.

    Raises
    ------
    OptionError
        It says none.

    Examples
    --------
    >>> parse_hold_out("country:FR")
    HoldOut(kind='country', value='FR')
    """
    kind, _, value = text.partition(":")
    value = value.strip()
    if kind in {"after", "before"}:
        try:
            value = value if date.fromisoformat(value).isoformat() == value else ""
        except ValueError:
            value = ""
    if kind not in KINDS or not value:
        raise OptionError(
            f"{text!r} is not a rule; use after:2025-01-01, before:2025-01-01, "
            "country:FR, camera:MODEL or folder:NAME/*"
        )
    return HoldOut(kind, value)


def _is_called(value: str, camera: str) -> bool:
    """Return whether a camera is called so, with or without its make."""
    name, wanted = camera.casefold(), value.casefold()
    return bool(name) and (fnmatchcase(name, wanted) or fnmatchcase(name, f"* {wanted}"))


def _is_in(value: str, source: str, depth: int) -> bool:
    """Return whether a path, or what of it is below its class, is in a folder."""
    parts = source.split("/")
    wanted = re.sub(r"/\*?$", "", value)
    paths = {"/".join(parts[start:]) for start in (0, depth)}
    return any(fnmatchcase(path, pattern) for path in paths for pattern in (value, f"{wanted}/*"))
