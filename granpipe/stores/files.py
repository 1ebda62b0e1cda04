"""Single files that a user named, such as a map or a contact sheet."""

from granpipe.errors import DatasetError
from granpipe.stores.protocol import Store
from granpipe.stores.urls import join


def check_free(store: Store, name: str, signature: bytes, start: int = 0) -> None:
    """Raise DatasetError unless a file of this name may be written.

    Parameters
    ----------
    store, name : Store, str
        Where it is to stand.
    signature : bytes
        What a file that may be replaced holds.
    start : int
        Where it holds that; at its beginning unless given.
    """
    place = join(store.url, name)
    try:
        head = store.head(name, start + len(signature))
    except FileNotFoundError:
        return
    except IsADirectoryError as error:
        raise DatasetError(f"{place}: is a folder; name a file") from error
    except OSError as error:
        raise DatasetError(f"{place}: {error.strerror or error}; name another") from error
    if head and head[start:] != signature:
        raise DatasetError(f"{place}: is not a file that granpipe wrote; delete it or name another")
