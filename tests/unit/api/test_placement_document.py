"""Problem documents: what is wrong is named with its field, its value and a remedy, and nothing wrong is let through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scheduler.api.placement_document import problem_of
from scheduler.api.placement_write import document_of, text_of
from scheduler.api.schema import InvalidInputErrors
from scheduler.bootstrap.problem_file import problem_schema, read_problem
from scheduler.domain.errors import InvalidInputError

EXAMPLE = Path(__file__).parents[3] / "docs" / "problem.json"


def example() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(EXAMPLE.read_text())
    return document


def errors(document: object) -> dict[str, str]:
    with pytest.raises(InvalidInputErrors) as caught:
        problem_of(json.dumps(document))
    return {each.field: f"{each.problem}. {each.remedy}" for each in caught.value.errors}


def test_the_example_of_the_documentation_is_read() -> None:
    snapshot = read_problem(EXAMPLE).snapshot
    assert [each.id for each in snapshot.deployments] == ["assistant", "support"]
    assert snapshot.caps[snapshot.offers[0].id].nodes == 4
    assert snapshot.offers[3].id not in snapshot.caps
    assert snapshot.latency_ms["us-east", "nebius:eu-north1"] == 111


def test_what_was_written_is_read_as_the_same_values() -> None:
    problem = read_problem(EXAMPLE)
    assert problem_of(text_of(problem)) == problem
    assert document_of(problem_of(text_of(problem))) == document_of(problem)


def changed(path: str, value: object) -> dict[str, Any]:
    """The example with one field set, by a path such as ``shapes.0.tokens_per_s.all``."""
    document = example()
    at: Any = document
    *parents, last = path.split(".")
    for part in parents:
        at = at[int(part)] if part.isdigit() else at.setdefault(part, {})
    at[int(last) if last.isdigit() else last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "field", "says"),
    [
        ("deployments.0.demand.0.tokens_per_s", 1e15, "deployments[0].demand[0].tokens_per_s", "output tokens per second"),
        ("deployments.0.demand.0.tokens_per_s", float("nan"), "deployments[0].demand[0].tokens_per_s", "finite"),
        ("deployments.0.demand.0.tokens_per_s", float("inf"), "deployments[0].demand[0].tokens_per_s", "finite"),
        ("deployments.0.demand.0.tokens_per_s", -1, "deployments[0].demand[0].tokens_per_s", "greater than or equal to 0"),
        ("deployments.0.demand.0.tokens_per_s", "3000", "deployments[0].demand[0].tokens_per_s", "number"),
        ("deployments.0.demand", [], "deployments[0].demand", "at least 1"),
        ("deployments.0.headroom", float("-inf"), "deployments[0].headroom", "finite"),
        ("deployments.0.min_replica", 2, "deployments[0].min_replica", "Did you mean min_replicas?"),
        ("deployments.0.min_replicas", 200, "deployments[0].min_replicas", "exceeds max_replicas 100"),
        ("deployments.0.model", "asistant", "deployments[0].model", "Did you mean assistant?"),
        ("deployments.0.id", "support", "deployments[1]", "duplicate of deployments[0]"),
        ("deployments.0.id", "a|b", "deployments[0].id", "pattern"),
        ("deployments.0.id", "", "deployments[0].id", "at least 1"),
        ("deployments.0.rules.pins", ["mars"], "deployments[0].rules.pins[0]", "no such cluster"),
        ("deployments.0.rules.accelerators", ["H100"], "deployments[0].rules.accelerators[0]", "H100-80GB-SXM"),
        ("deployments.1.rules.jurisdictions", ["EU"], "deployments[1].demand[0].jurisdictions", "contradicts rules.jurisdictions EU"),
        ("deployments.1.rules.capacity_types", ["spot"], "deployments[1].rules.spot_ceiling", "contradicts capacity_types"),
        ("deployments.1.rules.capacity_types", ["free"], "deployments[1].rules.capacity_types[0]", "'on-demand'"),
        ("instance_types.0.accelerator", "H1000", "instance_types[0].accelerator", "Did you mean H100-80GB-SXM"),
        ("shapes.0.accelerator", "quantum", "shapes[0].accelerator", "unknown accelerator"),
        ("shapes.0.tokens_per_s.all", 0, "shapes[0].tokens_per_s.all", "greater than 0"),
        ("shapes.0.tokens_per_s", {}, "shapes[0].tokens_per_s", "at least 1"),
        ("shapes.1.id", "support/H100x1", "shapes[1]", "duplicate of shapes[0]"),
        ("offers.0.type", "aws/p6", "offers[0].type", "no such instance type"),
        ("offers.3.capacity_type", "spot", "offers[3]", "duplicate of offers[2]"),
        ("offers.0.price_micro_usd_per_h", 10**17, "offers[0].price_micro_usd_per_h", "micro-USD"),
        ("offers.0.price_micro_usd_per_h", 0.5, "offers[0].price_micro_usd_per_h", "micro-USD"),
        ("offers.0.cap.nodes", True, "offers[0].cap.nodes", "valid integer"),
        ("clusters.1.id", "aws-virginia", "clusters[1]", "duplicate of clusters[0]"),
        ("settings.objective", "speed", "settings.objective", "'cost' or 'margin'"),
        ("version", 2, "version", "Use 1"),
        ("format", "headrace", "format", "headrace-problem"),
        ("taken_at", "yesterday", "taken_at", "datetime"),
        ("taken_at", "2026-07-20T00:00:00", "taken_at", "timezone"),
        ("latency_ms.1.place", "aws:us-east-1", "latency_ms[1]", "duplicate of latency_ms[0]"),
        ("nodes", [{"id": "n", "cluster": "mars", "offer_id": "o", "instance_type": "aws/p5.48xlarge", "capacity_type": "spot",
                    "price_micro_usd_per_h": 1}], "nodes[0].cluster", "no such cluster"),
        ("replicas", [{"id": "r", "deployment": "support", "shape": "support/H100x1", "cluster": "aws-virginia", "nodes": ["n"]}],
         "replicas[0].nodes[0]", "no such node"),
        ("reservations", [{"id": "r", "provider": "aws", "region": "us-east-1", "instance_type": "p9", "count": 1,
                           "sunk_micro_usd_per_h": 1}], "reservations[0].instance_type", "no such instance type"),
        ("endpoints", [{"id": "e", "model": "gpt", "url": "https://x", "price": {"input_micro_usd_per_mtok": 1,
                        "output_micro_usd_per_mtok": 1}}], "endpoints[0].model", "no such model"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_with_a_remedy(path: str, value: object, field: str, says: str) -> None:
    found = errors(changed(path, value))
    assert says in found.get(field, ""), found


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "{}", '"a"', "\ud800"])
def test_what_is_no_problem_at_all_says_so(text: str) -> None:
    with pytest.raises(InvalidInputErrors):
        problem_of(text.encode("utf-8", "surrogatepass"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"nope\.json"):
        read_problem(tmp_path / "nope.json")


def test_many_errors_are_cut_short() -> None:
    document = example()
    document["clusters"] = [document["clusters"][0]] * 500
    assert len(errors(document)) <= 50


def test_the_published_form_describes_every_field() -> None:
    schema = problem_schema()
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) >= {"offers", "quotas", "clusters", "shapes", "deployments", "latency_ms", "egress_micro_usd_per_gb"}
    assert {"from", "to", "micro_usd_per_gb"} == set(schema["$defs"]["EgressDoc"]["properties"])
