"""What Crusoe's GPUs cost on demand: no call tells it, so a table does, each row with its day and source.

A project with agreed prices, or one that buys a GPU sold by contract only, sets ``usd_per_gpu_h_<gpu type>`` in its options.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scheduler.domain.offer import SourceKind

OPTION = "usd_per_gpu_h_"


@dataclass(frozen=True, slots=True)
class GpuPrice:
    """One GPU for one hour, as written.

    Attributes:
        source: where and when it was read.
    """

    usd_per_gpu_h: str
    kind: SourceKind
    source: str


_TABLE = (
    # gpu_type, USD per GPU and hour, read on, source
    ("H200-SXM-141GB", "4.29", "2026-09-20", "crusoe.ai/cloud/pricing"),
    ("H100-SXM-80GB", "3.90", "2026-09-20", "crusoe.ai/cloud/pricing"),
    ("A100-SXM-80GB", "2.30", "2026-09-20", "crusoe.ai/cloud/pricing"),
    ("A100-PCIe-80GB", "2.00", "2026-09-20", "crusoe.ai/cloud/pricing"),
    ("L40S-48GB", "1.50", "2026-09-20", "crusoe.ai/cloud/pricing"),
    ("MI300X-192GB", "3.45", "2026-09-20", "crusoe.ai/cloud/pricing"),
)


def prices(options: Mapping[str, str]) -> dict[str, GpuPrice]:
    """Price by GPU type: the table's, or what the options declare."""
    listed = {gpu: GpuPrice(usd, SourceKind.SNAPSHOT, f"{source}, {read_on}") for gpu, usd, read_on, source in _TABLE}
    declared = {name.removeprefix(OPTION): usd for name, usd in options.items() if name.startswith(OPTION)}
    return listed | {gpu: GpuPrice(usd, SourceKind.DECLARED, f"options.{OPTION}{gpu}") for gpu, usd in declared.items()}
