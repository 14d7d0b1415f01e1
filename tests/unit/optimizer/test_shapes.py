"""Where throughput comes from: what was declared, then what was measured, then the roofline, each saying which it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scheduler.domain.accelerator import ACCELERATORS
from scheduler.domain.workload import Demand, EngineKind, Evidence, Slo
from scheduler.optimizer import with_modelled_shapes
from scheduler.optimizer.networks import architecture_of, network_of
from scheduler.optimizer.performance import COLUMNS, performance_table, read_table
from scheduler.optimizer.roofline import Cut, Load, best_rate, dense
from scheduler.optimizer.shapes import fastest_tpot_ms, loads
from simulations.bench.performance import read_sample, table_rows
from simulations.bench.roofline import figures
from tests.builders import deployment, model, offer, shape, world

SAMPLE = Path(__file__).parents[3].parent / "shared" / "data" / "performance" / "silicon_sample.csv"
LLAMA = model("chat", parameters_b=70.6, bytes_per_parameter=1.0)
LLAMA = replace(LLAMA, source="meta-llama/Llama-3.1-70B-Instruct")
OFFERS = [offer(usd=20.0, accelerator=key, count=8) for key in ("H100-80GB-SXM", "A100-80GB-SXM")]
USUAL = Load(1024, 1024, 2000, 50)


def test_a_published_model_gets_measured_shapes_where_there_are_some_and_modelled_ones_elsewhere() -> None:
    snapshot = world(offers=OFFERS, shapes=(), models=[LLAMA], deployments=[deployment(model="chat", tokens_per_s=100)])
    shapes = with_modelled_shapes(snapshot).shapes
    assert {each.evidence for each in shapes if each.accelerator == "H100-80GB-SXM"} == {Evidence.MEASURED}
    assert {each.evidence for each in shapes if each.accelerator == "A100-80GB-SXM"} == {Evidence.MODELLED}
    assert all("aiconfigurator" in each.source for each in shapes if each.evidence is Evidence.MEASURED)


def test_declared_shapes_take_precedence_over_the_table() -> None:
    declared = shape("chat", "H100-80GB-SXM", 4, 999.0)
    snapshot = world(offers=OFFERS, shapes=[declared], models=[LLAMA], deployments=[deployment(model="chat")])
    assert with_modelled_shapes(snapshot).shapes == (declared,)


def test_a_rate_measured_under_looser_limits_is_not_used() -> None:
    strict = deployment(model="chat", slo=Slo(ttft_ms=500, tpot_ms=15))
    shapes = with_modelled_shapes(world(offers=OFFERS, shapes=(), models=[LLAMA], deployments=[strict])).shapes
    assert all(each.evidence is Evidence.MODELLED for each in shapes)


def test_another_engine_or_precision_is_another_measurement() -> None:
    for changed in (replace(LLAMA, bytes_per_parameter=2.0), LLAMA):
        engine = EngineKind.SGLANG if changed is LLAMA else EngineKind.VLLM
        snapshot = world(offers=OFFERS, shapes=(), models=[changed], deployments=[deployment(model="chat", engine=engine)])
        assert all(each.evidence is Evidence.MODELLED for each in with_modelled_shapes(snapshot).shapes)


def test_every_bucket_of_the_demand_gets_its_own_rate() -> None:
    demand = (Demand("us", 10, "1024x1024"), Demand("us", 10, "8192x1024"))
    snapshot = world(offers=OFFERS, shapes=(), models=[LLAMA], deployments=[deployment(model="chat", demand=demand)])
    for each in with_modelled_shapes(snapshot).shapes:
        assert each.rate("8192x1024") < each.rate("1024x1024")
    assert loads(deployment(demand=demand))["8192x1024"].input_tokens == 8192
    assert loads(deployment())["all"].input_tokens == 1024


def test_two_deployments_of_one_model_share_shapes_with_the_rates_of_both() -> None:
    first = deployment("a", model="chat", demand=(Demand("us", 10, "1024x1024"),))
    second = deployment("b", model="chat", demand=(Demand("us", 10, "8192x1024"),))
    shapes = with_modelled_shapes(world(offers=OFFERS, shapes=(), models=[LLAMA], deployments=[first, second])).shapes
    both = [each for each in shapes if set(each.tokens_per_s) == {"1024x1024", "8192x1024"}]
    assert {each.accelerator for each in both} == {"H100-80GB-SXM"}
    assert {bucket for each in shapes if each.accelerator == "A100-80GB-SXM" for bucket in each.tokens_per_s} == {"1024x1024", "8192x1024"}


@pytest.mark.parametrize(
    ("source", "parameters_b", "name"),
    [
        ("meta-llama/Llama-3.1-70B-Instruct", 70, "Llama-3.1-70B"),
        ("nvidia/Llama-3.1-8B-Instruct-FP8", 8, "Llama-3.1-8B"),
        ("Qwen/Qwen3-32B", 32, "Qwen3-32B"),
        ("Qwen/Qwen3.5-397B-A17B", 397, "Qwen3.5-397B-A17B"),
        ("meta-llama/Llama-3.1-70B-Instruct", 8, "Llama-3.1-8B"),
        ("acme/own-model", 70, ""),
        ("meta-llama/Llama-3.2-3B", 3.2, ""),
    ],
)
def test_a_model_is_known_by_family_and_size(source: str, parameters_b: float, name: str) -> None:
    found = architecture_of(replace(model("m", parameters_b=parameters_b), source=source))
    assert (found.name if found else "") == name


def test_a_mixture_of_experts_decodes_faster_than_a_dense_model_of_its_size() -> None:
    sparse = network_of(replace(model("m", parameters_b=671.0, bytes_per_parameter=1.0), source="deepseek-ai/DeepSeek-R1"))
    cut = Cut(ACCELERATORS["B200-180GB-SXM"], 8)
    assert best_rate(sparse, cut, USUAL) > best_rate(dense(671.0, 1.0), cut, USUAL)


def test_weights_that_do_not_fit_serve_nothing_and_more_gpus_serve_more() -> None:
    gpu = ACCELERATORS["H100-80GB-SXM"]
    rates = [best_rate(dense(70.0, 2.0), Cut(gpu, gpus), USUAL) for gpus in (1, 2, 4, 8)]
    assert rates[0] == 0.0
    assert rates[1] <= rates[2] <= rates[3]


def test_a_limit_below_the_fastest_step_cannot_be_held() -> None:
    assert 0 < fastest_tpot_ms(LLAMA) < fastest_tpot_ms(model("big", parameters_b=405.0))


def test_every_row_of_the_table_holds_its_limits_and_names_its_source_and_day() -> None:
    rows = performance_table()
    assert 200 <= len(rows) <= 1000
    for row in rows:
        assert row.accelerator in ACCELERATORS
        assert row.measured_ttft_ms <= row.ttft_ms
        assert row.measured_tpot_ms <= row.tpot_ms
        whole_ms = row.measured_ttft_ms + (row.output_tokens - 1) * row.measured_tpot_ms
        assert row.tokens_per_s == pytest.approx(row.batch * row.output_tokens / whole_ms * 1000, rel=1e-3)
        assert row.source
        assert row.as_of.year >= 2025


def test_a_table_without_its_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="tokens_per_s"):
        read_table([",".join(column for column in COLUMNS if column != "tokens_per_s")])


def test_the_roofline_says_how_far_off_it_is_for_a_gpu_type_that_it_has_not_seen() -> None:
    found = figures(performance_table(), performance_table())
    assert set(found["left_out"]) == {row.accelerator for row in performance_table()}
    assert all(each["at_batch"]["median"] < 0.3 for each in found["left_out"].values())


def test_the_shipped_table_is_what_the_script_makes_of_the_sample() -> None:
    if not SAMPLE.exists():
        pytest.skip("the silicon sample that the table was built from is research data, not part of this project")
    rebuilt = {(row.source, row.ttft_ms): row.tokens_per_s for row in table_rows(read_sample(SAMPLE))}
    assert rebuilt == {(row.source, row.ttft_ms): pytest.approx(row.tokens_per_s, rel=1e-4) for row in performance_table()}
