"""What a client is told when Envoy itself refuses: OpenAI's error shape, by cause."""

from __future__ import annotations

from typing import Any

RETRY_AFTER_S = "2"


def openai_error(message: str, kind: str, code: str, param: str | None = None) -> dict[str, Any]:
    """An error body as OpenAI's clients read it."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_mappers() -> list[dict[str, Any]]:
    """Errors that Envoy itself answers, by their cause. Direct responses carry no flag and stay as they are."""
    overloaded = openai_error("Too many requests are waiting for this model; try again soon.", "rate_limit_error", "overloaded")
    unavailable = openai_error("No replica of this model is ready; try again soon.", "server_error", "no_ready_replica")
    failed = openai_error("The replica could not be reached or broke off; try again.", "server_error", "replica_failed")
    too_large = openai_error("The request body is larger than 32 MiB.", "invalid_request_error", "request_too_large")
    limited = openai_error("Your key sends more requests than its tenant may; slow down.", "rate_limit_error", "rate_limit_exceeded")
    keyless = openai_error("A valid API key is needed: send `Authorization: Bearer KEY`.", "invalid_request_error", "invalid_api_key")
    return [
        _mapper(_status(401), keyless, status=401, retry=False),
        # The only filter that forbids is the one that knows revoked keys.
        _mapper(_status(403), keyless, status=401, retry=False),
        _mapper(_status(429), limited, status=429),
        _mapper(_flags("UO", "OM"), overloaded, status=429),
        _mapper(_flags("UH", "NC"), unavailable, status=503),
        _mapper(_flags("UF", "UC", "UR", "URX", "UT", "LR"), failed, status=503),
        _mapper(_status(413), too_large, status=413, retry=False),
    ]


def _flags(*flags: str) -> dict[str, Any]:
    return {"response_flag_filter": {"flags": list(flags)}}


def _status(code: int) -> dict[str, Any]:
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": {"default_value": code, "runtime_key": "edge.unused"}}}}


def _mapper(condition: dict[str, Any], body: dict[str, Any], *, status: int, retry: bool = True) -> dict[str, Any]:
    mapper: dict[str, Any] = {"filter": condition, "status_code": status, "body_format_override": {"json_format": body}}
    if retry:
        mapper["headers_to_add"] = [
            {"header": {"key": "retry-after", "value": RETRY_AFTER_S}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        ]
    return mapper
