"""GPUs of plans whose rows do not name them: a table of plans, because plan ids are not to be taken apart. Source: FACTS.md."""

from __future__ import annotations

from collections.abc import Mapping

CARDS: Mapping[str, tuple[int, str]] = {
    # plan: how many, which
    "vcg-a16-6c-64g-16vram": (1, "A16-16GB-PCIe"),
    "vcg-a16-96c-960g-256vram": (16, "A16-16GB-PCIe"),
    "vcg-a40-24c-120g-48vram": (1, "A40-48GB-PCIe"),
    "vcg-a40-96c-480g-192vram": (4, "A40-48GB-PCIe"),
    "vcg-b200-248c-2826g-1536vram": (8, "B200-180GB-SXM"),
    "vcg-mi355x-252c-2872g-2304vram": (8, "MI355X-288GB-OAM"),
    "vbm-112c-2048gb-8-h100-gpu": (8, "H100-80GB-SXM"),
}
