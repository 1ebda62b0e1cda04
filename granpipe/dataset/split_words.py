"""What folders and cells call the splits of a data set."""

from granpipe.dataset.names import class_key

_WORDS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
_SPLITS = {word: split for split, words in _WORDS.items() for word in words}


def split_word(text: str) -> str | None:
    """Return the split that a word means, an empty text for an empty one; None for another word.

    >>> split_word("Val"), split_word("training"), split_word(""), split_word("corn")
    ('validation', 'train', '', None)
    """
    return _SPLITS.get(class_key(text), None if text.strip() else "")
