"""Models and their engine shapes: measured rates of the performance table, the roofline's where nobody measured."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache

from scheduler.domain.accelerator import ACCELERATORS
from scheduler.domain.workload import EngineKind, EngineShape, Evidence, Model
from scheduler.optimizer.networks import ARCHITECTURES, Architecture
from scheduler.optimizer.performance import BYTES_PER_PARAMETER, Row, batches, calibration_of, measured, rate_under
from scheduler.optimizer.roofline import Cut, Load, best_rate

SERVED = (
    # architecture, precision, engine, hub id, weight among the models of a fleet
    ("Llama-3.1-8B", "bf16", "vllm", "meta-llama/Llama-3.1-8B-Instruct", 14),
    ("Llama-3.1-8B", "fp8", "vllm", "nvidia/Llama-3.1-8B-Instruct-FP8", 10),
    ("Mistral-7B", "bf16", "vllm", "mistralai/Mistral-7B-Instruct-v0.3", 8),
    ("Qwen2.5-14B", "bf16", "vllm", "Qwen/Qwen2.5-14B-Instruct", 8),
    ("Mistral-Small-24B", "fp8", "vllm", "mistralai/Mistral-Small-24B-Instruct-2501", 8),
    ("Qwen3-32B", "bf16", "vllm", "Qwen/Qwen3-32B", 6),
    ("Qwen3-32B", "fp8", "vllm", "Qwen/Qwen3-32B-FP8", 8),
    ("Llama-3.1-70B", "fp8", "vllm", "meta-llama/Llama-3.1-70B-Instruct", 12),
    ("gpt-oss-120b", "fp4", "vllm", "openai/gpt-oss-120b", 8),
    ("MiniMax-M2.5", "fp8", "vllm", "MiniMaxAI/MiniMax-M2.5", 4),
    ("Qwen3-235B-A22B", "fp8", "sglang", "Qwen/Qwen3-235B-A22B-FP8", 4),
    ("Qwen3.5-397B-A17B", "fp8", "sglang", "Qwen/Qwen3.5-397B-A17B-FP8", 3),
    ("DeepSeek-R1", "fp8", "sglang", "deepseek-ai/DeepSeek-R1", 4),
    ("Llama-3.1-405B", "fp8", "vllm", "meta-llama/Llama-3.1-405B-Instruct-FP8", 3),
)
SIZES = (
    # size buckets of the performance table that one deployment's requests fall in, weight
    ((("1024x1024", 1024, 1024),), 6),
    ((("8192x1024", 8192, 1024),), 3),
    ((("1024x128", 1024, 128),), 3),
    ((("1024x1024", 1024, 1024), ("8192x1024", 8192, 1024)), 2),
    ((("1024x128", 1024, 128), ("1024x1024", 1024, 1024)), 2),
)
LIMITS = ((2000, 50, 3), (1000, 25, 1))
GPUS = (1, 2, 4, 8)
MEASURED_MAX = 2
CARDS_MAX = 9
"""Cards beyond the so many cheapest per token are not worth a shape."""

GANG_GPUS, GANG_NODES, STAGED = 8, 2, 0.9
"""A gang of two whole nodes, and what two pipeline stages keep of twice the rate: an assumption."""

NODE_READY_S = 60
LOAD_GIB_PER_S = 0.5


@dataclass(frozen=True, slots=True)
class Served:
    """A model with its shapes and what its deployments ask of it.

    Attributes:
        buckets: size buckets of its requests. ttft_ms, tpot_ms: the limits that its shapes' rates hold.
    """

    model: Model
    engine: EngineKind
    shapes: tuple[EngineShape, ...]
    buckets: tuple[str, ...]
    ttft_ms: int
    tpot_ms: int


def served(count: int, sold: dict[str, tuple[float, int]], now: date, draw: random.Random) -> list[Served]:
    """``count`` models, fine-tuned variants of published ones, each with two to four shapes on cards that are on sale.

    ``sold`` is the usual price per GPU and hour of a card, and how many of it the largest node has.
    """
    found: list[Served] = []
    while len(found) < count:
        name, precision, engine, hub, _ = draw.choices(SERVED, [each[-1] for each in SERVED])[0]
        sizes = draw.choices(SIZES, [weight for _, weight in SIZES])[0][0]
        ttft, tpot, _ = draw.choices(LIMITS, [each[-1] for each in LIMITS])[0]
        loads = tuple(Load(inputs, outputs, ttft, tpot) for _, inputs, outputs in sizes)
        known = next(each for each in ARCHITECTURES if each.name == name)
        cuts = _sensible(known, precision, engine, loads, tuple(sorted(sold.items())))
        if not cuts:
            continue
        identity = f"{name.lower()}-{precision}-{len(found) + 1:04d}"
        model = Model(identity, hub, known.parameters_b, BYTES_PER_PARAMETER[precision], 32_768)
        chosen = _varied(cuts, draw.randint(2, 4), draw)
        shapes = tuple(_shape(model, engine, cut, now) for cut in chosen)
        found.append(Served(model, EngineKind(engine), shapes, tuple(load.bucket for load in loads), ttft, tpot))
    return found


def with_gangs(models: Sequence[Served], share: float, draw: random.Random) -> list[Served]:
    """A share of the models with one shape turned into a gang: eight GPUs on each of two nodes, in two pipeline stages."""
    return [_with_gang(each) if draw.random() < share else each for each in models]


def _with_gang(served: Served) -> Served:
    cut = max(served.shapes, key=lambda shape: shape.accelerators_per_node)
    return replace(served, shapes=tuple(_ganged(shape) if shape is cut else shape for shape in served.shapes))


def _ganged(cut: EngineShape) -> EngineShape:
    """Rates grow with the GPUs, less what the stages lose by waiting for each other."""
    times = GANG_GPUS * GANG_NODES / cut.accelerators_per_node * STAGED
    return replace(
        cut,
        id=f"{cut.model}/{cut.accelerator}x{GANG_GPUS}on{GANG_NODES}",
        accelerators_per_node=GANG_GPUS,
        nodes=GANG_NODES,
        tensor_parallel=GANG_GPUS,
        pipeline_parallel=GANG_NODES,
        tokens_per_s={bucket: round(times * rate, 1) for bucket, rate in cut.tokens_per_s.items()},
        evidence=Evidence.MODELLED,
        source=f"scaled from {cut.id}",
    )


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to cut a replica, with its rates by bucket and their evidence."""

    card: str
    gpus: int
    rates: tuple[tuple[str, float], ...]
    measured: Row | None
    usd_per_mtok: float


