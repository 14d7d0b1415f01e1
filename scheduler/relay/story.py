"""One stream as its client sees it, over all the replicas that told parts of it. Pure: events in, events out."""

from __future__ import annotations

import json
from typing import Any

EVENT_BYTES_MAX = 4 * 1024 * 1024
TEXT_CHARACTERS_MAX = 8 * 1024 * 1024
DONE = b"data: [DONE]\n\n"


class BrokenStreamError(Exception):
    """The replica's stream can't be trusted any further; what it told so far stands."""


class Events:
    """Cuts a byte stream into server-sent events. A part of an event is kept back until the rest of it is there."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that are complete now. Raises BrokenStreamError where one is too large."""
        data = (self._rest + chunk).replace(b"\r\n", b"\n")
        *whole, self._rest = data.split(b"\n\n")
        if len(self._rest) > EVENT_BYTES_MAX:
            raise BrokenStreamError("an event is too large")
        return [event for event in whole if event]


class Story:
    """What the client was told, and how the words of a further replica are fitted to it.

    Attributes:
        tokens: events with text that were passed on, which is tokens where the engine sends each by itself.
        finish: the finish reason, "" while it goes on. done: the end was passed on.
        obstacle: why it can't be continued, found on the way ("" if it can).
    """

    def __init__(self, *, chat: bool) -> None:
        self._chat = chat
        self._identity: dict[str, Any] = {}
        self._text: list[str] = []
        self._characters = 0
        self._echo = ""
        self._earlier = 0
        self.resumed = False
        self.tokens = 0
        self.finish = ""
        self.done = False
        self.obstacle = ""

    @property
    def text(self) -> str:
        """Everything said so far."""
        return "".join(self._text)

    def resume(self, *, echo: bool) -> None:
        """From here on another replica speaks; ``echo`` where it may begin by repeating the text so far."""
        self._earlier, self.resumed = self.tokens, self.resumed or self.tokens > 0
        self._echo = self.text if echo else ""

    def hear(self, event: bytes) -> bytes:
        """What of one event is passed on; empty where the client must not see it.

        Raises:
            BrokenStreamError: not an event of this API, or the engine's own error.
        """
        data = b"\n".join(line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:"))
        if not data:
            return event + b"\n\n"
        if data == b"[DONE]":
            self.done = True
            return DONE
        try:
            told = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise BrokenStreamError("the replica sent garbage") from error
        if not isinstance(told, dict) or "error" in told:
            raise BrokenStreamError("the replica told an error inside its stream")
        if self.resumed:
            return self._fitted(told)
        if not self._identity:
            self._identity = {name: told[name] for name in ("id", "created", "model", "system_fingerprint") if name in told}
        self._note(told)
        return event + b"\n\n"

    def ending(self, reason: str = "") -> bytes:
        """What completes the stream where nothing is left to be said. The usage is lost with the replica that knew it."""
        self.done = True
        if self.finish:
            return DONE
        choice: dict[str, Any] = {"index": 0, "finish_reason": reason, **({"delta": {}} if self._chat else {"text": ""})}
        kind = "chat.completion.chunk" if self._chat else "text_completion"
        return _event({"object": kind, **self._identity, "choices": [choice]}) + DONE

    def _note(self, told: dict[str, Any]) -> str:
        """Remember what an event says; returns its text."""
        choice = _choice(told)
        part = choice.get("delta") or {} if self._chat else choice
        text = part.get("content" if self._chat else "text") or ""
        if part.get("tool_calls") or part.get("function_call"):
            self.obstacle = "tools"
        if part.get("reasoning_content") or part.get("reasoning"):
            self.obstacle = "reasoning"
        if isinstance(text, str) and text:
            self.tokens += 1
            self._text.append(text)
            self._characters += len(text)
            if self._characters > TEXT_CHARACTERS_MAX:
                self.obstacle = "length"
        self.finish = choice.get("finish_reason") or self.finish
        return text if isinstance(text, str) else ""

    def _fitted(self, told: dict[str, Any]) -> bytes:
        choice = _choice(told)
        part = choice.get("delta") if self._chat else choice
        if isinstance(part, dict):
            part.pop("role", None)
            name = "content" if self._chat else "text"
            if self._echo and isinstance(part.get(name), str):
                part[name] = self._without_echo(part[name])
        text = self._note(told)
        if "usage" in told and isinstance(told["usage"], dict):
            told["usage"] = _added_up(told["usage"], self._earlier)
        if isinstance(told.get("timings"), dict):
            told["timings"] = _timings_added_up(told["timings"], self._earlier)
        if not (text or choice.get("finish_reason") or told.get("usage") or told.get("timings")):
            return b""
        return _event({**told, **self._identity})

    def _without_echo(self, text: str) -> str:
        """Take away what repeats the text so far; where it is something else, nothing is an echo any more."""
        if self._echo.startswith(text):
            self._echo = self._echo[len(text) :]
            return ""
        if text.startswith(self._echo):
            text, self._echo = text[len(self._echo) :], ""
            return text
        self._echo = ""
        return text


def _choice(told: dict[str, Any]) -> dict[str, Any]:
    choices = told.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else {}
    return first if isinstance(first, dict) else {}


def _added_up(usage: dict[str, Any], earlier: int) -> dict[str, Any]:
    """The last replica read the earlier text as part of its prompt; to the client it is part of the answer."""
    prompt, said = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
    before = max(0, prompt - earlier)
    return {**usage, "prompt_tokens": before, "completion_tokens": said + earlier, "total_tokens": before + said + earlier}


def _timings_added_up(timings: dict[str, Any], earlier: int) -> dict[str, Any]:
    """The same for llama.cpp, which splits the prompt into what it read (``prompt_n``) and what it had cached (``cache_n``)."""
    read, cached = int(timings.get("prompt_n") or 0), int(timings.get("cache_n") or 0)
    left = max(0, earlier - read)
    said = int(timings.get("predicted_n") or 0) + earlier
    return {**timings, "prompt_n": max(0, read - earlier), "cache_n": max(0, cached - left), "predicted_n": said}


def _event(told: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(told, separators=(",", ":")).encode() + b"\n\n"
