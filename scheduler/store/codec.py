"""Domain values as JSONB and text: the one place that knows how a value is written into a column.

Values are written and read with pydantic's ``TypeAdapter`` over the domain's own dataclasses, so that what comes out equals what
went in, types included, and a row that does not fit the type fails here and by name.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

from scheduler.domain.offer import Availability, AvailabilityKind, StockBucket

T = TypeVar("T")


class AsJson(TypeDecorator[T], Generic[T]):
    """A JSONB column that holds values of one domain type."""

    impl = JSONB
    cache_ok = True

    def __init__(self, kind: type[T]) -> None:
        super().__init__()
        self.kind = kind
        self._adapter: TypeAdapter[T] = TypeAdapter(kind)

    def process_bind_param(self, value: T | None, dialect: Dialect) -> Any:
        return None if value is None else self._adapter.dump_python(value, mode="json")

    def process_result_value(self, value: Any, dialect: Dialect) -> T | None:
        return None if value is None else self._adapter.validate_python(value)


def availability_code(value: Availability) -> str:
    """Availability as one short column, such as ``count:5``: equal evidence is equal text, which change-only history rests on."""
    match value.kind:
        case AvailabilityKind.COUNT:
            return f"count:{value.count or 0}"
        case AvailabilityKind.BUCKET:
            return f"bucket:{value.bucket or StockBucket.NONE}"
        case AvailabilityKind.BOOLEAN:
            return f"boolean:{'true' if value.available else 'false'}"
        case AvailabilityKind.SCORE:
            return f"score:{value.score or 0.0:.4f}"
        case _:
            return "unknown"


def availability_value(code: str) -> Availability:
    """The inverse of ``availability_code``."""
    kind, _, text = code.partition(":")
    match kind:
        case "count":
            return Availability.of_count(int(text))
        case "bucket":
            return Availability.of_bucket(StockBucket(text))
        case "boolean":
            return Availability.of_boolean(text == "true")
        case "score":
            return Availability.of_score(float(text))
        case _:
            return Availability()
