"""Reads JSON objects field by field; whatever is wrong is an error that names the place.

``null`` is the same as absent. A field that nobody asked for is an error, so that a misspelt rule is never silently dropped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache
from typing import TypeVar

T = TypeVar("T")


class BadDocumentError(ValueError):
    """A document is not of the agreed form; the message says where and why."""


_REQUIRED = object()


class Fields:
    """One JSON object that remembers its place and which of its fields were read."""

    def __init__(self, where: str, value: object) -> None:
        if not isinstance(value, dict):
            raise BadDocumentError(f"{where}: an object is expected")
        self.where = where
        self._values: dict[str, object] = {name: each for name, each in value.items() if each is not None}
        self._known: set[str] = set()
        self._names = set(value)

    def _take(self, name: str, default: object) -> object:
        self._known.add(name)
        value = self._values.get(name, default)
        if value is _REQUIRED:
            raise BadDocumentError(f"{self.where}: {name} is missing")
        return value

    def text(self, name: str, default: object = _REQUIRED) -> str:
        value = self._take(name, default)
        if not isinstance(value, str):
            raise BadDocumentError(f"{self.where}.{name}: a string is expected")
        return value

    def choice(self, name: str, allowed: tuple[str, ...], default: object = _REQUIRED) -> str:
        value = self.text(name, default)
        if value not in allowed:
            raise BadDocumentError(f"{self.where}.{name}: {value} is not one of {', '.join(allowed)}")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        value = self._take(name, default)
        if not isinstance(value, bool):
            raise BadDocumentError(f"{self.where}.{name}: true or false is expected")
        return value

    def integer(self, name: str, default: object = _REQUIRED, least: int | None = 0) -> int:
        value = self._take(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise BadDocumentError(f"{self.where}.{name}: an integer is expected")
        if least is not None and value < least:
            raise BadDocumentError(f"{self.where}.{name}: {value} is below {least}")
        return value

    def number(self, name: str, default: object = _REQUIRED, least: float | None = 0.0) -> float:
        value = self._take(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise BadDocumentError(f"{self.where}.{name}: a finite number is expected")
        if least is not None and value < least:
            raise BadDocumentError(f"{self.where}.{name}: {value} is below {least}")
        return float(value)

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._take(name, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise BadDocumentError(f"{self.where}.{name}: a list of strings is expected")
        return tuple(value)

    def time(self, name: str) -> datetime | None:
        """An ISO 8601 instant, UTC where it names no zone; None where the field is absent."""
        value = self._take(name, "")
        if value == "":
            return None
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError as error:
            raise BadDocumentError(f"{self.where}.{name}: {value} is no ISO 8601 time") from error
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def has(self, name: str) -> bool:
        """True where the field is given; asking makes it a known one."""
        self._known.add(name)
        return name in self._values

    def part(self, name: str) -> Fields:
        """A nested object; an empty one where it is absent."""
        return Fields(f"{self.where}.{name}", self._take(name, {}))

    def numbers(self, name: str) -> dict[str, float]:
        """A nested object whose values are all numbers of at least 0."""
        part = self.part(name)
        return {key: part.number(key) for key in part._values}

    def rows(self, name: str) -> Iterator[Fields]:
        value = self._take(name, [])
        if not isinstance(value, list):
            raise BadDocumentError(f"{self.where}.{name}: a list is expected")
        for index, each in enumerate(value):
            yield Fields(f"{self.where}.{name}[{index}]", each)

    def ignore(self, *names: str) -> None:
        """Fields that are allowed and decide nothing here."""
        self._known.update(names)

    def done(self) -> None:
        """Nothing may be left that nobody read."""
        unknown = sorted(self._names - self._known)
        if unknown:
            raise BadDocumentError(f"{self.where}: unknown field {unknown[0]}")


def parse(text: str, name: str, kind: str) -> Fields:
    """A whole document of the given kind, version 1.

    Raises:
        BadDocumentError: no JSON, or of another kind or version.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadDocumentError(f"{name}: no JSON: {error}") from error
    fields = Fields(name, value)
    fields.choice("format", (kind,))
    if fields.integer("version") != 1:
        raise BadDocumentError(f"{name}.version: only version 1 is known")
    return fields


def read_all(fields: Fields, name: str, read: Callable[[Fields], T]) -> list[T]:
    """Every row of a list, each read to its last field."""
    found = []
    for row in fields.rows(name):
        found.append(read(row))
        row.done()
    return found


@lru_cache(maxsize=1 << 16)
def exact(value: float) -> Fraction:
    """The decimal that was written, not the binary number next to it: 0.7 is seven tenths."""
    return Fraction(repr(value))
