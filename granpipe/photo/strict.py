"""XML and JSON of strangers, by the parsers of the standard library, without their extras.

XML with a document type is refused: it alone can declare entities, which grow without end or name
files of this machine. So are constants that are no JSON, as NaN.
"""

import json
from collections.abc import Callable
from typing import Any, NoReturn
from xml.parsers import expat


def parse_json(text: str | bytes) -> Any:
    """Return the value of a text; raise ValueError for what is no JSON."""
    return json.loads(text, parse_constant=refuse_constant)


def refuse_constant(constant: str) -> NoReturn:
    """Raise ValueError for a constant of Python's own JSON."""
    raise ValueError(f"{constant} is no number of JSON")


def parser_of(
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None],
    text: Callable[[str], None],
    *,
    separator: str | None = None,
) -> expat.XMLParserType:
    """Return a parser that hands on elements and text, and raises ValueError at a document type.

    With a separator, it is between the namespace and the name of an element.
    """
    parser = expat.ParserCreate(namespace_separator=separator)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    return parser


def _refuse(*_: object) -> None:
    raise ValueError("a document type is not taken")
