"""Prometheus' metrics of the web process and of the worker."""

from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client import generate_latest as _written

from granpipe.errors import DatasetError, one_line
from granpipe.service.request_log import RequestLog

_BATCHES = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)  # seconds


class Metrics:
    """Counts requests."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "granpipe_requests", "Requests answered.", ["route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "granpipe_request_seconds", "From a whole request to its answer.", ["route"],
            registry=self._registry,
        )  # fmt: skip
        self._received = Counter(
            "granpipe_received_bytes", "Bytes of the bodies of requests.", registry=self._registry
        )

    def count(self, route: str, status: int, seconds: float, received: int) -> None:
        """Count a request that was answered."""
        self._requests.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)
        self._received.inc(received)

    def text(self) -> bytes:
        """Return all counts, in Prometheus' format."""
        return _written(self._registry)


class MeasuredLog(RequestLog):
    """The worker's log, which answers Prometheus what the lines about batches add up to.

    Parameters
    ----------
    as_json : bool
    address : str
        host:port, or a port of 127.0.0.1.

    Raises
    ------
    DatasetError
        The address cannot be had.
    """

    def __init__(self, *, as_json: bool, address: str) -> None:
        super().__init__(as_json=as_json)
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._photographs = Counter(
            "granpipe_photographs", "Done, by what came of them.", ["state"], registry=registry
        )
        self._seconds = Histogram(
            "granpipe_batch_seconds", "Of a batch.", buckets=_BATCHES, registry=registry
        )
        self._waited = Histogram(
            "granpipe_wait_seconds", "From its upload to its array, of the oldest in each batch.",
            buckets=_BATCHES, registry=registry,
        )  # fmt: skip
        self._lag = Gauge("granpipe_lag", "Events that wait; -1 if unknown.", registry=registry)
        self._last = Gauge(
            "granpipe_last_batch_timestamp_seconds", "When a batch ended.", registry=registry
        )
        host, _, port = address.rpartition(":")
        try:
            start_http_server(int(port), host or "127.0.0.1", registry=registry)
        except (OSError, ValueError, OverflowError) as error:
            raise DatasetError(f"GRANPIPE_METRICS: {address}: {one_line(error)}") from error

    def note(self, what: str, **facts: Any) -> None:
        """Write a line, and count what it says of a batch."""
        super().note(what, **facts)
        if what == "batch":
            for state in ("prepared", "kept", "rejected"):
                self._photographs.labels(state).inc(facts[state])
            self._seconds.observe(facts["seconds"])
            if "waited" in facts:
                self._waited.observe(facts["waited"])
            self._lag.set(facts["lag"])
            self._last.set_to_current_time()
