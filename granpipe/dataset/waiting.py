"""Hold a dataset, and wait for a run that will be done soon."""

import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager

from granpipe.dataset.names import OWN
from granpipe.errors import BusyError
from granpipe.stores.protocol import Held, Store

_BETWEEN_LOOKS = 0.1  # seconds; the online path pauses for longer between two batches


@contextmanager
def acquire(store: Store, say: Callable[[str], None]) -> Generator[Held, None, None]:
    """Hold a dataset, after a run that will be done soon; BusyError where it will not be."""
    with ExitStack() as stack:
        is_told = False
        while True:
            try:
                lock = stack.enter_context(store.hold(OWN, say))
                break
            except BusyError as error:
                if not error.is_brief:
                    raise
                if not is_told:
                    say(str(error).replace("wait for it", "waiting for its batch"))
                is_told = True
            time.sleep(_BETWEEN_LOOKS)
        yield lock
