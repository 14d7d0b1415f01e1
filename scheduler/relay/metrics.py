"""What the relay counts, in Prometheus' form."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_GAPS_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30)


class RelayMetrics:
    """Series of one relay."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        of = ("deployment",)
        self.streams = Gauge("headrace_relay_streams", "requests in flight", of, registry=self.registry)
        self.held = Counter("headrace_relay_held", "requests that waited for a ready replica", of, registry=self.registry)
        self.refused = Counter("headrace_relay_refused", "requests refused, by reason", (*of, "reason"), registry=self.registry)
        self.resumed = Counter("headrace_relay_resumed", "streams continued on another replica", of, registry=self.registry)
        self.resent = Counter("headrace_relay_resent", "requests sent again before their first token", of, registry=self.registry)
        self.cut = Counter("headrace_relay_cut", "streams broken off, by reason", (*of, "reason"), registry=self.registry)
        self.gap = Histogram("headrace_relay_gap_seconds", "silence at a resume", of, registry=self.registry, buckets=_GAPS_S)

    def exposition(self) -> bytes:
        return generate_latest(self.registry)
