"""The rendered files: stable bytes, names that can't break out of them, and the settings that lose no request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scheduler.domain.routing import EdgeBackend, EdgeConfig, EdgeEndpoint, EdgeLocality, EdgeRoute
from scheduler.edge.envoy import endpoints_file, render
from scheduler.edge.envoy_listener import FrontDoor
from scheduler.edge.process import EnvoyMissingError, envoy_command, find_envoy
from scheduler.edge.publish import FilePublisher

DOOR = FrontDoor(Path("/run/edge"), 8080, 9901, Path("/var/log/edge.jsonl"))
PLACE = EdgeLocality(
    "c1", "aws", "us-east-1", "", 100, 0, (EdgeEndpoint("r1", "10.0.0.1:8000", 100), EdgeEndpoint("r2", "10.0.0.2:8000", 0))
)
CONFIG = EdgeConfig((EdgeRoute("chat", (("chat", 100),)),), (EdgeBackend("chat", "chat", (PLACE,), 16),))


def parsed(name: str, config: EdgeConfig = CONFIG) -> dict[str, Any]:
    resources = json.loads(render(config, DOOR)[name])["resources"]
    first = resources[0]
    assert isinstance(first, dict)
    return first


def test_the_same_value_renders_the_same_bytes() -> None:
    assert render(CONFIG, DOOR) == render(CONFIG, DOOR)


def test_endpoints_come_before_clusters_and_clusters_before_routes() -> None:
    names = list(render(CONFIG, DOOR))
    assert names[:4] == [endpoints_file("chat"), "cds.json", "rds.json", "lds.json"]


@pytest.mark.parametrize("name", ["org/model", "../../etc/passwd", "a b", "."])
def test_a_deployments_name_cannot_lead_its_file_elsewhere(name: str) -> None:
    assert "/" not in endpoints_file(name)
    assert endpoints_file(name).startswith("eds-")


def test_an_endpoint_without_weight_drains() -> None:
    (locality,) = parsed(endpoints_file("chat"))["endpoints"]
    assert [endpoint["health_status"] for endpoint in locality["lb_endpoints"]] == ["UNKNOWN", "DRAINING"]


def test_a_cluster_refuses_fast_instead_of_guessing() -> None:
    cluster = parsed("cds.json")
    assert cluster["common_lb_config"]["healthy_panic_threshold"] == {"value": 0}
    assert cluster["outlier_detection"]["max_ejection_percent"] == 100
    assert [each["max_connections"] for each in cluster["circuit_breakers"]["per_host_thresholds"]] == [8, 16]


def test_streams_have_no_total_limit_and_retries_avoid_the_failed_host() -> None:
    host = parsed("rds.json")["virtual_hosts"][0]
    assert '"timeout": "0s"' in json.dumps(host["matcher"])
    assert host["retry_policy"]["retry_host_predicate"][0]["name"] == "envoy.retry_host_predicates.previous_hosts"


def test_the_admin_interface_is_on_loopback() -> None:
    admin = json.loads(render(CONFIG, FrontDoor(DOOR.directory, 80, 9901, DOOR.access_log, host="0.0.0.0"))["bootstrap.json"])["admin"]
    assert admin["address"]["socket_address"]["address"] == "127.0.0.1"


async def test_publishing_the_same_twice_changes_nothing_and_a_withdrawn_deployment_leaves_no_file(tmp_path: Path) -> None:
    publisher = FilePublisher(FrontDoor(tmp_path, 8080, 9901, tmp_path / "log"))
    assert await publisher.publish(CONFIG) is True
    assert await publisher.publish(CONFIG) is False
    assert (tmp_path / endpoints_file("chat")).exists()
    assert await publisher.publish(EdgeConfig()) is True
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bootstrap.json", "cds.json", "lds.json", "rds.json"]


def test_envoy_is_found_where_the_environment_says(tmp_path: Path) -> None:
    binary = tmp_path / "envoy"
    binary.write_text("")
    binary.chmod(0o755)
    assert find_envoy({"ENVOY_BIN": str(binary)}) == binary
    with pytest.raises(EnvoyMissingError, match="ENVOY_BIN"):
        find_envoy({"ENVOY_BIN": str(tmp_path / "absent")})


def test_envoy_runs_without_shared_memory_so_that_several_fit_a_host() -> None:
    argv, _ = envoy_command(Path("/run/edge"), {})
    assert {"--disable-hot-restart", "/run/edge/bootstrap.json"} <= set(argv)


async def test_a_table_that_would_end_envoy_is_refused_and_the_old_one_stays(tmp_path: Path) -> None:
    publisher = FilePublisher(FrontDoor(tmp_path, 8080, 9901, tmp_path / "log"), deployments_max=1)
    assert await publisher.publish(CONFIG)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.json")}
    many = EdgeConfig(CONFIG.routes, (*CONFIG.backends, EdgeBackend("other", "other", (PLACE,), 16)))
    assert not await publisher.publish(many)
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.json")} == before
