"""A lock in a bucket: an object that its owner writes again and again while it lives."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol
from uuid import uuid4

from granpipe.errors import BusyError, DatasetError
from granpipe.stores.owner import busy_with, owner_of, this_process
from granpipe.stores.protocol import Store

RENEWAL = 10.0
"""Seconds between two renewals."""

TERM = 120.0
"""Seconds without a renewal, by the server's clock, after which a lease is free."""

_MOST_TAKEOVERS = 8
_HELD: set[str] = set()  # the leases of this process
_TRUSTED: set[str] = set()  # the places whose server was seen to keep conditions


class LeasingStore(Store, Protocol):
    """A store that knows how old a file is without a clock of ours."""

    def age(self, path: str, probe: str) -> float:
        """Return by how many seconds a file is older than a probe that is written now."""


class Lease:
    """The sole right to write below a prefix of a bucket.

    Parameters
    ----------
    bucket : LeasingStore
        The store.
    folder : str
        Where in it the lock is.
    say : callable
        Called with a line on the run that this one waits for.
    is_brief : bool
        Others learn that it will be given back soon.
    """

    def __init__(
        self,
        bucket: LeasingStore,
        folder: str,
        say: Callable[[str], None],
        *,
        is_brief: bool = False,
    ) -> None:
        self.is_brief = is_brief
        self.bucket = bucket
        self.path = f"{folder}/lock"
        self.say = say
        self.id = uuid4().hex
        self.owner = this_process()
        self.version = ""
        self.renewals = 0
        self.takeovers = 0
        self.trouble: DatasetError | None = None
        self.renewed = time.monotonic()
        self.ended = threading.Event()
        self.turn = threading.Lock()
        self.thread = threading.Thread(target=self._keep, daemon=True)

    def take(self) -> None:
        """Take the lease; wait for one whose owner may be dead.

        Raises
        ------
        BusyError
            Its owner is alive.
        DatasetError
            The server writes whatever the condition says, so no lock is one.
        """
        first_seen = ""
        while not self.version:
            self.version = self.bucket.create(self.path, self._text()) or ""
            if not self.version:
                first_seen = self._take_over(first_seen)
        self._try_conditions()
        self.renewed = time.monotonic()
        _HELD.add(self.id)
        self.thread.start()

    def _try_conditions(self) -> None:
        if self.bucket.url in _TRUSTED:
            return
        is_kept = self.bucket.create(self.path, b"{}") is None
        if not is_kept or self.bucket.replace(self.path, b"{}", "0" * 32) is not None:
            self.bucket.delete(self.path)
            raise DatasetError(
                f"{self.bucket.url}: the server ignores conditional writes "
                f"({'If-Match' if is_kept else 'If-None-Match'}), so two runs could write at "
                "once; write to another server or a folder"
            )
        _TRUSTED.add(self.bucket.url)

    def _take_over(self, first_seen: str) -> str:
        """Take the lease of a dead owner, or wait a while; return the version first seen."""
        try:
            data, version = self.bucket.read(self.path)
        except FileNotFoundError:
            return first_seen
        owner = owner_of(data)
        first_seen = first_seen or version
        is_free = bool(owner and owner.is_gone()) or self._was_ours(data)
        if not is_free and (version != first_seen or (owner and owner.is_here())):
            raise busy_with(self.bucket.url, data)
        if not is_free:
            age = self._age()
            is_free = age >= TERM
        if is_free:
            return self._replace(version)
        left = TERM - age
        self.say(
            f"{self.bucket.url}: locked by {owner or 'another run'}, silent for {age:.0f} s; "
            f"waiting up to {left:.0f} s for a sign of life"
        )
        time.sleep(min(RENEWAL + 2, left + 1))
        return first_seen

    def _replace(self, version: str) -> str:
        """Take a free lease, unless another run is faster."""
        self.version = self.bucket.replace(self.path, self._text(), version) or ""
        self.takeovers += 1
        if not self.version and self.takeovers == _MOST_TAKEOVERS:
            raise BusyError(
                f"{self.bucket.url}: its lock is nobody's but cannot be replaced; "
                f"delete {self.path}"
            )
        return ""

    def _was_ours(self, data: bytes) -> bool:
        """Return whether an earlier run of this process could not give its lease back."""
        owner = owner_of(data)
        is_ours = bool(owner and (owner.place, owner.pid) == (self.owner.place, self.owner.pid))
        return is_ours and json.loads(data).get("lease") not in _HELD

    def _age(self) -> float:
        try:
            return self.bucket.age(self.path, f"{self.path}-probe-{self.id}")
        except FileNotFoundError:
            return 0.0

    def _text(self) -> bytes:
        # Another text each time: the etag of most servers is a digest of the bytes.
        return self.owner.to_json(lease=self.id, renewals=self.renewals, brief=self.is_brief)

    def check(self) -> None:
        """Renew the lease now; raise DatasetError where it was lost."""
        self._renew()
        if self.trouble:
            raise self.trouble

    def watch(self) -> None:
        """Raise DatasetError where the lease was lost, or nobody could renew it for its term."""
        if not self.trouble and time.monotonic() - self.renewed > TERM:
            self.trouble = self._lost()
        if self.trouble:
            raise self.trouble

    def _keep(self) -> None:
        while not self.ended.wait(RENEWAL):
            # The server may answer again before the term is over.
            with suppress(DatasetError):
                self._renew()
            if self.trouble:
                return

    def _renew(self) -> None:
        with self.turn:
            if self.trouble or self.ended.is_set():
                return
            self.renewals += 1
            try:
                version = self.bucket.replace(self.path, self._text(), self.version)
            except OSError as error:
                why = f"{error.strerror or error}; fix that, then run again"
                raise DatasetError(f"{self.bucket.url}/{self.path}: {why}") from error
            if version is None:
                self.trouble = self._lost()
            else:
                self.version, self.renewed = version, time.monotonic()

    def _lost(self) -> DatasetError:
        return DatasetError(
            f"{self.bucket.url}: this run was silent for too long and lost its lock; run again"
        )

    def give_back(self) -> None:
        """Delete the lock, if it is still ours."""
        self.ended.set()
        self.thread.join()
        _HELD.discard(self.id)
        try:
            data, _ = self.bucket.read(self.path)
            if json.loads(data).get("lease") == self.id:
                self.bucket.delete(self.path)
        except (OSError, DatasetError, ValueError):
            pass  # it is free after its term
