"""How each adapter was proved, as `headrace providers prove --write` recorded it. Never more than was done."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path

from scheduler.domain.ports import Proof, ProofLevel

RECORD = Path(__file__).with_name("proofs.toml")


def proof_of(kind: str) -> Proof | None:
    """The last proof of an adapter, None where there is none."""
    return _proofs().get(kind)


@cache
def _proofs() -> Mapping[str, Proof]:
    if not RECORD.exists():
        return {}
    with RECORD.open("rb") as record:
        return {kind: _proof(row) for kind, row in tomllib.load(record).items()}


def _proof(row: Mapping[str, object]) -> Proof:
    return Proof(
        ProofLevel(str(row["level"])),
        date.fromisoformat(str(row["on"])),
        str(row["sdk"]),
        int(str(row["faults_held"])),
        int(str(row["faults_tried"])),
    )
