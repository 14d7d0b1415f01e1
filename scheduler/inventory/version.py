"""The version of a snapshot: a hash of what decisions depend on, so that equal worlds have equal versions.

Instants of observation, the age of evidence, leases and load are left out: a poll that found nothing new does not make a new world.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import date
from enum import Enum
from typing import Any

from scheduler.domain.offer import Offer
from scheduler.domain.snapshot import Snapshot

_VOLATILE = frozenset({"observed_at", "lease_until", "in_flight", "last_success_at", "taken_at", "version"})


def version_of(snapshot: Snapshot) -> int:
    """A stable number of 63 bits; fits a signed ``bigint``."""
    digest = hashlib.blake2b(digest_size=8)
    for line in _lines(snapshot):
        digest.update(line.encode())
        digest.update(b"\n")
    return int.from_bytes(digest.digest(), "big") >> 1


def _lines(snapshot: Snapshot) -> Iterator[str]:
    for offer in sorted(snapshot.offers, key=lambda offer: offer.id):
        yield _offer_line(offer, snapshot)
    yield canonical(replace(snapshot, offers=(), caps={}))


def _offer_line(offer: Offer, snapshot: Snapshot) -> str:
    """Spelled out: there may be a hundred thousand of them."""
    kind, said = offer.instance_type, offer.availability
    hardware = (kind.accelerator, kind.accelerator_count, kind.vcpus, kind.memory_gib, kind.quota_family)
    evidence = (said.kind.value, said.count, said.bucket, said.available, said.score, offer.source_kind.value)
    terms = (offer.price_micro_usd_per_h, offer.jurisdiction, offer.interruptions_per_h, offer.notice_s, offer.launch_s)
    cap = snapshot.caps.get(offer.id)
    return f"{offer.id}|{hardware}|{evidence}|{terms}|{None if cap is None else (cap.nodes, cap.until)}"


def canonical(value: Any) -> str:
    """Text that is equal for equal values, whatever the order of their mappings."""
    match value:
        case Enum():
            return repr(value.value)
        case str() | int() | float() | None:
            return repr(value)
        case date():  # and datetime
            return value.isoformat()
        case Mapping():
            pairs = sorted((canonical(key), canonical(item)) for key, item in value.items())
            return "{" + ",".join(f"{key}:{item}" for key, item in pairs) + "}"
        case tuple() | list():
            return "[" + ",".join(canonical(item) for item in value) + "]"
        case _ if is_dataclass(value):
            parts = (f"{field.name}={canonical(getattr(value, field.name))}" for field in fields(value) if field.name not in _VOLATILE)
            return f"{type(value).__name__}(" + ",".join(parts) + ")"
        case _:
            raise TypeError(f"a {type(value).__name__} has no canonical form")
