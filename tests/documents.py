"""Problem, plan and certificate documents for tests: small worlds as JSON, each test states only what it is about."""

from __future__ import annotations

import json
from typing import Any

from scheduler.verifier.claims import read_plan
from scheduler.verifier.cost import terms
from scheduler.verifier.options import derive
from scheduler.verifier.problem import read_problem

L4, H100 = "L4-24GB-PCIe", "H100-80GB-SXM"
PLACES = {"aws-us": ("aws", "us-east-1", "US"), "gcp-nl": ("gcp", "europe-west4", "NL")}


def kind(provider: str = "aws", accelerator: str = L4, count: int = 1) -> dict[str, Any]:
    name = f"{accelerator.split('-')[0].lower()}x{count}"
    size = {"accelerator": accelerator, "accelerator_count": count, "vcpus": 4 * count, "memory_gib": 16.0}
    return {"provider": provider, "name": name, **size, "quota_family": accelerator}


def offer(provider: str = "aws", usd: float = 1.0, accelerator: str = L4, count: int = 1, **more: Any) -> dict[str, Any]:
    region = next(region for name, region, _ in PLACES.values() if name == provider)
    return {
        "type": f"{provider}/{accelerator.split('-')[0].lower()}x{count}",
        "region": region,
        "zone": f"{region}a",
        "capacity_type": "on-demand",
        "price_micro_usd_per_h": round(usd * 1e6),
        "source": "test",
        "source_kind": "simulated",
    } | more


def cluster(name: str = "aws-us", **more: Any) -> dict[str, Any]:
    provider, region, law = PLACES[name]
    return {"id": name, "provider": provider, "region": region, "jurisdiction": law, "state": "ready"} | more


def shape(accelerator: str = L4, count: int = 1, rate: float = 100.0, **more: Any) -> dict[str, Any]:
    return {
        "id": f"m/{accelerator}x{count}",
        "model": "m",
        "engine": "vllm",
        "accelerator": accelerator,
        "accelerators_per_node": count,
        "tokens_per_s": {"all": rate},
    } | more


def deployment(name: str = "d", tokens_per_s: float = 150.0, **more: Any) -> dict[str, Any]:
    demand = [{"origin": "anywhere", "tokens_per_s": tokens_per_s, "bucket": "all"}]
    return {"id": name, "model": "m", "demand": demand, "headroom": 0.0} | more


def problem(**parts: Any) -> dict[str, Any]:
    """One cluster, one L4 offer, one model and one deployment that needs two replicas, unless said otherwise."""
    offers = parts.get("offers", [offer()])
    types = [kind(provider, accelerator, count) for provider in ("aws", "gcp") for accelerator in (L4, H100) for count in (1, 2, 4)]
    return {
        "format": "headrace-problem",
        "version": 1,
        "taken_at": "2026-07-20T00:00:00Z",
        "instance_types": types,
        "offers": offers,
        "clusters": [cluster()],
        "models": [{"id": "m", "parameters_b": 8.0}],
        "shapes": [shape()],
        "deployments": [deployment()],
    } | parts


def pool(of: dict[str, Any], in_cluster: str = "aws-us") -> str:
    provider, _, name = of["type"].partition("/")
    return f"{in_cluster}|{provider}/default/{of['region']}/{of['zone']}/{name}/{of['capacity_type']}"


def plan(of_problem: dict[str, Any], placed: dict[tuple[str, str, str], int], nodes: dict[str, int], **more: Any) -> dict[str, Any]:
    """A plan of these replicas by (deployment, pool, shape) and nodes by pool, priced as the verifier prices it."""
    derived = derive(read_problem(json.dumps(of_problem)))
    document = {
        "format": "headrace-plan",
        "version": 1,
        "status": "feasible",
        "placements": [
            {"deployment": d, "shape": s, "pool": p, "cluster": p.split("|")[0], "offer_id": p.split("|")[1], "replicas": count}
            for (d, p, s), count in placed.items()
        ],
        "pools": [
            {
                "pool": p,
                "cluster": p.split("|")[0],
                "offer_id": p.split("|")[1],
                "nodes": count,
                "existing": derived.pools[p].existing if p in derived.pools else 0,
                "price_micro_usd_per_h": derived.pools[p].price if p in derived.pools else 0,
            }
            for p, count in nodes.items()
        ],
        "routes": [],
        "unmet": [],
        "cost": {"total_micro_usd_per_h": 0, "terms": []},
        "bound_micro_usd_per_h": 0,
    } | more
    if all(p in derived.pools for p in nodes):
        found = terms(derived, read_plan(json.dumps(document)))
        lines = [{"name": name, "micro_usd_per_h": amount, "text": ""} for name, amount in found.items()]
        document["cost"] = {"total_micro_usd_per_h": sum(found.values()), "terms": lines}
    return document


def certificate(pools: dict[str, float], resources: dict[str, float] | None = None, claimed: int = 0) -> dict[str, Any]:
    return {
        "format": "headrace-certificate",
        "version": 1,
        "pool_multipliers_micro_usd_per_accelerator_h": pools,
        "resource_multipliers": resources or {},
        "claimed_bound_micro_usd_per_h": claimed,
    }
