"""Accelerator identity: a GPU model is told apart by its memory and its form, because price and speed follow both."""

from __future__ import annotations

from dataclasses import dataclass

from scheduler.domain.errors import UnknownAcceleratorError


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One GPU model.

    Attributes:
        key: the identity used everywhere, such as ``A100-80GB-SXM``.
        memory_gib: device memory in GiB.
        bandwidth_gb_s: memory bandwidth in GB/s, vendor data sheet.
        tflops_16bit: dense 16-bit TFLOP/s, vendor data sheet.
    """

    key: str
    memory_gib: int
    bandwidth_gb_s: int
    tflops_16bit: int


_TABLE = (
    # key, memory GiB, GB/s, dense 16-bit TFLOP/s: vendors' data sheets
    ("K80-12GB-PCIe", 12, 240, 4),
    ("P4-8GB-PCIe", 8, 192, 6),
    ("P40-24GB-PCIe", 24, 346, 12),
    ("P100-16GB-PCIe", 16, 732, 19),
    ("V100-16GB-SXM", 16, 900, 125),
    ("V100-16GB-PCIe", 16, 900, 112),
    ("V100-32GB-SXM", 32, 900, 125),
    ("T4-16GB-PCIe", 16, 320, 65),
    ("T4G-16GB-PCIe", 16, 320, 65),
    ("A10-24GB-PCIe", 24, 600, 125),
    ("A10G-24GB-PCIe", 24, 600, 70),
    ("A16-16GB-PCIe", 16, 200, 18),
    ("A30-24GB-PCIe", 24, 933, 165),
    ("A40-48GB-PCIe", 48, 696, 150),
    ("A100-40GB-SXM", 40, 1555, 312),
    ("A100-40GB-PCIe", 40, 1555, 312),
    ("A100-80GB-SXM", 80, 2039, 312),
    ("A100-80GB-PCIe", 80, 1935, 312),
    ("L4-24GB-PCIe", 24, 300, 121),
    ("L20-48GB-PCIe", 48, 864, 119),
    ("L40-48GB-PCIe", 48, 864, 181),
    ("L40S-48GB-PCIe", 48, 864, 362),
    ("H100-80GB-SXM", 80, 3350, 989),
    ("H100-80GB-PCIe", 80, 2000, 756),
    ("H100-94GB-NVL", 94, 3900, 835),
    ("GH200-96GB-SXM", 96, 4000, 989),
    ("H200-141GB-SXM", 141, 4800, 989),
    ("B200-180GB-SXM", 180, 8000, 2250),
    ("B300-270GB-SXM", 270, 8000, 2250),
    ("GB200-186GB-SXM", 186, 8000, 2500),
    ("GB300-279GB-SXM", 279, 8000, 2500),
    ("RTX4000-8GB-PCIe", 8, 416, 57),
    ("RTX5000-16GB-PCIe", 16, 448, 89),
    ("RTX6000-24GB-PCIe", 24, 672, 130),
    ("RTX4000Ada-20GB-PCIe", 20, 360, 107),
    ("RTX5000Ada-32GB-PCIe", 32, 576, 131),
    ("RTX6000Ada-48GB-PCIe", 48, 960, 182),
    ("RTXA4000-16GB-PCIe", 16, 448, 77),
    ("RTXA5000-24GB-PCIe", 24, 768, 111),
    ("RTXA6000-48GB-PCIe", 48, 768, 155),
    ("RTXPRO6000-96GB-PCIe", 96, 1792, 252),
    ("RTX3090-24GB-PCIe", 24, 936, 71),
    ("RTX4090-24GB-PCIe", 24, 1008, 165),
    ("RTX5090-32GB-PCIe", 32, 1792, 210),
    ("MI210-64GB-PCIe", 64, 1638, 181),
    ("MI250-128GB-OAM", 128, 3277, 362),
    ("MI300X-192GB-OAM", 192, 5300, 1307),
    ("MI325X-256GB-OAM", 256, 6000, 1307),
    ("MI350X-288GB-OAM", 288, 8000, 2300),
    ("MI355X-288GB-OAM", 288, 8000, 2500),
    ("Radeon-V520-8GB-PCIe", 8, 512, 14),
    ("Gaudi2-96GB-OAM", 96, 2450, 432),
    ("Gaudi3-128GB-OAM", 128, 3700, 1835),
    ("Inferentia2-32GB", 32, 820, 190),
    ("Trainium1-32GB", 32, 820, 190),
    ("Trainium2-96GB", 96, 2900, 667),
)

ACCELERATORS: dict[str, Accelerator] = {row[0]: Accelerator(*row) for row in _TABLE}


def accelerator(key: str) -> Accelerator:
    """Look an accelerator up by key.

    Raises:
        UnknownAcceleratorError: the key is not in the catalogue; the message offers near matches.
    """
    found = ACCELERATORS.get(key)
    if found is None:
        raise UnknownAcceleratorError(key, near_matches(key))
    return found


def near_matches(name: str) -> tuple[str, ...]:
    """Catalogue keys that start with the same model name, for error messages."""
    stem = name.split("-")[0].upper()
    return tuple(key for key in ACCELERATORS if key.upper().startswith(stem))[:6]
