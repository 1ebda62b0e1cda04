"""Which queue and which index the settings choose."""

# The clients of the real ones are large: each is imported where it is chosen.
# ruff: noqa: PLC0415

import platform
from importlib.metadata import version

import PIL

import granpipe
from granpipe.service.events import Events
from granpipe.service.positions import Positions
from granpipe.service.request_log import RequestLog
from granpipe.service.settings import Settings


def open_events(settings: Settings) -> Events:
    """Return the queue: a Kafka broker, or a SQLite file."""
    if settings.kafka:
        from granpipe.service.kafka import KafkaEvents

        return KafkaEvents(settings.kafka)
    from granpipe.service.queue import QueueFile

    return QueueFile(settings.state)


def open_positions(settings: Settings) -> Positions:
    """Return the index: a search server, or a SQLite file."""
    if settings.search:
        from granpipe.service.search_index import SearchIndex

        return SearchIndex(settings)
    from granpipe.service.index_file import IndexFile

    return IndexFile(settings.state)


def open_log(settings: Settings) -> RequestLog:
    """Return the worker's log."""
    is_json = settings.log == "json"
    if settings.metrics:
        from granpipe.service.metrics import MeasuredLog

        return MeasuredLog(as_json=is_json, address=settings.metrics)
    return RequestLog(as_json=is_json)


def places(settings: Settings) -> dict[str, object]:
    """Return versions, and where things are, without secrets: what a process says as it starts."""
    return {
        "granpipe": granpipe.__version__,
        "python": platform.python_version(),
        "pillow": PIL.__version__,
        "flask": version("flask"),
        "source": settings.source,
        "output": settings.output,
        "events": (settings.kafka and settings.kafka.servers) or f"{settings.state}/events.sqlite",
        "index": f"{settings.search}/{settings.search_index}"
        if settings.search
        else f"{settings.state}/positions.sqlite",
        "engine": settings.engine,
        "token": "asked for" if settings.token else settings.open or "none",
    }
