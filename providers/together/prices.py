"""What a GPU of a Together cluster costs on demand: no call tells it, so a table does.

Only GPUs that are sold by the single node of eight are in it; others have a price where ``options.usd_per_gpu_h_<gpu type>`` declares it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from scheduler.domain.offer import SourceKind

OPTION = "usd_per_gpu_h_"
READ_ON = "2026-09-05"
SOURCE = "together.ai/pricing"
_USD_PER_GPU_H = {"H100_SXM": "3.99"}


class Price(NamedTuple):
    """USD for one GPU and hour, as written, and where it comes from."""

    usd_per_gpu_h: str
    kind: SourceKind
    source: str


def price(gpu_type: str, options: Mapping[str, str]) -> Price:
    """The declared price, else the list's. Raises ValueError where there is neither."""
    option = OPTION + gpu_type
    if option in options:
        return Price(options[option], SourceKind.DECLARED, f"options.{option}")
    if gpu_type in _USD_PER_GPU_H:
        return Price(_USD_PER_GPU_H[gpu_type], SourceKind.SNAPSHOT, f"{SOURCE}, {READ_ON}")
    raise ValueError(f"no list price of one node of {gpu_type!r}: declare options.{option}")
