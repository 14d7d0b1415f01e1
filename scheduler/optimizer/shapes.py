"""Engine shapes for models whose throughput nobody has measured: a roofline, always marked ``modelled``.

Decoding one token for a batch reads all weights once and every sequence's KV cache, and computes two operations per
parameter and sequence. The largest batch whose step stays within the SLO's time per output token gives the throughput.
Measured, observed and declared shapes always take precedence over a modelled one for the same accelerator.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from scheduler.domain.accelerator import ACCELERATORS, Accelerator
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.workload import ANY_BUCKET, Deployment, EngineShape, Evidence, Model

EFFICIENCY = 0.6
"""Share of peak bandwidth and compute that engines reach in practice; a deliberate underestimate."""

STEP_OVERHEAD_S = 0.002
USABLE_MEMORY = 0.9
MEAN_CONTEXT_TOKENS = 2048
PARALLELISM = (1, 2, 4, 8)
MAX_BATCH = 512


def kv_bytes_per_token(parameters_b: float) -> float:
    """KV-cache bytes per token for a grouped-query model of this size.

    Fitted to the published architectures of Llama 3 8B (128 KiB per token) and 70B (320 KiB per token).
    """
    return 131_072.0 * math.pow(parameters_b / 8.0, 0.42)


def modelled_tokens_per_s(model: Model, gpu: Accelerator, parallel: int, tpot_ms: int) -> float:
    """Output tokens per second of one replica under the SLO; 0 where the weights do not fit or one step is too slow."""
    weights = model.parameters_b * 1e9 * model.bytes_per_parameter
    kv = kv_bytes_per_token(model.parameters_b) * min(MEAN_CONTEXT_TOKENS, model.context_tokens)
    room = gpu.memory_gib * 2**30 * parallel * USABLE_MEMORY - weights
    bandwidth = gpu.bandwidth_gb_s * 1e9 * parallel * EFFICIENCY
    compute = gpu.tflops_16bit * 1e12 * parallel * EFFICIENCY
    step_s = tpot_ms / 1000 - STEP_OVERHEAD_S
    if room < kv or weights / bandwidth >= step_s:
        return 0.0
    by_bandwidth = (step_s * bandwidth - weights) / kv
    by_compute = step_s * compute / (2 * model.parameters_b * 1e9)
    batch = int(min(MAX_BATCH, room / kv, by_bandwidth, by_compute))
    if batch < 1:
        return 0.0
    needed_s = max((weights + batch * kv) / bandwidth, 2 * model.parameters_b * 1e9 * batch / compute) + STEP_OVERHEAD_S
    return round(batch / needed_s, 1)


def fastest_tpot_ms(model: Model) -> float:
    """The least time per output token any catalogued accelerator could reach for this model, for error messages."""
    weights = model.parameters_b * 1e9 * model.bytes_per_parameter
    largest = PARALLELISM[-1]
    return min(1000 * (weights / (gpu.bandwidth_gb_s * 1e9 * largest * EFFICIENCY) + STEP_OVERHEAD_S) for gpu in ACCELERATORS.values())


def modelled_shapes(deployment: Deployment, model: Model, accelerators: Iterable[str], snapshot: Snapshot) -> list[EngineShape]:
    """One shape per accelerator: the smallest parallelism that meets the SLO, and twice that where it exists."""
    shapes = []
    for key in sorted(accelerators):
        rates = [(p, modelled_tokens_per_s(model, ACCELERATORS[key], p, deployment.slo.tpot_ms)) for p in PARALLELISM]
        feasible = [(p, rate) for p, rate in rates if rate > 0]
        for parallel, rate in feasible[:2]:
            shapes.append(
                EngineShape(
                    id=f"{model.id}/{deployment.engine.value}/{key}x{parallel}/tpot{deployment.slo.tpot_ms}",
                    model=model.id,
                    engine=deployment.engine,
                    accelerator=key,
                    accelerators_per_node=parallel,
                    tokens_per_s={ANY_BUCKET: rate},
                    evidence=Evidence.MODELLED,
                    source="roofline, see scheduler/optimizer/shapes.py",
                    as_of=snapshot.taken_at.date(),
                    tensor_parallel=parallel,
                    start_s=int(60 + model.weights_gib * 2),
                )
            )
    return shapes


def with_modelled_shapes(snapshot: Snapshot) -> Snapshot:
    """Add modelled shapes for every (deployment, accelerator on offer) that has no better evidence."""
    models = {model.id: model for model in snapshot.models}
    known = {(shape.model, shape.engine, shape.accelerator) for shape in snapshot.shapes}
    offered = {offer.instance_type.accelerator for offer in snapshot.offers} & ACCELERATORS.keys()
    added: dict[str, EngineShape] = {}
    for deployment in snapshot.deployments:
        model = models.get(deployment.model)
        if model is None or any(shape.model == model.id and shape.engine is deployment.engine for shape in snapshot.shapes):
            continue
        missing = {key for key in offered if (model.id, deployment.engine, key) not in known}
        added.update((shape.id, shape) for shape in modelled_shapes(deployment, model, missing, snapshot))
    return replace(snapshot, shapes=snapshot.shapes + tuple(added.values())) if added else snapshot
