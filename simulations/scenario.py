"""A scenario file: a fleet, a market and what happens to it when; checked like every other input."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scheduler.api.schema import FleetIn, parse_fleet
from scheduler.domain.errors import InvalidInputError

FOLDER = Path(__file__).with_name("scenarios")


class HappeningIn(BaseModel):
    """One thing people or the world do to the market."""

    model_config = ConfigDict(extra="forbid")

    at_h: Annotated[float, Field(ge=0)]
    do: Literal["stockout", "restock", "price", "interrupt", "reclaim"]
    match: str
    percent: float = 0.0
    notice_s: float | None = None


class ScenarioIn(BaseModel):
    """The file's own fields; ``fleet`` is a fleet file."""

    model_config = ConfigDict(extra="forbid")

    title: str
    starts_at: datetime = datetime(2026, 7, 20, tzinfo=UTC)
    hours: Annotated[float, Field(gt=0, le=24 * 31)]
    tick_s: int = Field(30, ge=1, le=3600)
    clouds: list[str] = ["aws", "gcp", "azure"]
    volatility: Annotated[float, Field(ge=0, le=10)] = 1.0
    join_s: Annotated[float, Field(ge=0)] = 120
    engine_start_s: Annotated[float, Field(ge=0)] = 120
    stream_s: Annotated[float, Field(ge=0)] = 60
    drain_s: Annotated[float, Field(gt=0)] = 600
    optimise_every_s: Annotated[float, Field(gt=0)] = 1800
    fleet: dict[str, object]
    happenings: list[HappeningIn] = []


@dataclass(frozen=True, slots=True)
class Scenario:
    """A checked scenario."""

    title: str
    starts_at: datetime
    hours: float
    tick_s: int
    clouds: tuple[str, ...]
    volatility: float
    join_s: float
    engine_start_s: float
    stream_s: float
    drain_s: float
    optimise_every_s: float
    fleet: FleetIn
    happenings: tuple[HappeningIn, ...]


def known_scenarios() -> list[str]:
    """Names of the scenarios that ship."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_scenario(name: str) -> Scenario:
    """By name, or by path.

    Raises:
        InvalidInputError: naming the field, the value and the remedy.
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInputError("scenario", name, "no such scenario", f"Known: {', '.join(known_scenarios())}; or a .toml path.") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidInputError("scenario", name, f"is not TOML: {error}", "Correct the file.") from error
    try:
        given = ScenarioIn.model_validate(document)
    except ValidationError as error:
        detail = error.errors()[0]
        field = ".".join(str(part) for part in detail["loc"])
        raise InvalidInputError(field, detail.get("input"), detail["msg"], "Correct the scenario.") from error
    fields = {name: getattr(given, name) for name in ScenarioIn.model_fields if name not in ("fleet", "clouds", "happenings")}
    happenings = tuple(sorted(given.happenings, key=lambda each: each.at_h))
    return Scenario(fleet=parse_fleet(given.fleet), clouds=tuple(given.clouds), happenings=happenings, **fields)
