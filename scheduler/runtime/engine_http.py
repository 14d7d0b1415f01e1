"""The few questions that are put to an engine over HTTP. Standard library only, blocking, every wait bounded."""

from __future__ import annotations

import http.client
import json

_PROMPT_TIMEOUT_S = 60.0


def fetch(host: str, port: int, path: str, *, timeout_s: float) -> str | None:
    """The body of a 200, or None."""
    return _ask(host, port, "GET", path, None, timeout_s)


def is_healthy(host: str, port: int, path: str) -> bool:
    """True where the engine says that it can take requests."""
    return fetch(host, port, path, timeout_s=2.0) is not None


def answers_prompt(host: str, port: int, model: str, prompt: str) -> bool:
    """True where the engine completes a chat request with at least one choice."""
    request = {"model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": 4, "temperature": 0}
    body = _ask(host, port, "POST", "/v1/chat/completions", json.dumps(request), _PROMPT_TIMEOUT_S)
    if body is None:
        return False
    try:
        answer = json.loads(body)
    except ValueError:
        return False
    return isinstance(answer, dict) and bool(answer.get("choices"))


def _ask(host: str, port: int, method: str, path: str, body: str | None, timeout_s: float) -> str | None:
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request(method, path, body=body, headers={"content-type": "application/json"} if body else {})
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        return text if answer.status == http.client.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
