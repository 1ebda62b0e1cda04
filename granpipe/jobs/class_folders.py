"""Are the folders in SOURCE classes? What speaks against it is said before anything is decoded."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import takewhile
from unicodedata import normalize

from granpipe.dataset.index import Index
from granpipe.dataset.names import class_key
from granpipe.dataset.shares import split_word
from granpipe.errors import LayoutError
from granpipe.stores.urls import join

_MOST_NAMED = 5


def settle_classes(
    index: Index, url: str, split: str | None, merges: bool, say: Callable[[str], None]
) -> None:
    """Learn which classes there are, from the index's table `photos`.

    Folders that are one name to a reader get one label, if that may be (`merges`): the first in the
    order of names, in NFC and without blanks around it. With `split` none, folders that are called
    like splits are classes. `say` is called where there is but one class, and its folders look like
    classes.

    Raises
    ------
    LayoutError
        All folders are called like splits, or some have one name.
    """
    folders = sorted(index.rows("SELECT DISTINCT label(name) FROM photos"))
    names = [folder for (folder,) in folders]
    if split != "none" and not index.is_given:
        _check_splits(names, url)
    _merge(index, names, url, merges=merges)
    if len(names) == 1 and not index.is_given:
        _tell_nested(index, url, say)


def _check_splits(folders: Sequence[str], url: str) -> None:
    if folders and all(split_word(folder) for folder in folders):
        training = [folder for folder in folders if split_word(folder) == "train"]
        raise LayoutError(
            f"{url}: its folders are splits, not classes ({_listed(folders)}); --split given "
            f"keeps them; or name {join(url, [*training, *folders][0])}, or say --split none to "
            "take them for classes"
        )


def _merge(index: Index, folders: Sequence[str], url: str, *, merges: bool) -> None:
    same: defaultdict[str, list[str]] = defaultdict(list)
    for folder in folders:
        same[class_key(folder)].append(folder)
    doubles = [names for names in same.values() if len(names) > 1]
    if doubles and not merges:
        more, what = len(doubles) - 1, "the labels" if index.is_given else "the folders"
        others = f" ({more} more such name{'s' * (more > 1)})" if more else ""
        raise LayoutError(
            f"{url}: {what} {_listed(doubles[0])} are one class{others}; rename them, or say "
            "--merge-classes"
        )
    labels = {
        name: normalize("NFC", names[0]).strip() or names[0] for names in doubles for name in names
    }
    if labels and index.is_given:
        index.load(
            "UPDATE given SET label = ? WHERE label = ?", ((b, a) for a, b in labels.items())
        )
    elif labels:
        index.rename_labels(labels)


def _tell_nested(index: Index, url: str, say: Callable[[str], None]) -> None:
    """Say where all photographs are in folders below one folder, which are called otherwise."""
    shared = shared_folders(*next(index.rows("SELECT min(name), max(name) FROM photos"))) + "/"
    query = """SELECT DISTINCT substr(rest, 1, instr(rest, '/') - 1)
        FROM (SELECT substr(name, ?) AS rest FROM photos)"""
    below = sorted(name for (name,) in index.rows(query, (len(shared) + 1,)))
    if len(below) > 1 and all(below):  # it is empty for a photograph in the folder itself
        say(
            f"{url}: all photographs are of one class, {shared.partition('/')[0]}; if its folders "
            f"are the classes ({_listed(below)}), name {join(url, shared[:-1])}"
        )


def shared_folders(first: str, last: str) -> str:
    """Return the folders in which all photographs are, by the first and the last name.

    >>> shared_folders("fields/train/corn/a.jpg", "fields/val/corn/a.jpg")
    'fields'
    """
    pairs = zip(first.split("/")[:-1], last.split("/")[:-1], strict=False)
    return "/".join(folder for folder, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _listed(names: Sequence[str]) -> str:
    """Return names for a message, so that a reader sees how they differ."""
    are_alike = len({normalize("NFC", name) for name in names}) < len(names)
    quote = ascii if are_alike else repr
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(quote, names[:_MOST_NAMED])) + more
