"""External endpoints of the problem document as pools: part of the problem's definition, derived here from its words alone.

A slice of ``slice_tokens_per_s`` (no more than ``tokens_per_s_max``) is a node with one accelerator for one replica. Its price is
round(slice * 3600 * output price per million / 1e6), the input price standing in where output is free. With r input tokens to
each output token its rate is slice * min(1, base price / (output price + r * input price)); r is 1 where a bucket names no sizes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scheduler.verifier.reading import Fields
from scheduler.verifier.world import Cluster, Deployment, InstanceType, Offer, Shape, World

ENDPOINT, EXTERNAL, UNSTATED = "endpoint", "external", 10_000
_SIZES = re.compile(r"([1-9]\d{0,6})x([1-9]\d{0,6})")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """As the document says it; ``per_input`` and ``per_output`` are micro-USD per million tokens, ``most`` tokens/s or None."""

    id: str
    model: str
    jurisdiction: str
    per_input: int
    per_output: int
    part: float
    most: float | None

    @property
    def name(self) -> str:
        return f"{ENDPOINT}:{self.id}"

    @property
    def slice(self) -> float:
        return self.part if self.most is None else min(self.part, self.most)

    @property
    def base(self) -> int:
        return self.per_output if self.per_output > 0 else self.per_input

    def rate(self, bucket: str) -> float:
        """Output tokens per second of one slice."""
        sizes = _SIZES.fullmatch(bucket)
        inputs = int(sizes[1]) / int(sizes[2]) if sizes else 1.0
        paid = self.per_output + self.per_input * inputs
        return self.slice * min(1.0, self.base / paid) if paid > 0 else self.slice


def endpoint(row: Fields) -> Endpoint:
    """One endpoint."""
    row.ignore("url")
    price = row.part("price")
    found = Endpoint(
        id=row.text("id"),
        model=row.text("model"),
        jurisdiction=row.text("jurisdiction", ""),
        per_input=price.integer("input_micro_usd_per_mtok"),
        per_output=price.integer("output_micro_usd_per_mtok"),
        part=row.number("slice_tokens_per_s", 100.0, least=1e-6),
        most=row.number("tokens_per_s_max", least=1e-6) if row.has("tokens_per_s_max") else None,
    )
    price.done()
    return found


def with_endpoints(world: World, endpoints: Sequence[Endpoint]) -> World:
    """The world with an offer, a cluster and shapes for each."""
    return replace(
        world,
        offers=(*world.offers, *(_offer(each) for each in endpoints)),
        clusters=(
            *world.clusters,
            *(Cluster(e.name, e.name, EXTERNAL, e.jurisdiction, "default", (), "open", "ready") for e in endpoints),
        ),
        shapes=(*world.shapes, *(shape for each in endpoints for shape in _shapes(each, world.deployments))),
    )


def _offer(of: Endpoint) -> Offer:
    slices = UNSTATED if of.most is None else int(of.most / of.slice + 1e-9)
    kind = InstanceType(of.name, "slice", of.name, 1, 0, "")
    return Offer(kind, "default", EXTERNAL, EXTERNAL, ENDPOINT, round(of.slice * 3600 * of.base / 1e6), launch_s=0, cap=slices)


def _shapes(of: Endpoint, deployments: Sequence[Deployment]) -> list[Shape]:
    served = [each for each in deployments if each.model == of.model]
    rates = {bucket: of.rate(bucket) for each in served for bucket in (*(d.bucket for d in each.demand), "all")}
    return [Shape(f"{of.name}/{engine}", of.model, engine, of.name, 1, 1, rates, 0) for engine in sorted({each.engine for each in served})]
