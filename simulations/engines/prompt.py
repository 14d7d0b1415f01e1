"""A request to a scripted engine, and the forms of OpenAI's answers to it. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from simulations.engines.text import chat_text, count


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request, read. ``before`` is everything that comes before the answer's first word."""

    chat: bool
    before: str
    tokens: int
    streamed: bool
    model: str
    partial: str = ""

    @staticmethod
    def of(body: dict[str, Any], *, chat: bool) -> Prompt:
        tokens = int(body.get("max_completion_tokens") or body.get("max_tokens") or 32)
        streamed, model = bool(body.get("stream")), str(body.get("model", ""))
        if not chat:
            return Prompt(False, str(body["prompt"]), tokens, streamed, model)
        messages = body["messages"]
        last = messages[-1] if messages else {}
        continued = last.get("role") == "assistant" and body.get("add_generation_prompt") is not True
        return Prompt(True, chat_text(messages, continued=continued), tokens, streamed, model, last["content"] if continued else "")

    def prefill(self, echo: bool) -> str:
        return self.partial if echo else ""

    @property
    def usage(self) -> dict[str, int]:
        before = count(self.before)
        return {"prompt_tokens": before, "completion_tokens": self.tokens, "total_tokens": before + self.tokens}

    def frame(self, name: str) -> dict[str, Any]:
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        return {"id": name, "object": kind, "created": 1, "model": self.model}

    def event(self, name: str, delta: dict[str, str], finish: str | None = None) -> bytes:
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish}
        choice |= {"delta": delta} if self.chat else {"text": delta.get("content", "")}
        return as_event({**self.frame(name), "choices": [choice]})

    def answer(self, name: str, text: str) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": 0, "finish_reason": "length"}
        choice |= {"message": {"role": "assistant", "content": text}} if self.chat else {"text": text}
        kind = "chat.completion" if self.chat else "text_completion"
        return {"id": name, "object": kind, "created": 1, "model": self.model, "choices": [choice], "usage": self.usage}


def as_event(event: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"
