"""How a relayed deployment is rendered, and that nothing changes for the others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from scheduler.domain.routing import EdgeBackend, EdgeConfig, EdgeEndpoint, EdgeLocality, EdgeRelay, EdgeRoute
from scheduler.domain.workload import Resume, StreamPolicy
from scheduler.edge.envoy import render
from scheduler.edge.envoy_listener import FrontDoor
from scheduler.edge.metering import parse_line
from scheduler.edge.stats import read_clusters

DOOR = FrontDoor(Path("/run/edge"), 8080, 9901, Path("/var/log/edge.jsonl"))
PLACE = EdgeLocality("c1", "aws", "us-east-1", "", 100, 0, (EdgeEndpoint("r1", "10.0.0.1:8000", 100),))
PLAIN = EdgeBackend("plain", "plain", (PLACE,))
HELD = EdgeBackend("held", "held", (PLACE,), stream=StreamPolicy(Resume.GREEDY, 30.0), engine="vllm")
MIXED = EdgeRoute("both", (("held", 60), ("plain", 40)))
CONFIG = EdgeConfig((EdgeRoute("held", (("held", 100),)), MIXED, EdgeRoute("plain", (("plain", 100),))), (HELD, PLAIN))
RELAYED = replace(CONFIG, relay=EdgeRelay("127.0.0.1:8612", 8614))


def resources(name: str, config: EdgeConfig = RELAYED) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(render(config, DOOR)[name])["resources"]
    return found


def action(model: str) -> dict[str, Any]:
    """The first route that serves a public name."""
    found = [node for node in nodes(resources("rds.json")[0]) if told(node) == model]
    return found[0]


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from nodes(each)


def told(node: dict[str, Any]) -> str:
    return str(node.get("metadata", {}).get("filter_metadata", {}).get("headrace", {}).get("model", "")) if "route" in node else ""


def test_without_a_relay_a_policy_changes_nothing() -> None:
    bare = replace(CONFIG, backends=(replace(HELD, stream=StreamPolicy()), PLAIN))
    assert render(CONFIG, DOOR) == render(bare, DOOR)


def test_without_a_policy_a_relay_changes_nothing() -> None:
    bare = replace(CONFIG, backends=(replace(HELD, stream=StreamPolicy()), PLAIN))
    assert render(replace(bare, relay=RELAYED.relay), DOOR) == render(bare, DOOR)


def test_a_relayed_deployment_leads_to_the_relay_first_and_to_its_replicas_where_that_is_down() -> None:
    assert action("held")["route"]["cluster"] == "held~relayed"
    aggregate = next(cluster for cluster in resources("cds.json") if cluster["name"] == "held~relayed")
    assert aggregate["cluster_type"]["typed_config"]["clusters"] == ["headrace.relay", "held"]
    assert "relay" not in json.dumps(action("plain"))


def test_only_the_relayed_part_of_an_alias_passes_the_relay() -> None:
    shares = action("both")["route"]["weighted_clusters"]["clusters"]
    assert [(share["name"], share["weight"]) for share in shares] == [("held~relayed", 60), ("plain", 40)]


def test_the_relay_is_told_the_policy_and_what_a_client_claims_is_overwritten() -> None:
    added = {each["header"]["key"]: each["header"]["value"] for each in action("held")["request_headers_to_add"]}
    assert added == {
        "x-headrace-deployment": "held",
        "x-headrace-resume": "greedy",
        "x-headrace-hold-s": "30",
        "x-headrace-silence-s": "10",
        "x-headrace-engine": "vllm",
    }
    assert {each["append_action"] for each in action("held")["request_headers_to_add"]} == {"OVERWRITE_IF_EXISTS_OR_ADD"}


def test_the_way_back_is_on_loopback_and_metered_by_nobody() -> None:
    front, back = resources("lds.json", replace(RELAYED, relay=EdgeRelay("127.0.0.1:8612", 8614)))
    assert back["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 8614}
    assert "access_log" in json.dumps(front)
    assert "access_log" not in json.dumps(back)


def test_a_relayed_request_is_the_deployments_in_the_ledger() -> None:
    row = {
        "at": "2026-11-25T12:00:05.000Z",
        "status": 200,
        "deployment": "held~relayed",
        "replica": None,
        "relayed_replica": "r1",
        "usage": {},
    }
    metered = parse_line(json.dumps(row).encode())
    assert metered is not None
    assert (metered.deployment, metered.replica) == ("held", "r1")


def test_draining_replicas_are_healthy_but_not_ready_and_failing_ones_are_dead() -> None:
    def host(port: int, **health: object) -> dict[str, object]:
        return {"address": {"socket_address": {"address": "10.0.0.1", "port_value": port}}, "health_status": health}

    hosts = [host(1), host(2, eds_health_status="DRAINING"), host(3, failed_active_health_check=True), host(4, failed_outlier_check=True)]
    sight = read_clusters(json.dumps({"cluster_statuses": [{"name": "chat", "host_statuses": hosts}]}).encode())
    assert sight.ready == {"chat": {"10.0.0.1:1"}}
    assert (sight.healthy, sight.dead) == ({"10.0.0.1:1", "10.0.0.1:2"}, {"10.0.0.1:3"})
