"""Turns what vendors write into what the domain means: prices and accelerator names.

Knows no cloud's API and no transport. Every function is pure and raises ``ValueError`` with a reason that fits into a
``Quarantined`` row; the caller knows the row.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from scheduler.domain.accelerator import ACCELERATORS
from scheduler.domain.offer import InstanceType
from scheduler.domain.ports import Quarantined
from scheduler.domain.units import micro_usd

USD_PER_GPU_H_MAX = 100
"""No GPU on any list costs more than a fifth of this; above it, a unit was mistaken (cents, month, rack)."""

RAW_CHARACTERS_MAX = 500


def price_micro_usd(text: object, *, accelerators: int = 1) -> int:
    """A vendor's hourly price in USD of a whole instance, as integer micro-USD.

    Args:
        text: number or numeric string in USD per hour.
        accelerators: GPUs in the instance, to recognise a mistaken unit.

    Raises:
        ValueError: not a number, not finite, zero, negative, or beyond ``USD_PER_GPU_H_MAX`` per GPU.
    """
    if isinstance(text, bool):
        raise ValueError(f"price is not a number: {text!r}")
    try:
        amount = Decimal(str(text).strip())
    except InvalidOperation:
        raise ValueError(f"price is not a number: {text!r}") from None
    if not amount.is_finite():
        raise ValueError(f"price is not finite: {text!r}")
    if amount <= 0:
        raise ValueError(f"price is not positive: {text!r}")
    if amount > USD_PER_GPU_H_MAX * max(1, accelerators):
        raise ValueError(f"price {text!r} exceeds {USD_PER_GPU_H_MAX} USD per GPU and hour: wrong unit?")
    return micro_usd(amount)


_SOLE: dict[str, str] = {}
for _key in ACCELERATORS:
    # "T4-16GB-PCIe" is known as "T4" as long as no other T4 exists in the catalogue.
    _stem = _key.split("-")[0].upper() if not _key.startswith("Radeon") else "RADEONPROV520"
    _SOLE[_stem] = "" if _stem in _SOLE else _key

_NOISE = frozenset({"NVLINK", "GEFORCE", "AMD", "INSTINCT"})

_ALIASES = {
    "A6000": "RTXA6000-48GB-PCIe",
    "RTX6000": "RTX6000-24GB-PCIe",
    "QUADRORTX6000": "RTX6000-24GB-PCIe",
    "RTXPRO6000WS": "RTXPRO6000-96GB-PCIe",
    "RTXPRO6000SE": "RTXPRO6000-96GB-PCIe",
    "RTXPROSERVER6000": "RTXPRO6000-96GB-PCIe",
    "RTXPRO6000BLACKWELLSERVEREDITION": "RTXPRO6000-96GB-PCIe",
    "RTX4000ADAGENERATION": "RTX4000Ada-20GB-PCIe",
    "RTX5000ADAGENERATION": "RTX5000Ada-32GB-PCIe",
    "RTX6000ADAGENERATION": "RTX6000Ada-48GB-PCIe",
    "H100MEGA": "H100-80GB-SXM",
    "RADEONPROV520": "Radeon-V520-8GB-PCIe",
    "INFERENTIA2": "Inferentia2-32GB",
    "TRAINIUM": "Trainium1-32GB",
    "TRAINIUM2": "Trainium2-96GB",
}


def accelerator_key(name: str, *, memory_gib: int | None = None, form: str = "") -> str:
    """The catalogue key of a vendor's accelerator name.

    Args:
        name: such as ``A100``, ``A100-80G-PCIe``, ``RTX-A6000``, ``NVIDIA L4``; case, dashes and vendor do not matter.
        memory_gib: device memory of one GPU where the vendor states it; decides between A100-40 and A100-80.
        form: ``SXM``, ``PCIe`` or ``NVL`` where the vendor or the instance type states it.

    Raises:
        ValueError: unknown, or ambiguous because memory or form is missing. Nothing is guessed.
    """
    words = name.upper().replace("NVIDIA", "").replace("TESLA", "").replace("_", "-").replace(" ", "-").strip("-").split("-")
    kept: list[str] = []
    for word in words:
        if word in ("SXM", "SXM2", "SXM3", "SXM4", "SXM5", "SXM6"):
            form = form or "SXM"
        elif word in ("PCIE", "NVL", "OAM"):
            form = form or {"PCIE": "PCIe"}.get(word, word)
        elif word.endswith(("GB", "G")) and word.rstrip("GB").isdigit():
            memory_gib = memory_gib or int(word.rstrip("GB"))
        elif word and word not in _NOISE:
            kept.append(word)
    stem = "".join(kept)
    sole = _ALIASES.get(stem) or _SOLE.get(stem)
    if sole and form in ("", sole.split("-")[-1]):
        return sole
    fits = [key for key in ACCELERATORS if key.split("-")[0].upper() == stem]
    if not fits:
        raise ValueError(f"unknown accelerator {name!r}")
    if memory_gib is not None:
        # Vendors round and reserve a little, so 79 GiB is an 80 GB card; half a card is not.
        fits = [key for key in fits if abs(ACCELERATORS[key].memory_gib - memory_gib) <= ACCELERATORS[key].memory_gib * 0.08]
    if form:
        fits = [key for key in fits if key.endswith(form)]
    if len(fits) != 1:
        raise ValueError(f"accelerator {name!r} (memory {memory_gib}, form {form or 'unknown'}) fits {len(fits)} catalogue entries")
    return fits[0]


_CLOUDS = {
    "amazon": "aws", "crusoecloud": "crusoe", "datacrunch": "verda", "google": "gcp", "lambdalabs": "lambda", "oracle": "oci",
    "thundercompute": "thunder", "vastai": "vast",
}  # fmt: skip


def cloud_kind(name: str) -> str:
    """Headrace's own kind of a cloud that an aggregator names: the same cloud must not count twice.

    A cloud that headrace does not read by itself keeps the aggregator's name, in lower case without separators.

    Raises:
        ValueError: no name.
    """
    bare = "".join(letter for letter in name.lower() if letter.isalnum())
    if not bare:
        raise ValueError("the row names no cloud")
    return _CLOUDS.get(bare, bare)


def instance_type(
    provider: str, name: str, *, accelerator: str, count: object, vcpus: object, memory_gib: object, quota_family: str = ""
) -> InstanceType:
    """An instance type from loosely typed fields.

    Raises:
        ValueError: a count is not a positive whole number, or a size is negative.
    """
    gpus = float(str(count))
    if gpus < 1 or gpus != int(gpus):
        raise ValueError(f"{gpus:g} accelerators: only whole ones can be scheduled")
    cores, memory = int(float(str(vcpus or 0))), float(str(memory_gib or 0))
    if cores < 0 or memory < 0 or memory != memory or not name:
        raise ValueError(f"instance type {name!r} has impossible sizes: {cores} vCPU, {memory} GiB")
    return InstanceType(provider, name, accelerator, int(gpus), cores, memory, quota_family)


def quarantined(scope: str, row: str, reason: object, raw: object = "") -> Quarantined:
    """A quarantined row with its raw text cut to what a log line can bear."""
    return Quarantined(scope, row, str(reason), str(raw)[:RAW_CHARACTERS_MAX])
