"""The sentences of a page of Markdown."""

import re
from collections.abc import Iterator

LONGEST = 30  # words


def sentences(text: str) -> Iterator[str]:
    r"""Yield the sentences of paragraphs, items and table cells, without code and addresses.

    In a table's cell a semicolon ends a sentence, too, since what it parts are items of a list.

    >>> [*sentences("Read `a b`. See\n[this](x.md).\n\n| one | two; three |")]
    ['Read code.', 'See this.', 'one', 'two', 'three']
    """
    text = re.sub(r"^```.*?^```|^---\n.*?^---$|<!--.*?-->", "", text, flags=re.M | re.S)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"`[^`]*`", "code", text)
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*|#]|\d+\.) ?)", text):
        is_table = block.lstrip().startswith("|")
        for part in re.split(r"[|;]", block) if is_table else [block]:
            for sentence in re.split(r"(?<=[.!?])[\"')]*\s+", " ".join(part.split())):
                if any(char.isalnum() for char in sentence):
                    yield re.sub(r"^(?:[-*#]+|\d+\.) ", "", sentence)
