"""What Prometheus asks at ``/metrics``: requests, latencies, examples, the queue and its places, what was refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Metrics"]

#: Seconds that divide latencies: a jet takes some milliseconds, a request may take a minute.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
#: Examples in one pass.
_PASS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The numbers of one server, in a registry of its own."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector

        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        own: dict[str, Any] = {"namespace": "fair_hep", "registry": self.registry}
        self._requests = Counter("requests", "Requests by address and status.", ["endpoint", "status"], **own)
        self._seconds = Histogram(
            "request_seconds", "Time from the header of a request to the end of its answer.", ["model", "explain"],
            buckets=_SECONDS, **own,
        )  # fmt: skip
        self._examples = Counter("examples", "Examples answered.", ["model", "explain"], **own)
        self._outside = Counter(
            "outside", "Examples answered that lie outside of what the model knows.", ["model"], **own
        )
        self._refused = Counter("refusals", "Requests and connections without an answer, by reason.", ["reason"], **own)
        self._pass = Histogram("pass_examples", "Examples computed together.", ["model"], buckets=_PASS, **own)

    def watch(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Add a number that is looked up when somebody asks."""
        from prometheus_client import Gauge

        Gauge(name, meaning, namespace="fair_hep", registry=self.registry).set_function(value)

    def request(self, endpoint: str, status: int, seconds: float, told: Mapping[str, Any]) -> None:
        """Count a request.

        Parameters
        ----------
        endpoint
            Its address, one of those that the server has.
        status
            Status of HTTP; 499 if the client has gone.
        seconds
            Time that it took.
        told
            What is known of it: ``model``, ``examples``, ``outside``, ``explain``, ``reason``.
        """
        self._requests.labels(endpoint, status).inc()
        if reason := told.get("reason"):
            self.refused(reason)
        if "examples" in told and status == 200:
            model, explain = told["model"], str(told["explain"]).lower()
            self._seconds.labels(model, explain).observe(seconds)
            self._examples.labels(model, explain).inc(told["examples"])
            self._outside.labels(model).inc(told["outside"])

    def refused(self, reason: str) -> None:
        """Count what got no answer."""
        self._refused.labels(reason).inc()

    def passed(self, model: str, examples: int) -> None:
        """Count what was computed together."""
        self._pass.labels(model).observe(examples)

    def text(self) -> tuple[bytes, str]:
        """Return all numbers in Prometheus' text format, and its media type."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self.registry), CONTENT_TYPE_LATEST
