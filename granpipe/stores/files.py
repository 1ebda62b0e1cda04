"""Single files that a user named, such as a map or a contact sheet."""

from granpipe.errors import DatasetError
from granpipe.stores.protocol import Store
from granpipe.stores.urls import join


def check_free(store: Store, name: str, signature: bytes) -> None:
    """Raise DatasetError unless a file of this name may be written.

    Parameters
    ----------
    store, name : Store, str
        Where it is to stand.
    signature : bytes
        What a file begins with that may be replaced.
    """
    place = join(store.url, name)
    try:
        head = store.head(name, len(signature))
    except FileNotFoundError:
        return
    except IsADirectoryError as error:
        raise DatasetError(f"{place}: is a folder; name a file") from error
    except OSError as error:
        raise DatasetError(f"{place}: {error.strerror or error}; name another") from error
    if head and head != signature:
        raise DatasetError(f"{place}: is a file of another kind; delete it or name another")
