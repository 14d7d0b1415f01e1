"""Talks to a running control plane: finds it, sends the key, turns problem documents into errors for people."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx2
import typer
import yaml
from rich.console import Console

from scheduler.bootstrap.roster import read_rosters
from scheduler.bootstrap.settings import default_data_dir
from scheduler.domain.errors import HeadraceError, InvalidInputError

TIMEOUT_S = 120.0
DEFAULT_URL = "http://127.0.0.1:8600"

out = Console(width=None if sys.stdout.isatty() else 220)
note = Console(stderr=True)


class ApiError(HeadraceError):
    """The control plane refused. ``status`` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


def control_url() -> str:
    """``HEADRACE_URL``, else the newest running headrace of this user, else the default port."""
    if os.environ.get("HEADRACE_URL"):
        return os.environ["HEADRACE_URL"].rstrip("/")
    for folder in run_dirs():
        for roster in read_rosters(folder):
            if roster.control_url:
                return roster.control_url
    return DEFAULT_URL


def run_dirs() -> list[Path]:
    """Where rosters may lie."""
    data_dir = Path(os.environ.get("HEADRACE_DATA_DIR") or default_data_dir())
    return [data_dir / "run"]


def answers() -> bool:
    """True where a control plane answers at ``control_url``; one that was named must answer, or the call itself says why not."""
    if os.environ.get("HEADRACE_URL"):
        return True
    try:
        return httpx2.get(f"{control_url()}/healthz", timeout=2, trust_env=False).is_success
    except httpx2.HTTPError:
        return False


def call(method: str, path: str, *, params: dict[str, Any] | None = None, body: Any = None) -> Any:
    """One call; returns the decoded answer.

    Raises:
        ApiError: the control plane refused, with what it said.
        HeadraceError: nothing answers there.
    """
    url = control_url()
    headers = {"authorization": f"Bearer {os.environ['HEADRACE_API_KEY']}"} if os.environ.get("HEADRACE_API_KEY") else {}
    sent = {name: value for name, value in (params or {}).items() if value not in (None, "")}
    try:
        answer = httpx2.request(method, f"{url}{path}", params=sent, json=body, headers=headers, timeout=TIMEOUT_S, trust_env=False)
    except httpx2.HTTPError as error:
        raise HeadraceError(
            f"no control plane answers at {url} ({type(error).__name__}). "
            "Start one with `headrace demo` or `headrace serve`, or set HEADRACE_URL."
        ) from error
    if answer.status_code >= 400:
        raise ApiError(answer.status_code, _problem(answer))
    return answer.json() if answer.content else None


def _problem(answer: httpx2.Response) -> str:
    try:
        document = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code}: {answer.text[:300]}"
    lines = []
    for each in document.get("errors", []):
        value = f" (got {each['value']!r})" if each.get("value") is not None else ""
        lines.append(f"{each['field']}: {each['problem']}{value}. {each['remedy']}")
    lines += [f"conflict: {text}" for text in document.get("conflicts", [])]
    lines += [f"remedy: {text}" for text in document.get("remedies", [])]
    return "\n".join(lines) or str(document.get("detail", document))


def show_json(value: Any) -> None:
    """Plain JSON on stdout, for machines."""
    typer.echo(json.dumps(value, indent=1, default=str))


def read_document(path: Path) -> Any:
    """A fleet file, YAML or TOML by its ending.

    Raises:
        InvalidInputError: it cannot be read or parsed.
    """
    import tomllib

    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    except OSError as error:
        raise InvalidInputError("file", str(path), error.strerror or "cannot be read", "Name a readable file.") from error
    except (yaml.YAMLError, tomllib.TOMLDecodeError) as error:
        raise InvalidInputError("file", str(path), f"cannot be parsed: {error}", "Correct the file.") from error
