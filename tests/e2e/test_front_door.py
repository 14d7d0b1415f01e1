"""What a client of the demo sees: the OpenAI API, and the table of what runs."""

from __future__ import annotations

import json

import httpx2
import psutil
import pytest

from tests.e2e.clients import PROMPT
from tests.e2e.running import RunningDemo

pytestmark = pytest.mark.timeout(300)

ROLES = {"postgres": 1, "simulated clouds": 1, "ray head": 3, "edge": 1, "control plane": 1, "agent": 3}


def test_status_lists_role_pid_port_and_url_of_every_process(demo: RunningDemo) -> None:
    told = demo.cli("status")
    rows = told["processes"]
    assert {role: sum(row["role"] == role for row in rows) for role in ROLES} == ROLES
    assert len(rows) == sum(ROLES.values())
    for row in rows:
        assert psutil.pid_exists(row["pid"]), row
        assert {"role", "name", "pid", "port", "url"} <= row.keys()
    served = {row["role"]: row for row in rows}
    assert served["edge"]["url"] == demo.front_door
    assert served["edge"]["port"] == int(demo.front_door.rpartition(":")[2])
    assert served["control plane"]["url"] == demo.control_url
    assert told["fleet"]["leads"]
    assert told["fleet"]["replicas"]["ready"] >= 3


def test_a_chat_completion_is_answered_by_a_real_model(demo: RunningDemo) -> None:
    body = {"model": "chat", "messages": PROMPT, "max_tokens": 16, "temperature": 0}
    answer = httpx2.post(f"{demo.front_door}/v1/chat/completions", json=body, timeout=60, trust_env=False)
    assert answer.status_code == 200
    told = answer.json()
    assert told["object"] == "chat.completion"
    assert any(letter.isalpha() for letter in told["choices"][0]["message"]["content"])
    assert 0 < told["usage"]["completion_tokens"] <= 16


def test_a_stream_ends_with_a_reason_usage_and_done(demo: RunningDemo) -> None:
    body = {"model": "batch", "messages": PROMPT, "max_tokens": 12, "stream": True, "stream_options": {"include_usage": True}}
    with httpx2.stream("POST", f"{demo.front_door}/v1/chat/completions", json=body, timeout=60, trust_env=False) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    assert sum(bool(chunk["choices"] and chunk["choices"][0]["delta"].get("content")) for chunk in chunks) >= 2
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks if chunk["choices"] and chunk["choices"][0].get("finish_reason")]
    assert chunks[-1]["usage"]["completion_tokens"] > 0


def test_models_are_the_deployments(demo: RunningDemo) -> None:
    told = httpx2.get(f"{demo.front_door}/v1/models", timeout=90, trust_env=False).json()
    assert told["object"] == "list"
    assert {model["id"] for model in told["data"]} == {"chat", "batch"}


def test_an_unknown_model_is_a_404_in_openai_form(demo: RunningDemo) -> None:
    body = {"model": "no-such-model", "messages": PROMPT}
    answer = httpx2.post(f"{demo.front_door}/v1/chat/completions", json=body, timeout=90, trust_env=False)
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert error["code"] == "model_not_found"
    assert error["type"] == "invalid_request_error"
    assert error["message"]
