"""Generated problems: the same arguments give the same bytes, and the planted plan keeps every rule by the checker."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scheduler.api.placement_document import PlacementProblem, problem_of
from scheduler.api.placement_write import text_of
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.workload import Evidence, FailureDomain
from scheduler.optimizer import check
from simulations.bench.generate.assemble import Generated, generate
from simulations.bench.generate.profile import PROFILES, Request
from simulations.bench.generate.properties import properties, solved_properties

RESEARCH = Path(__file__).parents[2].parent / "shared" / "data"
SIZES = [(3, 5, 20), (8, 20, 120), (18, 40, 200), (36, 120, 60)]


def made(size: tuple[int, int, int], profile: str = "hard", seed: int = 1, **more: object) -> Generated:
    return generate(Request(*size, seed, PROFILES[profile], **more))  # type: ignore[arg-type]


def text(generated: Generated) -> str:
    return text_of(PlacementProblem(generated.snapshot, about=generated.about))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("profile", ["hard", "easy"])
def test_the_planted_plan_keeps_every_rule_so_that_the_problem_is_feasible(size: tuple[int, int, int], profile: str) -> None:
    generated = made(size, profile)
    snapshot = generated.snapshot
    assert check(snapshot, generated.planted) == ()
    assert (len({c.provider for c in snapshot.clusters}), len(snapshot.clusters), len(snapshot.deployments)) == size


@pytest.mark.parametrize("seed", range(5))
def test_small_problems_are_feasible_for_every_seed(seed: int) -> None:
    generated = made((3, 3, 10), seed=seed, fresh=seed % 2 == 0)
    assert check(generated.snapshot, generated.planted) == ()


def test_the_same_arguments_give_the_same_bytes_in_another_process() -> None:
    script = (
        "from tests.simulations.test_generate import made, text; import hashlib;"
        "print(hashlib.sha256(text(made((8, 20, 60))).encode()).hexdigest())"
    )
    root = Path(__file__).parents[2]
    runs = {
        subprocess.run([sys.executable, "-c", script], cwd=root, env={"PYTHONHASHSEED": hash_seed}, capture_output=True, check=True).stdout
        for hash_seed in ("1", "2")
    }
    assert len(runs) == 1


def test_another_seed_gives_another_problem() -> None:
    assert text(made((3, 5, 20), seed=1)) != text(made((3, 5, 20), seed=2))


def test_a_generated_document_is_read_as_the_same_problem_and_says_how_it_was_made() -> None:
    generated = made((8, 20, 60))
    problem = problem_of(text(generated))
    assert problem.snapshot == generated.snapshot
    assert json.dumps(problem.about).count("synthetic") >= 1
    assert problem.about["seed"] == 1


def test_a_hard_problem_has_what_its_profile_promises() -> None:
    hard, easy = made((8, 24, 300)), made((8, 24, 80), "easy")
    figures = properties(hard, hard.planted, "planted")
    assert 1 <= figures["median_replicas"] <= 3
    assert figures["share_of_caps_binding"] >= 0.3
    assert figures["share_surviving_a_provider"] >= 0.3
    assert 12 <= properties(easy, easy.planted, "planted")["median_replicas"] <= 30


def test_a_small_hard_problem_is_solved_and_cheapest_first_stays_behind() -> None:
    figures = solved_properties(made((5, 12, 30), fresh=True), 10, 1)
    assert (figures["violations"], figures["unmet"]) == (0, 0)
    assert figures["cheapest_first_over_plan"] >= 1.08


def test_a_fresh_problem_runs_nothing_and_any_other_runs_most_of_a_plan() -> None:
    assert made((3, 5, 20), fresh=True).snapshot.nodes == ()
    snapshot = made((3, 5, 20)).snapshot
    assert snapshot.nodes
    assert {replica.nodes[0] for replica in snapshot.replicas} <= {node.id for node in snapshot.nodes}


def test_shapes_say_what_they_were_measured_on_and_deployments_have_a_choice() -> None:
    snapshot = made((18, 40, 200)).snapshot
    assert {shape.evidence for shape in snapshot.shapes} == {Evidence.MEASURED, Evidence.MODELLED}
    cards = {model.id: {shape.accelerator for shape in snapshot.shapes if shape.model == model.id} for model in snapshot.models}
    assert min(len(each) for each in cards.values()) >= 2
    assert any(d.rules.survivability and d.rules.survivability.domain is FailureDomain.REGION for d in snapshot.deployments)


def test_the_research_data_makes_richer_problems() -> None:
    if not (RESEARCH / "catalog" / "gpu_offers.csv").exists():
        pytest.skip("the research data is not part of this project")
    generated = made((8, 60, 100), data=RESEARCH)
    assert check(generated.snapshot, generated.planted) == ()
    assert generated.snapshot.egress_micro_usd_per_gb


def test_a_cloud_without_a_cluster_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="at least one"):
        made((18, 5, 10))


def test_gangs_span_two_whole_nodes_and_the_planted_plan_holds_them() -> None:
    plain, generated = made((3, 5, 20), seed=3), made((3, 5, 20), seed=3, gangs=0.5)
    assert not any(shape.nodes > 1 for shape in plain.snapshot.shapes)
    gangs = {shape.id for shape in generated.snapshot.shapes if shape.nodes == 2}
    assert check(generated.snapshot, generated.planted) == ()
    assert any(placed.shape in gangs for placed in generated.planted.placements)
    assert all(len(replica.nodes) == 2 for replica in generated.snapshot.replicas if replica.shape in gangs)
