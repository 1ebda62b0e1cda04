"""A request's body as it arrives: in memory while it is small, then in a file of TMPDIR."""

import os
import tempfile
from contextlib import suppress
from io import BytesIO
from typing import IO, Any, NoReturn

from granpipe.errors import DatasetError

_IN_MEMORY = 1 << 19  # bytes
# Where it is full, tempfile alone would choose another folder.
_FOLDER = os.environ.get("TMPDIR") or None


class Body:
    """Takes the place of a buffer of waitress.

    A client reads no answer before it has sent everything. So what cannot be kept is thrown away
    as it comes, and reading it raises DatasetError.

    Parameters
    ----------
    most : int
        Bytes; nothing is kept of a body that is larger.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._file: Any = tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=_FOLDER)  # noqa: SIM115
        self._trouble: OSError | None = None

    def __len__(self) -> int:
        return self._size

    def append(self, data: bytes) -> None:
        """Keep the bytes that come next."""
        self._size += len(data)
        if self._size > self._most:
            self.close()
        elif not self._trouble:
            try:
                self._file.write(data)
            except OSError as error:
                self._give_up(error)

    def getfile(self) -> IO[bytes]:
        """Return what was kept, to be read from its start."""
        if self._size > self._most:
            return BytesIO()
        if not self._trouble:
            try:
                self._file.seek(0)  # writes what is left
            except OSError as error:
                self._give_up(error)
        return self._file if not self._trouble else _Lost(self._trouble)  # type: ignore[return-value]

    def _give_up(self, error: OSError) -> None:
        self._trouble = error
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        with suppress(OSError):  # it would write what is left
            self._file.close()


class _Lost:
    """Takes the place of a body that could not be kept."""

    def __init__(self, why: OSError) -> None:
        self._why = why

    def read(self, size: int = -1) -> NoReturn:
        """Say why.

        Raises
        ------
        DatasetError
            Always.
        """
        raise DatasetError(f"{_FOLDER or tempfile.tempdir}: {self._why}") from self._why
