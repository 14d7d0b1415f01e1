"""Which card is in an Azure size: Azure's APIs count GPUs but never name them.

Shared by the Azure adapter and the snapshot's builder. Pure; an unknown size has no card, because nothing is guessed.
Source: https://learn.microsoft.com/azure/virtual-machines/sizes/overview
"""

from __future__ import annotations

_AZURE_CARDS = (
    # part of the size's name, card
    ("ads_A100_v4", "A100-80GB-PCIe"),
    ("amsr_A100_v4", "A100-80GB-SXM"),
    ("ND96asr_v4", "A100-40GB-SXM"),
    ("ads_H100_v5", "H100-94GB-NVL"),
    ("adis_H100_v5", "H100-94GB-NVL"),
    ("isr_H100_v5", "H100-80GB-SXM"),
    ("isr_H200_v5", "H200-141GB-SXM"),
    ("isr_MI300X_v5", "MI300X-192GB-OAM"),
    ("ND40rs_v2", "V100-32GB-SXM"),
    ("_T4_v3", "T4-16GB-PCIe"),
    ("NC6s_v3", "V100-16GB-PCIe"),
    ("NC12s_v3", "V100-16GB-PCIe"),
    ("NC24s_v3", "V100-16GB-PCIe"),
    ("NC24rs_v3", "V100-16GB-PCIe"),
    ("A10_v", "A10-24GB-PCIe"),
)

FRACTIONS = ("Standard_NV6ads_A10_v5", "Standard_NV12ads_A10_v5", "Standard_NV18ads_A10_v5")
"""Sizes with a part of a GPU, which Azure reports as one."""


def azure_card(size: str) -> str:
    """The catalogue key of the card in an Azure size, or "" where it is unknown or only a part of one."""
    if size in FRACTIONS:
        return ""
    return next((card for part, card in _AZURE_CARDS if part in size), "")
