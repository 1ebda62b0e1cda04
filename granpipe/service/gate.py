"""Fail fast: few requests wait for a part of the online path at once, and none once it is down."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from granpipe.errors import DatasetError, one_line
from granpipe.service.events import DownError

_MOST = 12  # requests that wait at once; fewer than the server has threads
_PATIENCE = 1.0  # seconds that another waits for a place among them
_PROBING = 3.0  # seconds that one who asks how the part is waits for a probe
_BETWEEN_PROBES = 2.0


class Gate:
    """Stands before a part that may be down.

    Parameters
    ----------
    name : str
        Of the part.
    probe : callable
        Asks the part for something; raises DownError or DatasetError where it does not answer.

    Attributes
    ----------
    trouble : str
        Why the part is down, as far as known; else empty.
    """

    def __init__(self, name: str, probe: Callable[[], object]) -> None:
        self.name = name
        self.trouble = ""
        self._probe = probe
        self._places = threading.BoundedSemaphore(_MOST)
        self._turn = threading.Lock()
        self._looking: threading.Thread | None = None
        self._seen = threading.Event()

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Let a request ask the part.

        Raises
        ------
        DownError
            It is down, or others have waited for it too long already.
        """
        if self.trouble:
            raise DownError(self.trouble)
        if not self._places.acquire(timeout=_PATIENCE):
            self._close(f"{self.name}: does not answer")
            raise DownError(self.trouble)
        try:
            yield
        except DownError as error:
            self._close(one_line(error))
            raise
        finally:
            self._places.release()

    def _close(self, why: str) -> None:
        self.trouble = why
        self._look()

    def look(self) -> str:
        """Return why the part is down, or an empty text, after a moment at most."""
        self._look()
        if not self._seen.wait(_PROBING):
            return self.trouble or f"{self.name}: does not answer"
        return self.trouble

    def _look(self) -> None:
        """See that one thread probes the part, until that answers."""
        with self._turn:
            if not self._looking or not self._looking.is_alive():
                self._seen.clear()
                self._looking = threading.Thread(target=self._probe_on, daemon=True)
                self._looking.start()

    def _probe_on(self) -> None:
        while True:
            try:
                self._probe()
            except (DownError, DatasetError, OSError) as error:
                self.trouble = one_line(error)
            else:
                self.trouble = ""
            self._seen.set()
            if not self.trouble:
                return
            time.sleep(_BETWEEN_PROBES)
