"""What keeps photographs together, and must never be split."""

import re
from dataclasses import dataclass

from granpipe.errors import OptionError

RULES = ("place", "field", "burst", "likeness", "folder")
"""What may keep photographs together."""


@dataclass(frozen=True, slots=True)
class Together:
    """What keeps photographs together.

    Attributes
    ----------
    rules : tuple of str
        Some of `RULES`, in their order.
    metres : float
        How far apart two photographs of one place may be.
    """

    rules: tuple[str, ...] = ("place", "burst", "likeness")
    metres: float = 200.0

    def __str__(self) -> str:
        place = f"place:{self.metres:.12g}"
        return ",".join(place if rule == "place" else rule for rule in self.rules)


def parse_together(text: str) -> Together:
    """Return what a text such as place:200,burst,likeness says.

    Raises
    ------
    OptionError
        It says nothing that can be done.

    Examples
    --------
    >>> str(parse_together("folder,place:50"))
    'place:50,folder'
    """
    words = [word.strip() for word in text.split(",")]
    names = [word.partition(":")[0] if word.startswith("place:") else word for word in words]
    metres = next((word[6:] for word in words if word.startswith("place:")), "200")
    is_known = set(names) <= set(RULES) and len(set(names)) == len(names)
    if not is_known or not re.fullmatch(r"[0-9]{1,8}([.][0-9]{1,3})?", metres) or not float(metres):
        raise OptionError(
            f"{text!r} is not a list of place:METRES, field, burst, likeness and folder, with "
            "commas between them"
        )
    return Together(tuple(rule for rule in RULES if rule in names), float(metres))
