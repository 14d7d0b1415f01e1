"""What a client asks for, whether its stream can be continued, and how one asks for the rest. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scheduler.domain.workload import EngineKind, Resume, StreamPolicy

HEADERS = "x-headrace-"
"""Headers that only Envoy and the relay exchange begin with this."""
CHAT, PLAIN = "/v1/chat/completions", "/v1/completions"
_LIMITS = ("max_tokens", "max_completion_tokens")


@dataclass(frozen=True, slots=True)
class Told:
    """What Envoy says of a request: its deployment, the kind of its engines ("" for unknown), and the policy."""

    deployment: str
    engine: str
    policy: StreamPolicy

    @staticmethod
    def of(headers: Mapping[str, str]) -> Told:
        """Read the headers; what is missing or wrong asks for nothing."""
        resume = headers.get(f"{HEADERS}resume", "")
        policy = StreamPolicy(
            Resume(resume) if resume in set(Resume) else Resume.NEVER,
            _seconds(headers.get(f"{HEADERS}hold-s"), 0.0),
            _seconds(headers.get(f"{HEADERS}silence-s"), StreamPolicy().silence_s),
        )
        return Told(headers.get(f"{HEADERS}deployment", ""), headers.get(f"{HEADERS}engine", ""), policy)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One request.

    Attributes:
        body: the parsed body, None where it is no JSON object. raw: as it came.
        obstacle: why a stream that has begun can't be continued, "" where it can.
    """

    raw: bytes
    body: Mapping[str, Any] | None
    chat: bool
    streamed: bool
    obstacle: str

    @property
    def tokens_max(self) -> int | None:
        """Most tokens of the answer, None where the client sets no limit."""
        limits = [self.body[name] for name in _LIMITS if isinstance(self.body.get(name), int)] if self.body else []
        return min(limits) if limits else None


def read(path: str, raw: bytes, told: Told) -> Wanted:
    """Read a request; nothing is refused here, engines do that themselves."""
    chat = path == CHAT
    if not chat and path != PLAIN:
        return Wanted(raw, None, False, False, "path")
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return Wanted(raw, None, chat, False, "not JSON")
    if not isinstance(body, dict):
        return Wanted(raw, None, chat, False, "not JSON")
    return Wanted(raw, body, chat, body.get("stream") is True, obstacle(body, told, chat=chat))


def obstacle(body: Mapping[str, Any], told: Told, *, chat: bool) -> str:
    """The first reason why a stream of this request can't be continued, "" where there is none."""
    resume = told.policy.resume
    reasons = {
        "policy": resume is Resume.NEVER,
        "sampling": resume is Resume.GREEDY and not is_greedy(body),
        "tools": bool(body.get("tools") or body.get("functions")),
        "logprobs": body.get("logprobs") not in (None, False),
        "choices": any(body.get(name) not in (None, 1) for name in ("n", "best_of")),
        # A grammar would start anew in the middle of the text.
        "grammar": any(_constrains(body, name) for name in ("response_format", "grammar", "structured_outputs", "json_schema")),
        "prompt": _prompt_stands_in_the_way(body, told.engine, chat=chat),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def is_greedy(body: Mapping[str, Any]) -> bool:
    """Whether the next token is always the likeliest one. A seed does not count: other batches round differently."""
    return body.get("temperature") == 0 or body.get("top_k") == 1


def _constrains(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    return bool(value) and not (isinstance(value, dict) and value.get("type") == "text")


def _prompt_stands_in_the_way(body: Mapping[str, Any], engine: str, *, chat: bool) -> bool:
    if not chat:
        return not isinstance(body.get("prompt"), str) or bool(body.get("echo") or body.get("suffix"))
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        return True
    last = messages[-1]
    if last.get("role") != "assistant":
        return False
    continued = body.get("continue_final_message") is True and isinstance(last.get("content"), str)
    return engine == EngineKind.LLAMACPP or not continued


def continuation(wanted: Wanted, engine: str, text: str, tokens: int) -> bytes:
    """The request for what comes after ``text``, of which ``tokens`` tokens were counted.

    vLLM and SGLang are told to leave the last message open (``continue_final_message``, which excludes
    ``add_generation_prompt``); llama.cpp does so by itself wherever the last message is the assistant's.
    """
    if wanted.body is None:
        raise ValueError("a request that was not understood cannot be continued")
    body = dict(wanted.body)
    for name in _LIMITS:
        if isinstance(body.get(name), int):
            body[name] = max(1, body[name] - tokens)
    if isinstance(body.get("min_tokens"), int):
        body["min_tokens"] = max(0, body["min_tokens"] - tokens)
    if not wanted.chat:
        body["prompt"] = body["prompt"] + text
        return json.dumps(body).encode()
    messages = list(body["messages"])
    if messages[-1].get("role") == "assistant":
        messages[-1] = {**messages[-1], "content": messages[-1]["content"] + text}
    else:
        messages.append({"role": "assistant", "content": text})
    body["messages"] = messages
    if engine != EngineKind.LLAMACPP:
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    return json.dumps(body).encode()


def _seconds(text: str | None, otherwise: float) -> float:
    try:
        value = float(text or "")
    except ValueError:
        return otherwise
    return value if 0 <= value < 1e6 else otherwise
