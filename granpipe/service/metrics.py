"""What Prometheus is told of the web process."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client import generate_latest as _written


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
