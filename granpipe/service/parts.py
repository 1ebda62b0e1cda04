"""Which queue and which index the settings choose."""

# The clients of the real ones are large: each is imported where it is chosen.
# ruff: noqa: PLC0415

from granpipe.service.events import Events
from granpipe.service.positions import Positions
from granpipe.service.settings import Settings


def open_events(settings: Settings) -> Events:
    """Return the queue: a Kafka broker, or a SQLite file."""
    if settings.kafka:
        from granpipe.service.kafka import KafkaEvents

        return KafkaEvents(settings.kafka)
    from granpipe.service.queue import QueueFile

    return QueueFile(settings.state)


def open_positions(settings: Settings) -> Positions:
    """Return the index: an Elasticsearch server, or a SQLite file."""
    if settings.search:
        from granpipe.service.elastic import SearchIndex

        return SearchIndex(settings.search)
    from granpipe.service.rtree import IndexFile

    return IndexFile(settings.state)
