"""The file of owned machines: its schema and its meaning. Pure, apart from decoding text it is given."""

from __future__ import annotations

import json
import tomllib
from datetime import datetime
from decimal import Decimal
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from scheduler.domain.accelerator import accelerator
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.offer import Availability, CapacityType, InstanceType, Offer, SourceKind
from scheduler.domain.units import micro_usd


class Machine(BaseModel):
    """Like machines in one place.

    Attributes:
        name: what they are called together; becomes the instance type's name.
        hosts: one entry per machine: its address, or any unique name.
        usd_per_h: what one machine costs per hour; 0 is allowed here and nowhere else, because you may have paid already.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9._-]+$")
    region: str = Field(min_length=1)
    zone: str = ""
    jurisdiction: str = Field(default="", pattern=r"^([A-Z]{2})?$")
    accelerator: str
    accelerator_count: int = Field(ge=1)
    vcpus: int = Field(default=0, ge=0)
    memory_gib: float = Field(default=0, ge=0, allow_inf_nan=False)
    hosts: tuple[str, ...] = Field(min_length=1)
    usd_per_h: Decimal = Field(ge=0, allow_inf_nan=False)

    @field_validator("hosts")
    @classmethod
    def _unique(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(hosts)) != len(hosts) or not all(hosts):
            raise ValueError("every host needs a name of its own")
        return hosts


class Inventory(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    machines: tuple[Machine, ...]


def read_inventory(text: str, suffix: str) -> Inventory:
    """Decode and check a file.

    Args:
        suffix: ``.toml``, ``.yaml``, ``.yml`` or ``.json``.

    Raises:
        InvalidInputError: not decodable, a field is wrong, a name comes twice, or an accelerator is unknown.
    """
    try:
        inventory = Inventory.model_validate(_decode(text, suffix))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInputError(where, first["input"], first["msg"], "See providers/static/README.md for an example.") from error
    seen: set[tuple[str, str, str]] = set()
    hosts: set[str] = set()
    for number, machine in enumerate(inventory.machines):
        accelerator(machine.accelerator)
        place = (machine.region, machine.zone, machine.name)
        if place in seen:
            raise InvalidInputError(f"machines.{number}.name", machine.name, "the same name twice in one place", "Merge their hosts.")
        twice = hosts.intersection(machine.hosts)
        if twice:
            raise InvalidInputError(f"machines.{number}.hosts", min(twice), "one host in two entries", "List every host once.")
        seen.add(place)
        hosts.update(machine.hosts)
    return inventory


def _decode(text: str, suffix: str) -> Any:
    try:
        match suffix.lower():
            case ".toml":
                return tomllib.loads(text)
            case ".yaml" | ".yml":
                return yaml.safe_load(text)
            case ".json":
                return json.loads(text)
    except (ValueError, yaml.YAMLError) as error:
        raise InvalidInputError("file", suffix, f"cannot be read: {error}", "Write TOML, YAML or JSON.") from error
    raise InvalidInputError("file", suffix, "unknown kind of file", "Name it .toml, .yaml or .json.")


def offer_of(machine: Machine, *, provider: str, account: str, free: int, now: datetime) -> Offer:
    """Owned machines as an offer: sold at the declared price, as many as are not leased."""
    kind = InstanceType(
        provider, machine.name, machine.accelerator, machine.accelerator_count, machine.vcpus, machine.memory_gib, quota_family=""
    )
    return Offer(
        instance_type=kind,
        region=machine.region,
        zone=machine.zone or machine.region,
        capacity_type=CapacityType.ON_DEMAND,
        price_micro_usd_per_h=micro_usd(machine.usd_per_h),
        availability=Availability.of_count(free),
        observed_at=now,
        source_kind=SourceKind.DECLARED,
        source="declared by the operator",
        account=account,
        jurisdiction=machine.jurisdiction,
        launch_s=0,
    )
