"""How a deployment is started and what the relay does for it, as a fleet file says it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from scheduler.api.declare import Market, declare
from scheduler.api.schema import InvalidInputErrors, parse_fleet
from scheduler.domain.stores import Workload
from scheduler.domain.workload import Deployment, EngineCommand, Resume, StreamPolicy

ARGV = ["my-engine", "--port", "{port}", "--weights", "{weights}"]


def declared(**changes: Any) -> Deployment:
    given = {"id": "chat", "model": "m", "demand": [{"origin": "us", "tokens_per_s": 1}], **changes}
    document = {"models": [{"id": "m", "source": "hub:m", "parameters_b": 1}], "deployments": [given]}
    (deployment,) = declare(parse_fleet(document), Market.of([]), Workload(), (), date(2026, 11, 25)).workload.deployments
    return deployment


def test_a_deployment_that_says_nothing_never_meets_the_relay() -> None:
    assert declared().stream == StreamPolicy()
    assert not declared().stream.relayed


def test_the_stream_policy_is_declared_field_by_field() -> None:
    stream = declared(stream={"resume": "greedy", "hold_s": 90, "silence_s": 5}).stream
    assert (stream, stream.relayed) == (StreamPolicy(Resume.GREEDY, 90.0, 5.0), True)


def test_a_command_is_declared_with_its_environment_and_metrics() -> None:
    command = {"argv": ARGV, "env": {"B": "2", "A": "1"}, "health_path": "/ready", "metrics": {"tokens": "out_total"}}
    assert declared(engine="command", command=command).command == EngineCommand(
        tuple(ARGV), (("A", "1"), ("B", "2")), "/ready", tokens="out_total"
    )


def test_another_command_needs_another_process_and_another_stream_policy_does_not() -> None:
    first = declared(engine="command", command={"argv": ARGV})
    assert first.runs != declared(engine="command", command={"argv": [*ARGV, "--fast"]}).runs
    assert first.runs == declared(engine="command", command={"argv": ARGV}, stream={"hold_s": 5}).runs


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"engine": "command"}, "deployments[0]", "add command with its argv"),
        ({"command": {"argv": ARGV}}, "deployments[0]", "set engine to command"),
        ({"engine": "command", "command": {"argv": []}}, "deployments[0].command.argv", "at least 1"),
        ({"engine": "command", "command": {"argv": ["x", "--port", "80"]}}, "deployments[0].command", "put {port}"),
        ({"engine": "command", "command": {"argv": ARGV, "env": {"A B": "1"}}}, "deployments[0].command.env", "pattern"),
        ({"engine": "command", "command": {"argv": ARGV, "health_path": "ready"}}, "deployments[0].command.health_path", "pattern"),
        ({"engine": "command", "command": {"argv": ARGV}, "adapters": [{"name": "a", "source": "b"}]}, "deployments[0]", "adapters"),
        ({"stream": {"resume": "sometimes"}}, "deployments[0].stream.resume", "greedy"),
        ({"stream": {"hold_s": -1}}, "deployments[0].stream.hold_s", "greater than or equal"),
        ({"stream": {"holds": 1}}, "deployments[0].stream.holds", "hold_s"),
    ],
)
def test_what_is_wrong_is_named_with_a_remedy(changes: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(InvalidInputErrors) as caught:
        declared(**changes)
    assert caught.value.field.startswith(field)
    assert said.lower() in str(caught.value).lower()
