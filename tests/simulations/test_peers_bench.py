"""The peers bench without any peer's wheel: what peers get, how their answers are judged, and the page that is written."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from scheduler.verifier.options import derive
from scheduler.verifier.problem import read_problem
from simulations.bench.peers.environment import UnavailableError, Wheels, interpreter
from simulations.bench.peers.neutral import neutral
from simulations.bench.peers.relax import origins_may_go_anywhere, without_limits
from simulations.bench.peers.report import write
from simulations.bench.peers.run import peers
from simulations.bench.peers.scoring import plan_of, scored
from tests.documents import cluster, deployment, offer, problem, shape

GREEDY = ("greedy, cheapest first",)
FAR = offer("gcp", usd=0.5)


def two_places(**more: Any) -> dict[str, Any]:
    return problem(offers=[offer(count=4, usd=4.0), FAR], clusters=[cluster(), cluster("gcp-nl")]) | more


def test_peers_get_rates_of_zero_where_residency_forbids() -> None:
    demand = [{"origin": "o", "tokens_per_s": 10.0, "jurisdictions": ["US"]}]
    model = neutral(derive(read_problem(json.dumps(two_places(deployments=[deployment(demand=demand)])))))
    rates = {model["pools"][option["pool"]]["id"].split("|")[0]: option["rates"] for option in model["options"]}
    assert rates == {"aws-us": [100.0], "gcp-nl": [0.0]}


def test_replicas_without_nodes_are_packed_on_the_fewest() -> None:
    document = two_places(shapes=[shape(count=2, rate=100.0)], deployments=[deployment(tokens_per_s=300.0)])
    text = json.dumps(document)
    derived = derive(read_problem(text))
    model = neutral(derived)
    plan = plan_of(derived, model, {"0": 3}, None)
    assert [each["nodes"] for each in plan["pools"]] == [2]
    assert scored(text, derived, plan)["violations"] == {}


def test_a_plan_that_breaks_rules_is_told_with_its_share_of_unserved_demand() -> None:
    text = json.dumps(two_places())
    derived = derive(read_problem(text))
    score = scored(text, derived, plan_of(derived, neutral(derived), {"0": 1}, None))
    assert score["violations"] == {"demand": 1}
    assert score["broken_deployments"] == 1
    assert round(score["unmet_share"], 4) == round(50 / 150, 4)


def test_relaxed_problems_are_still_problems() -> None:
    rules = {"survivability": {"domain": "region", "share": 1.0}, "spot_ceiling": 0.5}
    demand = [{"origin": "o", "tokens_per_s": 10.0, "jurisdictions": ["US"], "latency_ms_max": 20}]
    document = two_places(deployments=[deployment(demand=demand, rules=rules, budget_micro_usd_per_h=1)])
    for relaxed in (without_limits, origins_may_go_anywhere):
        world = read_problem(relaxed(json.dumps(document)))
        assert world.deployments[0].rules.survivability is None
        assert world.deployments[0].budget is None
    assert world.deployments[0].demand[0].latency_ms_max is None


def test_greedy_runs_as_a_program_of_its_own_and_the_page_tells_it(tmp_path: Path) -> None:
    path = tmp_path / "small.json"
    path.write_text(json.dumps(two_places()))
    figures = peers([path], 20, 1, GREEDY)
    row = figures["problems"]["small"][GREEDY[0]]
    assert row["violations"] == {}
    # Two replicas at $0.50 each, and a little for their starts.
    assert 1.0 < row["usd_per_h"] < 1.1
    write(figures, tmp_path)
    assert "| greedy, cheapest first | 1.0" in (tmp_path / "peers.md").read_text()
    assert ET.parse(tmp_path / "peers-small.svg").getroot().tag.endswith("svg")


def test_a_peer_that_cannot_be_installed_says_why(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UnavailableError, match=r"needs Python 3\.99"):
        interpreter(Wheels("future", ("none",), python=99))
