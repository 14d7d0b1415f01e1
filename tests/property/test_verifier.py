"""Over tiny random problems whose optimum is found by trying everything: no certificate proves more than it, and no spoilt plan passes."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from scheduler.verifier import verify
from scheduler.verifier.options import derive
from scheduler.verifier.problem import read_problem
from tests.documents import H100, L4, certificate, cluster, deployment, offer, plan, problem, shape

Placed = dict[tuple[str, str, str], int]
MOST = 3


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    offers = {}
    for _ in range(draw(st.integers(1, 3))):
        provider, count = draw(st.sampled_from(("aws", "gcp"))), draw(st.sampled_from((1, 2, 4)))
        made = offer(
            provider,
            usd=draw(st.integers(5, 40)) / 10,
            accelerator=draw(st.sampled_from((L4, L4, H100))),
            count=count,
            capacity_type=draw(st.sampled_from(("on-demand", "spot"))),
            interruptions_per_h=draw(st.sampled_from((0.0, 0.1))),
            cap=draw(st.sampled_from((None, {"nodes": 1}, {"nodes": 3}))),
        )
        offers[made["type"], made["capacity_type"]] = made
    two_buckets = draw(st.booleans())
    rates = {"short": 100.0, "long": draw(st.sampled_from((100.0, 60.0)))} if two_buckets else {"all": 100.0}
    shapes = [
        shape(tokens_per_s=rates),
        shape(count=2, tokens_per_s={bucket: 2.1 * rate for bucket, rate in rates.items()}),
        shape(H100, tokens_per_s={bucket: 3 * rate for bucket, rate in rates.items()}),
    ]
    wants = [draw(deployments(f"d{index}", list(rates))) for index in range(draw(st.integers(1, 2)))]
    limit = {"provider": "aws", "account": "default", "region": "", "family": L4, "unit": "gpu", "limit": 4, "capacity_types": ["spot"]}
    return problem(
        offers=list(offers.values()),
        clusters=[cluster(), cluster("gcp-nl")],
        shapes=shapes,
        deployments=wants,
        quotas=[limit] if draw(st.booleans()) else [],
    )


@st.composite
def deployments(draw: st.DrawFn, name: str, buckets: list[str]) -> dict[str, Any]:
    rules: dict[str, Any] = {"spot_ceiling": draw(st.sampled_from((1.0, 0.5))), "spot_loss_share": draw(st.sampled_from((0.0, 0.5)))}
    if draw(st.integers(0, 2)) == 0:
        rules["survivability"] = {"domain": draw(st.sampled_from(("region", "provider"))), "share": draw(st.sampled_from((0.5, 1.0)))}
    if draw(st.integers(0, 3)) == 0:
        rules["spread"] = {"domain": "provider", "max_share": 0.7}
    demand = [
        {
            "origin": f"o{index}",
            "bucket": draw(st.sampled_from(buckets)),
            "tokens_per_s": float(draw(st.integers(1, 25)) * 10),
            "jurisdictions": draw(st.sampled_from(([], [], ["EU"]))),
        }
        for index in range(draw(st.integers(1, 2)))
    ]
    return deployment(name, demand=demand, headroom=draw(st.sampled_from((0.0, 0.2))), max_replicas=MOST, rules=rules)


def optimum(document: dict[str, Any]) -> tuple[int, Placed, dict[str, int]] | None:
    """The cheapest plan without violations, by trying every number of replicas and the fewest nodes that hold them."""
    text = json.dumps(document)
    derived = derive(read_problem(text))
    options = [option for each in derived.world.deployments for option in derived.options(each)]
    assume(len(options) <= 5)
    best = None
    for counts in product(range(MOST + 1), repeat=len(options)):
        placed = {option.key: count for option, count in zip(options, counts, strict=True) if count}
        if any(sum(c for (name, _, _), c in placed.items() if name == each.id) > MOST for each in derived.world.deployments):
            continue
        needed: dict[str, int] = {}
        for option, count in zip(options, counts, strict=True):
            needed[option.pool.id] = needed.get(option.pool.id, 0) + count * option.shape.accelerators
        # Sizes 1 and 2 on nodes of 1, 2 or 4 always pack densely.
        nodes = {name: -(-used // derived.pools[name].offer.kind.accelerators) for name, used in needed.items() if used}
        claim = plan(document, placed, nodes)
        cost = claim["cost"]["total_micro_usd_per_h"]
        if (best is None or cost < best[0]) and verify(text, json.dumps(claim)).verified:
            best = (cost, placed, nodes)
    return best


QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


@given(problems(), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
def test_no_multipliers_prove_more_than_the_optimum(document: dict[str, Any], data: st.DataObject) -> None:
    best = optimum(document)
    assume(best is not None)
    assert best is not None
    text = json.dumps(document)
    derived = derive(read_problem(text))
    prices = {name: pool.effective / pool.offer.kind.accelerators for name, pool in derived.pools.items()}
    factors = st.sampled_from((0.0, 0.5, 0.97, 1.0, 1.0, 1.03, 2.0))
    claim = json.dumps(plan(document, best[1], best[2]))
    for nodes in (3000, 2, 0):
        pools = {name: price * data.draw(factors) for name, price in prices.items()}
        resources = {f"quota:{quota.id}": data.draw(st.sampled_from((0.0, 1e5))) for quota in derived.world.quotas}
        bound = verify(text, claim, json.dumps(certificate(pools, resources)), nodes).bound
        assert bound is not None
        assert bound.total <= best[0]


@given(problems(), st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=QUIET)
def test_spoilt_plans_are_refused(document: dict[str, Any], data: st.DataObject) -> None:
    best = optimum(document)
    assume(best is not None and best[1])
    assert best is not None
    text, (_, placed, nodes) = json.dumps(document), best
    key = data.draw(st.sampled_from(sorted(placed)))
    cheaper = plan(document, placed, nodes)
    cheaper["cost"]["total_micro_usd_per_h"] -= 1
    assert not verify(text, json.dumps(cheaper)).verified
    # The optimum has no replica to spare where the rest would keep every promise with fewer nodes or starts.
    fewer = {name: count - (name == key) for name, count in placed.items()}
    assert not verify(text, json.dumps(plan(document, {name: c for name, c in fewer.items() if c}, nodes))).verified
    short = {name: count - (name == key[1]) for name, count in nodes.items()}
    assert not verify(text, json.dumps(plan(document, placed, short))).verified
    home = key[1].split("|")[0].split("-")[0]
    for wanted in document["deployments"]:
        if wanted["id"] == key[0]:
            wanted["rules"]["providers"] = ["gcp" if home == "aws" else "aws"]
    assert not verify(json.dumps(document), json.dumps(plan(document, placed, nodes))).verified
