"""What can go wrong, in granpipe's own words."""


class GranpipeError(Exception):
    """The base of every error that granpipe raises on purpose; its text is one line."""


class DatasetError(GranpipeError):
    """The run cannot go on: a folder, an option or the disk is not as it must be."""


class LayoutError(DatasetError):
    """What was named is not laid out as it must be; the exit code is 2, as of a wrong option."""


class OptionError(DatasetError, ValueError):
    """An option or argument is not what it may be; its text begins with its name."""


class BusyError(DatasetError):
    """Another run is writing at the same place.

    Parameters
    ----------
    message : str
        Who it is.
    is_brief : bool
        It said that it will be done soon.
    """

    def __init__(self, message: str, *, is_brief: bool = False) -> None:
        super().__init__(message)
        self.is_brief = is_brief


class PhotoError(GranpipeError):
    """One photograph cannot be used; the run goes on without it.

    Parameters
    ----------
    reason : str
        A word from the closed list in `granpipe.dataset.tables.REASONS`.
    detail : str
        What is wrong with this photograph, in one line.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


class UnseenError(PhotoError):
    """A photograph that the store did not give: what was made of it before may still be right."""


def one_line(error: Exception) -> str:
    """Return what an error of another library says, on one line of at most 200 characters."""
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
