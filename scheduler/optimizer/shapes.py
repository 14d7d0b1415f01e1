"""Engine shapes for models that nobody declared one for: measured rows of the performance table first, the roofline for the rest.

Observed and declared shapes always take precedence over both. A shape from the table is marked ``measured`` and names its source; one
from the roofline is marked ``modelled``, and is off by a fifth to a third in the median for a GPU type that nobody measured:
``headrace bench performance`` says by how much.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from scheduler.domain.accelerator import ACCELERATORS
from scheduler.domain.snapshot import Snapshot
from scheduler.domain.workload import ANY_BUCKET, Deployment, EngineKind, EngineShape, Evidence, Model, Slo
from scheduler.optimizer.networks import architecture_of, network_of
from scheduler.optimizer.performance import Row, batches, calibration_of, measured, rate_under
from scheduler.optimizer.roofline import Cut, Load, best_rate, step_s

USUAL_TOKENS = (1024, 1024)
"""Prompt and answer of demand that is not split by request size."""

PARALLELISM = (1, 2, 4, 8)
CUTS_PER_ACCELERATOR = 2
NODE_READY_S = 60
LOAD_S_PER_GIB = 2


def loads(deployment: Deployment) -> dict[str, Load]:
    """Request size and limits of each bucket of the demand; a bucket is named by its tokens, as ``8192x1024``."""
    found = {}
    for bucket in sorted({demand.bucket for demand in deployment.demand} or {ANY_BUCKET}):
        sizes = re.fullmatch(r"([1-9]\d{0,6})x([1-9]\d{0,6})", bucket)
        inputs, outputs = (int(sizes[1]), int(sizes[2])) if sizes else USUAL_TOKENS
        found[bucket] = Load(inputs, outputs, deployment.slo.ttft_ms, deployment.slo.tpot_ms)
    return found


def measured_shapes(deployment: Deployment, model: Model, accelerators: Iterable[str]) -> list[EngineShape]:
    """Shapes that were measured in every bucket of the demand, under limits no looser than the deployment's."""
    known, wanted, shapes = architecture_of(model), loads(deployment), []
    if known is None:
        return []
    for (key, tensor, pipeline), rows in sorted(measured(known.name, model.bytes_per_parameter, deployment.engine.value).items()):
        held = {bucket: rate_under(rows, load) for bucket, load in wanted.items()}
        best = {bucket: row for bucket, row in held.items() if row is not None}
        if key in accelerators and len(best) == len(wanted):
            shapes.append(_measured_shape(deployment, model, (key, tensor, pipeline), best))
    return shapes


def _measured_shape(deployment: Deployment, model: Model, cut: tuple[str, int, int], best: dict[str, Row]) -> EngineShape:
    key, tensor, pipeline = cut
    return EngineShape(
        id=_identity(deployment, f"{key}x{tensor}" if pipeline == 1 else f"{key}x{tensor}x{pipeline}"),
        model=model.id,
        engine=deployment.engine,
        accelerator=key,
        accelerators_per_node=tensor * pipeline,
        tokens_per_s={bucket: row.tokens_per_s for bucket, row in best.items()},
        evidence=Evidence.MEASURED,
        source="; ".join(sorted({row.source for row in best.values()})),
        as_of=min(row.as_of for row in best.values()),
        tensor_parallel=tensor,
        pipeline_parallel=pipeline,
        start_s=_start_s(model),
    )


def _identity(deployment: Deployment, cut: str) -> str:
    """Deployments of one model with the same limits share its shapes."""
    slo = deployment.slo
    first = "" if slo.ttft_ms == Slo().ttft_ms else f"ttft{slo.ttft_ms}-"
    return f"{deployment.model}/{deployment.engine.value}/{cut}/{first}tpot{slo.tpot_ms}"


def _start_s(model: Model) -> int:
    return int(NODE_READY_S + model.weights_gib * LOAD_S_PER_GIB)


def modelled_tokens_per_s(model: Model, engine: EngineKind, cut: Cut, load: Load) -> float:
    """Output tokens per second of one replica under the limits; 0 where the weights do not fit or one step is too slow."""
    known = architecture_of(model)
    name = known.name if known else ""
    return round(best_rate(network_of(model), cut, load, calibration_of(name, engine.value), batches(name, load.bucket)), 1)


def fastest_tpot_ms(model: Model) -> float:
    """The least time per output token any catalogued accelerator could reach for this model, for error messages."""
    network, load = network_of(model), Load(*USUAL_TOKENS, 1e9, 1e9)
    return min(1000 * step_s(network, Cut(gpu, gpus), load, 1) for gpu in ACCELERATORS.values() for gpus in PARALLELISM)


def modelled_shapes(deployment: Deployment, model: Model, accelerators: Iterable[str], snapshot: Snapshot) -> list[EngineShape]:
    """One shape per accelerator: the smallest parallelism that meets the SLO, and twice that where it exists."""
    wanted, shapes = loads(deployment), []
    for key in sorted(accelerators):
        feasible = 0
        for parallel in PARALLELISM:
            cut = Cut(ACCELERATORS[key], parallel)
            rates = {bucket: modelled_tokens_per_s(model, deployment.engine, cut, load) for bucket, load in wanted.items()}
            if min(rates.values()) <= 0 or feasible == CUTS_PER_ACCELERATOR:
                continue
            feasible += 1
            shapes.append(
                EngineShape(
                    id=_identity(deployment, f"{key}x{parallel}"),
                    model=model.id,
                    engine=deployment.engine,
                    accelerator=key,
                    accelerators_per_node=parallel,
                    tokens_per_s=rates,
                    evidence=Evidence.MODELLED,
                    source="roofline, see scheduler/optimizer/roofline.py",
                    as_of=snapshot.taken_at.date(),
                    tensor_parallel=parallel,
                    start_s=_start_s(model),
                )
            )
    return shapes


def with_modelled_shapes(snapshot: Snapshot) -> Snapshot:
    """Add measured and modelled shapes for every (deployment, accelerator on offer) that has no better evidence."""
    models = {model.id: model for model in snapshot.models}
    offered = {offer.instance_type.accelerator for offer in snapshot.offers} & ACCELERATORS.keys()
    added: dict[str, EngineShape] = {}
    for deployment in snapshot.deployments:
        model = models.get(deployment.model)
        if model is None or any(shape.model == model.id and shape.engine is deployment.engine for shape in snapshot.shapes):
            continue
        table = measured_shapes(deployment, model, offered)
        missing = offered - {shape.accelerator for shape in table}
        for shape in (*table, *modelled_shapes(deployment, model, missing, snapshot)):
            before = added.get(shape.id)
            added[shape.id] = shape if before is None else replace(shape, tokens_per_s={**before.tokens_per_s, **shape.tokens_per_s})
    return replace(snapshot, shapes=snapshot.shapes + tuple(added.values())) if added else snapshot
