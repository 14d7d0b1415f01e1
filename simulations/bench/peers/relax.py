"""The same problem with rules taken out that a peer cannot be told, so that it is also judged on what it can express."""

from __future__ import annotations

import json
from typing import Any

LOSSES = ("survivability", "spot_loss_share", "spread", "spot_ceiling", "pins")
"""Rules on how a deployment's replicas lie to one another."""

AMPLE = 100_000


def without_losses(text: str) -> str:
    """Without survivability, spot loss, spread, spot ceiling and pins."""
    document = json.loads(text)
    for deployment in document["deployments"]:
        for rule in LOSSES:
            deployment.get("rules", {}).pop(rule, None)
    return json.dumps(document)


def without_spot_and_quotas(text: str) -> str:
    """Survivability, launch caps and residency stay; spot loss, spread, spot ceiling, pins, quotas and budgets go."""
    document = json.loads(text)
    document["quotas"] = []
    for deployment in document["deployments"]:
        deployment["budget_micro_usd_per_h"] = None
        for rule in LOSSES:
            if rule != "survivability":
                deployment.get("rules", {}).pop(rule, None)
    return json.dumps(document)


def without_limits(text: str) -> str:
    """Without those rules, launch caps, quotas, budgets and counts: one deployment's choice then takes nothing from another's."""
    document = json.loads(without_losses(text))
    document["quotas"] = []
    for offer in document["offers"]:
        offer["cap"] = {"nodes": AMPLE}
    for deployment in document["deployments"]:
        deployment["max_replicas"] = AMPLE
        deployment["budget_micro_usd_per_h"] = None
    return json.dumps(document)


def origins_may_go_anywhere(text: str) -> str:
    """Without limits, and without residency and latency of single origins."""
    document: dict[str, Any] = json.loads(without_limits(text))
    for deployment in document["deployments"]:
        for demand in deployment["demand"]:
            demand["jurisdictions"] = []
            demand["latency_ms_max"] = None
    return json.dumps(document)
