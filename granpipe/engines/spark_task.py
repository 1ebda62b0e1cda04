"""What an executor of Spark does: chunks of items, in granpipe's own processes."""

import pickle
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from granpipe.engines.heartbeat import Heartbeat, watched
from granpipe.engines.processes import Pool
from granpipe.errors import DatasetError
from granpipe.stores.credentials import be_patient
from granpipe.stores.protocol import Store


@dataclass(frozen=True, slots=True)
class Died:
    """Replaces the results of a chunk whose task was tried before, and took all down with it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Replaces the results of a chunk that an error ended; `cause` says why in a line."""

    cause: str


@dataclass(frozen=True, slots=True)
class Order:
    """What the tasks of a job are to do.

    Attributes
    ----------
    function : callable
        What is to be done with every item.
    workers : int
        Processes of each task; 0 for one a core of the task.
    heartbeat : Heartbeat or None
        Of the driver; None where nothing is written.
    sample : tuple
        A store and the path of a file that is to be there on every executor; empty for none.
    copies : int
        How many tries of a task Spark may start while the first is well: 1 where it speculates.
    chunks : sequence of bytes
        Lists of items, each pickled by itself: a task reads its own alone.
    """

    function: Callable[[Any], Any]
    workers: int
    heartbeat: Heartbeat | None
    sample: tuple[Store, str] | tuple[()] = ()
    copies: int = 0
    chunks: Sequence[bytes] = ()


def trouble(data: bytes) -> str:
    """Return what this executor cannot reach of an order, or an empty text."""
    host = socket.gethostname()
    try:
        order: Order = pickle.loads(data)  # noqa: S301 - of Spark's own closure
    except ModuleNotFoundError as error:
        return f"the executors on {host} lack the package {error.name}; install it there"
    reaches: list[tuple[Store, Callable[[], object]]] = []
    if order.sample:
        store, path = order.sample
        reaches.append((store, lambda: store.head(path, 1)))
    if order.heartbeat:
        reaches.append((order.heartbeat.store, order.heartbeat.read))
    for store, reach in reaches:
        try:
            reach()
        except (OSError, DatasetError) as error:
            why = getattr(error, "strerror", "") or error
            return f"{store.url}: executors on {host} do not reach it ({why}); name what all reach"
    return ""


def work(data: bytes, number: int, cores: int, attempt: int) -> bytes:
    """Work on the chunk of this number, of a pickled order, by a task of so many cores.

    What comes of it is pickled: a list of results, `Failed`, or `Died` if Spark has tried the task
    more often before than it may.
    """
    be_patient()
    order: Order = pickle.loads(data)  # noqa: S301 - of Spark's own closure
    return pickle.dumps(Died() if attempt > order.copies else _work(order, number, cores))


def _work(order: Order, number: int, cores: int) -> list[Any] | Failed:
    items: list[Any] = pickle.loads(order.chunks[number])  # noqa: S301 - as above
    pool = _pool(order.function, order.workers or cores)
    try:
        with watched(order.heartbeat, pool.close):
            results = [result for _, result in pool.run(items)]
    except Exception as error:
        # What left this task would have it tried again, as a death does.
        pool.close()  # it may hold results that nobody took
        return Failed(str(error) or type(error).__name__)
    except BaseException:
        pool.close()
        raise
    return results if len(results) == len(items) else Failed("the driver of this run is gone")


_kept: list[tuple[bytes, Pool[Any, Any]]] = []


def _pool(function: Callable[[Any], Any], workers: int) -> Pool[Any, Any]:
    """Return the processes of the chunk before, where these do the same: starting takes long."""
    wanted = pickle.dumps((function, workers))
    while _kept and (_kept[0][0] != wanted or _kept[0][1].closed):
        _kept.pop()[1].close()
    if not _kept:
        _kept.append((wanted, Pool(function, workers)))
    return _kept[0][1]
