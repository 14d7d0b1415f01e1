"""Which streams can be continued, and how one asks for the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scheduler.domain.workload import Resume, StreamPolicy
from scheduler.relay.request import CHAT, PLAIN, Told, continuation, read

ASKED: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True, "temperature": 0}


def told(resume: Resume = Resume.GREEDY, engine: str = "vllm") -> Told:
    return Told("chat", engine, StreamPolicy(resume))


def obstacle(resume: Resume = Resume.GREEDY, engine: str = "vllm", **changes: Any) -> str:
    return read(CHAT, json.dumps(ASKED | changes).encode(), told(resume, engine)).obstacle


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"temperature": 1, "top_k": 1}, ""),
        ({"temperature": 0.7}, "sampling"),
        ({"temperature": 0.7, "seed": 1}, "sampling"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"logprobs": True}, "logprobs"),
        ({"n": 2}, "choices"),
        ({"response_format": {"type": "json_object"}}, "grammar"),
        ({"response_format": {"type": "text"}}, ""),
        ({"messages": []}, "prompt"),
        ({"messages": [{"role": "assistant", "content": "I"}]}, "prompt"),
        ({"messages": [{"role": "assistant", "content": "I"}], "continue_final_message": True}, ""),
    ],
)
def test_a_request_says_itself_whether_its_stream_can_be_continued(changes: dict[str, Any], reason: str) -> None:
    assert obstacle(**changes) == reason


def test_the_policy_decides_about_sampling() -> None:
    assert obstacle(Resume.ALWAYS, temperature=1) == ""
    assert obstacle(Resume.NEVER) == "policy"


def test_the_rest_is_asked_for_with_the_last_message_open_and_what_is_left_of_the_limit() -> None:
    wanted = read(CHAT, json.dumps(ASKED | {"max_tokens": 10}).encode(), told())
    body = json.loads(continuation(wanted, "vllm", "so far ", 4))
    assert body["messages"][-1] == {"role": "assistant", "content": "so far "}
    assert (body["continue_final_message"], body["add_generation_prompt"], body["max_tokens"]) == (True, False, 6)


def test_llamacpp_continues_by_itself_and_is_told_nothing_that_it_does_not_know() -> None:
    body = json.loads(continuation(read(CHAT, json.dumps(ASKED).encode(), told(engine="llamacpp")), "llamacpp", "so far", 2))
    assert "continue_final_message" not in body


def test_a_plain_completion_goes_on_after_prompt_and_text() -> None:
    wanted = read(PLAIN, json.dumps({"prompt": "once ", "temperature": 0, "stream": True}).encode(), told())
    assert (wanted.obstacle, json.loads(continuation(wanted, "vllm", "upon ", 1))["prompt"]) == ("", "once upon ")


def test_token_ids_as_prompt_cannot_be_continued() -> None:
    assert read(PLAIN, json.dumps({"prompt": [1, 2], "temperature": 0}).encode(), told()).obstacle == "prompt"


@pytest.mark.parametrize("raw", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_what_is_no_request_is_left_to_the_engine(raw: bytes) -> None:
    assert (read(CHAT, raw, told()).body, read(CHAT, raw, told()).streamed) == (None, False)


def test_headers_that_say_nothing_ask_for_nothing() -> None:
    wrong = Told.of({"x-headrace-resume": "perhaps", "x-headrace-hold-s": "-1", "x-headrace-silence-s": "soon"})
    assert wrong == Told("", "", StreamPolicy())
    right = Told.of(
        {"x-headrace-deployment": "chat", "x-headrace-resume": "always", "x-headrace-hold-s": "2.5", "x-headrace-engine": "vllm"}
    )
    assert right == Told("chat", "vllm", StreamPolicy(Resume.ALWAYS, 2.5))
