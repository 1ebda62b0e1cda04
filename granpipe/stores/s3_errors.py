"""What a server of S3 may answer, as obstore reports it -> our errors, in one line each."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from obstore.exceptions import BaseError, NotFoundError

from granpipe.errors import DatasetError

_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_DENIED = {"AccessDenied", "AllAccessDisabled"}
_BUSY = {"InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout"}
_STRANGER = {
    *("SignatureDoesNotMatch", "InvalidAccessKeyId", "ExpiredToken", "InvalidToken"),
    *("AuthorizationHeaderMalformed", "RequestTimeTooSkewed", "InvalidClientTokenId"),
    *("InvalidIdentityToken", "ExpiredTokenException", "IDPRejectedClaim"),
}

# How obstore reports a connection that ended before the answer; one that was refused is another.
_BROKEN = re.compile(r"kind: (Interrupted|Unknown),|response body error")

# How it names the first key of a listing that it cannot represent.
_BAD_KEY = re.compile(
    r'Path "(?P<key>.*?)"(: Encountered illegal character| contained empty path segment)', re.S
)


class BadKeyError(Exception):
    """A listing holds a key that obstore cannot represent; its words quote the key."""


@contextmanager
def answering(url: str, path: str) -> Iterator[None]:
    """Turn what obstore raises into OSErrors of one object, and DatasetErrors of them all.

    The path is that of the object or folder below the bucket's prefix; empty for all of it.
    """
    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        if _code(error) == "NoSuchBucket":
            fail(url, path, error)
        raise FileNotFoundError(2, "is gone") from error
    except BaseError as error:
        if _code(error) in _DENIED and path:
            raise PermissionError(13, "access denied") from error
        if found := _BAD_KEY.search(str(error)):
            raise BadKeyError(repr(found["key"])) from error
        fail(url, path, error)
    except OSError as error:
        if error.errno is None:  # obstore's writer has no other kind of error
            fail(url, path, error)
        raise
    except ValueError as error:
        # obstore refuses keys that it cannot write in one way only.
        raise OSError(22, "no such key can be") from error


@contextmanager
def writing(url: str, path: str) -> Iterator[None]:
    """Turn all that obstore raises into DatasetErrors: what cannot be written ends a run."""
    try:
        with answering(url, path):
            yield
    except OSError as error:
        raise DatasetError(f"{url}/{path}: {error.strerror}; fix that, then run again") from error


def fail(url: str, path: str, error: Exception) -> NoReturn:
    """Raise the DatasetError of a bucket that does not answer as it should."""
    place = f"{url}/{path}".rstrip("/")
    code = _code(error)
    if code == "NoSuchBucket":
        bucket = "/".join(url.split("/")[:3])
        raise DatasetError(f"{bucket}: there is no such bucket") from error
    if code in _DENIED | _STRANGER or _has_no_credentials(error):
        raise DatasetError(
            f"{place}: access denied ({code or 'no credentials'}); check AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY or AWS_PROFILE"
        ) from error
    raise DatasetError(
        f"{place}: no good answer ({code or _cause(error)}); check AWS_ENDPOINT_URL, "
        "AWS_REGION and the network, then run again"
    ) from error


def retry(ask: Callable[[], Any]) -> Any:
    """Ask again, a few times, where a server was busy, had a mishap, or went away meanwhile.

    For what obstore does not ask twice by itself: it may have been done the first time, or the
    answer had begun.
    """
    for pause in (0.2, 1.0, 3.0):
        try:
            return ask()
        except Exception as error:
            if _code(error) not in _BUSY and not _BROKEN.search(str(error)):
                raise
        time.sleep(pause)
    return ask()


def _code(error: Exception) -> str:
    found = _CODE.search(str(error))
    return found[1] if found else ""


def _has_no_credentials(error: Exception) -> bool:
    """Return whether obstore, given no keys, looked for those of a machine of Amazon's."""
    return "//169.254.169.254/" in str(error) or "Unauthenticated" in type(error).__name__


def _cause(error: Exception) -> str:
    """Return a short cause without addresses, headers or bodies, which may hold secrets."""
    if "MissingEtag" in str(error):
        return "the server gives no ETags"
    first = str(error).partition("\n")[0]
    for sign in ("HTTP error: ", "status code: "):
        if sign in first:
            return first.rpartition(sign)[2].partition(":")[0][:60].strip()
    return type(error).__name__
