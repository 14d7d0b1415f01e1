"""Active requests by endpoint, from Envoy's admin document."""

from __future__ import annotations

import json

import pytest

from scheduler.edge.stats import AdminStats, EdgeUnreadableError, active_requests


def host(address: str, port: int, active: int | None) -> dict[str, object]:
    stats = [{"name": "cx_total", "value": "9"}] + ([{"name": "rq_active", "value": str(active)}] if active is not None else [])
    return {"address": {"socket_address": {"address": address, "port_value": port}}, "stats": stats}


def test_requests_are_summed_over_the_deployments_that_share_an_endpoint() -> None:
    clusters = [{"name": "a", "host_statuses": [host("10.0.0.1", 80, 2), host("10.0.0.2", 80, None)]}]
    clusters.append({"name": "b", "host_statuses": [host("10.0.0.1", 80, 3)]})
    assert active_requests(json.dumps({"cluster_statuses": clusters}).encode()) == {"10.0.0.1:80": 5, "10.0.0.2:80": 0}


def test_an_edge_without_clusters_is_idle() -> None:
    assert active_requests(b"{}") == {}


def test_nonsense_is_unknown_and_not_idle() -> None:
    with pytest.raises(EdgeUnreadableError):
        active_requests(b"<html>")


async def test_an_edge_that_does_not_answer_is_unknown_and_not_idle() -> None:
    with pytest.raises(EdgeUnreadableError):
        await AdminStats(1).in_flight()
