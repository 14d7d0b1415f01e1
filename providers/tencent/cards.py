"""Which GPU an instance family has: no call tells it, so the vendor's page does. Source: FACTS.md."""

from __future__ import annotations

_FAMILIES = {
    "GN6": "P4-8GB-PCIe",
    "GN6S": "P4-8GB-PCIe",
    "GN7": "T4-16GB-PCIe",
    "GN7vw": "T4-16GB-PCIe",
    "GI3X": "T4-16GB-PCIe",
    "GN8": "P40-24GB-PCIe",
    "GN10X": "V100-32GB-SXM",
    "GN10Xp": "V100-32GB-SXM",
    "PNV4": "A10-24GB-PCIe",
    "GT4": "A100-40GB-SXM",
}


def card(family: str) -> str:
    """The catalogue key of a family's GPU. Raises ValueError where the family is not in the table."""
    if family not in _FAMILIES:
        raise ValueError(f"instance family {family!r}: Tencent does not tell its GPU")
    return _FAMILIES[family]
