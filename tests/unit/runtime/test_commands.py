"""How heads, nodes and agents are started: small, explicit, and with secrets in the environment only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scheduler.domain.errors import InvalidInputError
from scheduler.runtime.agent import AgentSettings, agent_command, agent_settings
from scheduler.runtime.head import HeadSettings, head_command, head_environment, head_settings
from scheduler.runtime.join import Membership, join_request
from scheduler.runtime.node import node_command, node_settings
from scheduler.runtime.protocol import check_control_url
from scheduler.runtime.watcher import MetadataKind

HEAD = HeadSettings("c1", Path("/tmp/hr"), 20100, token="ray-secret")
MEMBERSHIP = Membership("c1", HEAD.address, "https://control.example", 'jo"in$secret', "ray-secret")


def test_a_head_keeps_its_tables_and_starts_nothing_it_has_no_use_for() -> None:
    argv, env = head_command(HEAD)
    assert {"--head", "--include-dashboard=false", "--include-log-monitor=false", "--no-monitor", "--num-gpus=0"} <= set(argv)
    assert (env["RAY_gcs_storage"], env["RAY_gcs_storage_path"]) == ("rocksdb", "/tmp/hr/gcs")
    assert env["RAY_gcs_rpc_server_reconnect_timeout_s"] == "300"


def test_the_secret_of_a_cluster_is_in_the_environment_and_never_in_a_command() -> None:
    argv, env = head_command(HEAD)
    assert (env["RAY_AUTH_MODE"], env["RAY_AUTH_TOKEN"]) == ("token", "ray-secret")
    assert "ray-secret" not in " ".join(argv)
    assert head_command(HeadSettings("c1", Path("/tmp/hr"), 20100))[1]["RAY_AUTH_MODE"] == "disabled"


def test_a_directory_too_long_for_sockets_is_refused_before_ray_fails_on_it() -> None:
    with pytest.raises(InvalidInputError, match="at most"):
        head_command(HeadSettings("c1", Path("/" + "x" * 80), 20100))


def test_head_settings_survive_the_environment() -> None:
    assert head_settings(head_environment(HEAD)) == HEAD


def test_agent_settings_survive_the_environment() -> None:
    settings = AgentSettings("c1", "https://control.example", "secret", HEAD.address, "ray-secret")
    argv, env = agent_command(settings)
    assert agent_settings(env) == settings
    assert "secret" not in " ".join(argv)


def test_a_node_reads_what_its_join_request_wrote() -> None:
    request = join_request(MEMBERSHIP, node="n1", accelerators=8, metadata=MetadataKind.AWS)
    settings = node_settings(request.env)
    assert (settings.node, settings.accelerators, settings.metadata_url) == ("n1", 8, "http://169.254.169.254")
    argv, _ = node_command(settings)
    assert {"--labels=headrace.dev/node=n1", "--num-gpus=8", f"--address={HEAD.address}", "--node-ip-address=127.0.0.2"} <= set(argv)


def test_a_startup_script_keeps_the_token_in_a_file_only_root_reads() -> None:
    request = join_request(MEMBERSHIP, node="n1", accelerators=8, metadata=MetadataKind.GCP)
    first, _, body = request.user_data.partition("\n")
    assert first == "#cloud-config"
    env_file, unit = json.loads(body)["write_files"]
    assert env_file["permissions"] == "0600"
    assert 'HEADRACE_TOKEN="jo\\"in\\$secret"\n' in env_file["content"]
    assert "secret" not in unit["content"]


def test_a_line_break_cannot_add_a_line_to_the_environment_file() -> None:
    with pytest.raises(InvalidInputError, match="line break") as refused:
        join_request(Membership("c1", "a", "b", "evil\nLD_PRELOAD=x"), node="n1", accelerators=1, metadata=MetadataKind.NONE)
    assert "evil" not in str(refused.value)


@pytest.mark.parametrize("missing", ["HEADRACE_NODE", "HEADRACE_TOKEN", "HEADRACE_RAY_ADDRESS"])
def test_a_node_without_a_setting_names_it(missing: str) -> None:
    env = join_request(MEMBERSHIP, node="n", accelerators=1, metadata=MetadataKind.NONE).env
    with pytest.raises(InvalidInputError, match=missing):
        node_settings({name: value for name, value in env.items() if name != missing})


@pytest.mark.parametrize("url", ["https://control.example", "http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:1"])
def test_a_token_travels_encrypted_or_on_loopback(url: str) -> None:
    check_control_url(url)


@pytest.mark.parametrize("url", ["http://control.example", "http://10.0.0.1", "control.example", "ftp://127.0.0.1", ""])
def test_a_token_never_travels_in_the_clear(url: str) -> None:
    with pytest.raises(InvalidInputError):
        check_control_url(url)
