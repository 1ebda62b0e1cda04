"""A bucket of S3, or of a server that speaks its language, by way of obstore, of the extra `s3`."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import IO, Any, cast

import obstore
from obstore.exceptions import AlreadyExistsError, NotFoundError, PreconditionError

from granpipe.errors import DatasetError
from granpipe.stores.credentials import client
from granpipe.stores.lease import Lease
from granpipe.stores.owner import owner_of
from granpipe.stores.protocol import Entry, Held, Store
from granpipe.stores.s3_errors import BadKeyError, answering, retry, writing

_LONGEST_KEY = 1024
_PART = 8 * 1024 * 1024


@dataclass(frozen=True)
class Bucket:
    """The objects of a bucket below a prefix; a `Store`.

    Parameters
    ----------
    bucket, prefix : str
        As in s3://bucket/prefix; the prefix may be empty.
    run : str
        Tells the bucket of one run from that of another.
    client : optional
        An obstore store to use in place of the one that the AWS variables describe. It is not
        pickled, nor is any secret.
    """

    bucket: str
    prefix: str = ""
    run: str = ""
    client: Any = field(default=None, compare=False, repr=False)

    ahead = 4

    def __reduce__(self) -> tuple[type["Bucket"], tuple[str, str, str]]:
        return Bucket, (self.bucket, self.prefix, self.run)

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @cached_property
    def _objects(self) -> Any:
        return self.client or client(self.bucket)

    def _key(self, path: str) -> str:
        return "/".join(part for part in (self.prefix, path) if part)

    def _path(self, key: str) -> str:
        return key[len(self.prefix) + bool(self.prefix) :]

    def _entry(self, meta: Any) -> Entry:
        return Entry(self._path(meta["path"]), meta["size"], _version(meta))

    def list(self, folder: str = "", *, deep: bool = True) -> Iterator[Entry]:
        """Yield the objects below a prefix; a listing costs a request for every thousand."""
        if not deep:
            yield from self._walk(folder, deep=False)
            return

        def listed() -> list[Entry]:
            chunks = obstore.list(self._objects, self._key(folder) or None)
            return [self._entry(meta) for chunk in chunks for meta in chunk]

        try:
            with answering(self.url, folder):
                found = retry(listed)
        except (BadKeyError, PermissionError):
            found = [*self._walk(folder, deep=True)]
        yield from found

    def _walk(self, folder: str, *, deep: bool) -> Iterator[Entry]:
        """List folder by folder: what cannot be listed costs its own folder only."""
        folders = [folder]
        while folders:
            name = folders.pop()
            try:
                with answering(self.url, name):
                    key = self._key(name) or None
                    listed = retry(partial(obstore.list_with_delimiter, self._objects, key))
            except BadKeyError as error:
                why = f"its key {error} has an empty part, a dot or a control character"
                yield _unlisted(name, why)
            except PermissionError as error:
                yield _unlisted(name, f"{error.strerror}")
            else:
                yield from map(self._entry, listed["objects"])
                if deep:
                    folders += map(self._path, listed["common_prefixes"])

    def read(self, path: str) -> tuple[bytes, str]:
        """Return an object's bytes and etag, by one GET."""
        with answering(self.url, path):
            answer = obstore.get(self._objects, self._key(path))
            return bytes(answer.bytes()), _version(answer.meta)

    def head(self, path: str, size: int) -> bytes:
        """Return an object's first bytes, by one GET of a range."""
        try:
            with answering(self.url, path):
                answer = obstore.get(self._objects, self._key(path), options={"range": (0, size)})
                return bytes(answer.bytes())
        except DatasetError as error:
            if re.search("invalid ?range", str(error.__cause__), re.I):  # an empty object
                return b""
            raise

    def version(self, path: str) -> str:
        """Return an object's etag, by one HEAD."""
        with answering(self.url, path):
            return _version(retry(partial(obstore.head, self._objects, self._key(path))))

    def pieces(self, path: str) -> Iterator[bytes]:
        """Yield an object's bytes as they come, by one GET."""
        with answering(self.url, path):
            yield from map(bytes, obstore.get(self._objects, self._key(path)).stream(1 << 20))

    def write(self, path: str, data: bytes | bytearray) -> str:
        """Write an object, by one PUT unless it is large."""
        with writing(self.url, path):
            return _version(obstore.put(self._objects, self._key(path), data, chunk_size=_PART))

    def create(self, path: str, data: bytes) -> str | None:
        """Write an object where there is none (If-None-Match)."""
        return self._conditionally(path, data, "create")

    def replace(self, path: str, data: bytes, version: str) -> str | None:
        """Write an object in place of the one with this etag (If-Match)."""
        return self._conditionally(path, data, {"e_tag": f'"{version}"'})

    def _conditionally(self, path: str, data: bytes, mode: Any) -> str | None:
        with answering(self.url, path):
            try:
                # obstore tries such a request again only where it knows that nothing was done.
                done = retry(
                    lambda: obstore.put(
                        self._objects, self._key(path), data, mode=mode, use_multipart=False
                    )
                )
            except (AlreadyExistsError, PreconditionError, NotFoundError):
                pass
            else:
                return _version(done)
        # A request that was sent twice, as its first answer was lost, finds its own work.
        try:
            present, version = self.read(path)
        except FileNotFoundError:
            return None
        return version if present == data else None

    @contextmanager
    def writer(self, path: str) -> Iterator[IO[bytes]]:
        """Write a large object part by part; it is there when the last part is."""
        with (
            writing(self.url, path),
            obstore.open_writer(self._objects, self._key(path), buffer_size=_PART) as file,
        ):
            yield cast(IO[bytes], file)

    def delete(self, path: str) -> None:
        """Delete an object."""
        with writing(self.url, path), suppress(FileNotFoundError), answering(self.url, path):
            retry(lambda: obstore.delete(self._objects, self._key(path)))

    @contextmanager
    def hold(
        self, folder: str, say: Callable[[str], None], *, is_brief: bool = False
    ) -> Iterator[Held]:
        """Take a lease, and renew it for as long as the block lasts."""
        lease = Lease(self, folder, say, is_brief=is_brief)
        lease.take()
        try:
            yield Held(replace(self, run=lease.id), lease.check, lease.watch)
        finally:
            lease.give_back()

    def holder(self, folder: str) -> str:
        """Return who holds the lease, if it is not known to have ended."""
        try:
            owner = owner_of(self.read(f"{folder}/lock")[0])
        except OSError:
            return ""
        return "" if owner and owner.is_gone() else str(owner or "another run")

    def age(self, path: str, probe: str) -> float:
        """Return by how many seconds an object is older than a probe that is written now.

        Both times are the server's; no clock of this machine has a part in it.
        """
        self.write(probe, b"")
        try:
            with answering(self.url, path):
                now = obstore.head(self._objects, self._key(probe))["last_modified"]
                then = obstore.head(self._objects, self._key(path))["last_modified"]
        finally:
            self.delete(probe)
        return float((now - then).total_seconds())

    def refusal(self, path: str) -> str:
        """Return why no object can have such a key."""
        if len(self._key(path).encode("utf-8", "replace")) > _LONGEST_KEY:
            return "the path is too long for a key of the bucket"
        if any(ord(char) < 32 or ord(char) == 127 for char in path):
            return "a bucket takes no control characters in names"
        return ""

    def is_missing(self) -> bool:
        """Return False: a prefix without keys is as good as any other."""
        return False

    def ignores_case(self) -> bool:
        """Keys that differ in case are different keys."""
        return False

    def is_within(self, other: Store) -> bool:
        """Return whether the prefix is the other's, or below it."""
        return (
            isinstance(other, Bucket)
            and self.bucket == other.bucket
            and f"{self.prefix}/".startswith(f"{other.prefix}/".lstrip("/"))
        )

    def free(self) -> int | None:
        """Nobody says how much a bucket takes."""
        return None


def _unlisted(folder: str, why: str) -> Entry:
    return Entry(folder, 0, "", f"cannot list the folder: {why}", is_folder=True)


def _version(meta: Any) -> str:
    etag = meta.get("e_tag") or ""
    return str(etag).strip('"') if etag else f"{meta.get('last_modified', '')}"
