"""From what a user writes, a folder or s3://bucket/prefix, to a store."""

import os
import re
from importlib.util import find_spec

from granpipe.errors import DatasetError
from granpipe.stores.folder import Folder
from granpipe.stores.protocol import Store

# Two letters at least: C:\ is a drive.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
_NO_PREFIX = re.compile(r"[\x00-\x1f\x7f\\]")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")


def open_store(url: str | os.PathLike[str]) -> Store:
    """Return the store of a folder's path or of a URL s3://bucket/prefix; nothing is touched yet.

    Raises
    ------
    DatasetError
        Another scheme, no name of a bucket, or the extra `s3` is missing.

    Examples
    --------
    >>> open_store("out/").url
    'out/'
    >>> open_store("https://host/out")
    Traceback (most recent call last):
        ...
    granpipe.errors.DatasetError: https://...: only folders and s3://bucket/prefix can be used
    """
    text = os.fspath(url)
    if not text:
        raise DatasetError("an empty name is no folder; name one")
    scheme = _SCHEME.match(text)
    if not scheme:
        return Folder(text)
    if scheme[1].lower() != "s3":
        raise DatasetError(f"{scheme[1]}://...: only folders and s3://bucket/prefix can be used")
    return _bucket(text)


def _bucket(url: str) -> Store:
    bucket, _, prefix = url[len("s3://") :].rstrip("/").partition("/")
    parts = prefix.split("/") if prefix else []
    is_sound = {"", ".", ".."}.isdisjoint(parts) and not _NO_PREFIX.search(prefix)
    if not is_sound or url[:5].lower() != "s3://" or not _BUCKET.fullmatch(bucket):
        # The text is not repeated: somebody may have written a secret into it.
        raise DatasetError("s3://...: write s3://bucket/prefix, and no credentials")
    if find_spec("obstore") is None:
        raise DatasetError("s3:// needs an extra: pip install 'granpipe[s3]'")
    from granpipe.stores.bucket import Bucket  # noqa: PLC0415 - a folder needs none of it

    return Bucket(bucket, prefix)


def open_file(url: str | os.PathLike[str]) -> tuple[Store, str]:
    """Return the store of a file, and its path there; raise as `open_store` does."""
    text = os.fspath(url)
    if _SCHEME.match(text):
        folder, _, name = text.rpartition("/")
        if folder.count("/") < 2:
            raise DatasetError(f"{text}: is a bucket; name a file in it")
        return open_store(folder), name
    folder, name = os.path.split(text)
    return Folder(folder or "."), name


def join(url: str, path: str) -> str:
    """Return how a user names a file of a store, or a folder in it.

    >>> join("out/", "corn"), join("s3://lake/out", "corn/a.jpg.npy")
    ('out/corn', 's3://lake/out/corn/a.jpg.npy')
    """
    return f"{url.rstrip('/')}/{path}" if url.strip("/") else f"{url}{path}"