@cache
def _sensible(
    known: Architecture, precision: str, engine: str, loads: tuple[Load, ...], sold: tuple[tuple[str, tuple[float, int]], ...]
) -> tuple[_Way, ...]:
    """Every cut that holds the limits in all buckets, the cheapest per token first; for each card the two best."""
    ways = []
    for card, (price, most) in sold:
        of_card = []
        for gpus in (count for count in GPUS if count <= most):
            rates = [_rate(known, precision, engine, (card, gpus), load) for load in loads]
            if all(rate > 0 for rate, _ in rates):
                per_token = price * gpus / min(rate for rate, _ in rates)
                named = tuple((load.bucket, rate) for load, (rate, _) in zip(loads, rates, strict=True))
                of_card.append(_Way(card, gpus, named, rates[0][1], per_token))
        ways += sorted(of_card, key=lambda way: way.usd_per_mtok)[:2]
    return tuple(sorted(ways, key=lambda way: (way.usd_per_mtok, way.card, way.gpus)))


def _rate(known: Architecture, precision: str, engine: str, cut: tuple[str, int], load: Load) -> tuple[float, Row | None]:
    card, gpus = cut
    bytes_per_parameter = BYTES_PER_PARAMETER[precision]
    row = rate_under(measured(known.name, bytes_per_parameter, engine).get((card, gpus, 1), ()), load)
    if row is not None:
        return row.tokens_per_s, row
    fit, assumed = calibration_of(known.name, engine), batches(known.name, load.bucket)
    return round(best_rate(known.network(bytes_per_parameter), Cut(ACCELERATORS[card], gpus), load, fit, assumed), 1), None


def _varied(ways: Sequence[_Way], count: int, draw: random.Random) -> list[_Way]:
    """Cuts on different cards: the cheapest of those that were measured, and others by chance, cheap ones sooner."""
    best: dict[str, _Way] = {}
    for way in ways:
        best.setdefault(way.card, way)
    cards = list(best.values())
    chosen = [way for way in cards if way.measured is not None][:MEASURED_MAX]
    ranked = sorted((draw.random() ** (1 + rank / 3), way.card) for rank, way in enumerate(cards[:CARDS_MAX]) if way not in chosen)
    chosen += [best[card] for _, card in ranked[::-1]][: max(1, count - len(chosen))]
    return sorted(chosen, key=lambda way: (way.card, way.gpus))


def _shape(model: Model, engine: str, way: _Way, now: date) -> EngineShape:
    known = way.measured
    return EngineShape(
        id=f"{model.id}/{way.card}x{way.gpus}",
        model=model.id,
        engine=EngineKind(engine),
        accelerator=way.card,
        accelerators_per_node=way.gpus,
        tokens_per_s=dict(way.rates),
        evidence=Evidence.MEASURED if known else Evidence.MODELLED,
        source=known.source if known else "roofline, see scheduler/optimizer/roofline.py",
        as_of=known.as_of if known else now,
        tensor_parallel=way.gpus,
        start_s=round(NODE_READY_S + model.weights_gib / LOAD_GIB_PER_S),
    )
