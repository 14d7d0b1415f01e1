"""Placement problems as files: read, written, and their form published for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scheduler.api.placement_document import PlacementProblem, problem_of
from scheduler.api.placement_form import ProblemDoc
from scheduler.api.placement_write import text_of
from scheduler.domain.errors import InvalidInputError


def read_problem(path: Path) -> PlacementProblem:
    """Read a document.

    Raises:
        InvalidInputError: the file cannot be read.
        InvalidInputErrors: it is no JSON or no placement problem; every wrong field is named.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInputError("problem", str(path), error.strerror or "cannot be read", "Name a readable file.") from error
    return problem_of(content)


def write_problem(problem: PlacementProblem, path: Path) -> None:
    """Write a document; the same problem gives the same bytes.

    Raises:
        InvalidInputError: the file cannot be written.
    """
    write_file(path, text_of(problem))


def write_file(path: Path, text: str) -> None:
    """Raises InvalidInputError where the file cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidInputError("file", str(path), error.strerror or "cannot be written", "Name a file in a writable folder.") from error


def problem_schema() -> dict[str, Any]:
    """The form as JSON schema."""
    named = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "headrace placement problem, version 1"}
    return named | {name: part for name, part in ProblemDoc.model_json_schema(by_alias=True).items() if name not in named}
