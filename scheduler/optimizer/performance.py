"""The shipped performance table: what engines were measured to sustain under latency limits, one row per shape, size and limit.

Built by ``headrace bench performance`` from published measurements; every row names its source and its day. A rate is the best over
the batch sizes that were tried: batch x output tokens / (TTFT + (output tokens - 1) x TPOT), where both limits were met.
"""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from scheduler.domain.accelerator import ACCELERATORS
from scheduler.optimizer.networks import ARCHITECTURES
from scheduler.optimizer.roofline import BATCHES, CALIBRATED, Calibration, Cut, Load, Network, first_s, step_s

TABLE = Path(__file__).parent / "performance.csv"
COLUMNS = (
    "family", "model", "parameters_b", "precision", "engine", "accelerator", "accelerators", "tensor_parallel", "pipeline_parallel",
    "input_tokens", "output_tokens", "ttft_ms", "tpot_ms", "batch", "batches_tried", "tokens_per_s",
    "measured_ttft_ms", "measured_tpot_ms", "evidence", "source", "as_of",
)  # fmt: skip
UNTRIED = 128
"""Most sequences at once that a modelled rate assumes where nobody measured."""

KIN_MIN = 3
"""Rows that a correction is made from at least."""

BYTES_PER_PARAMETER = {"bf16": 2.0, "fp8": 1.0, "fp4": 0.5, "int4": 0.5}


@dataclass(frozen=True, slots=True)
class Row:
    """One measured engine shape.

    Attributes:
        family, model, parameters_b: as in ``networks``. precision: of the weights.
        engine: what was measured; some have no place in headrace and serve the calibration only.
        accelerators: over all parallelism, inside one node.
        ttft_ms, tpot_ms: the limits that were held, and what was measured at ``batch`` concurrent requests.
        batches_tried: for this shape; another one may do better.
    """

    family: str
    model: str
    parameters_b: float
    precision: str
    engine: str
    accelerator: str
    accelerators: int
    tensor_parallel: int
    pipeline_parallel: int
    input_tokens: int
    output_tokens: int
    ttft_ms: int
    tpot_ms: int
    batch: int
    batches_tried: tuple[int, ...]
    tokens_per_s: float
    measured_ttft_ms: float
    measured_tpot_ms: float
    evidence: str
    source: str
    as_of: date

    @property
    def bucket(self) -> str:
        """Name of the size bucket, as in ``roofline.Load``."""
        return f"{self.input_tokens}x{self.output_tokens}"


def read_table(lines: Iterable[str]) -> tuple[Row, ...]:
    """Parse CSV lines with the header ``COLUMNS``.

    Raises:
        ValueError: a column is missing or a number is none.
    """
    reader = csv.DictReader(lines)
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise ValueError(f"not a performance table: columns {', '.join(missing)} are missing")
    return tuple(_row(raw) for raw in reader)


def _row(raw: dict[str, str]) -> Row:
    return Row(
        family=raw["family"],
        model=raw["model"],
        parameters_b=float(raw["parameters_b"]),
        precision=raw["precision"],
        engine=raw["engine"],
        accelerator=raw["accelerator"],
        accelerators=int(raw["accelerators"]),
        tensor_parallel=int(raw["tensor_parallel"]),
        pipeline_parallel=int(raw["pipeline_parallel"]),
        input_tokens=int(raw["input_tokens"]),
        output_tokens=int(raw["output_tokens"]),
        ttft_ms=int(raw["ttft_ms"]),
        tpot_ms=int(raw["tpot_ms"]),
        batch=int(raw["batch"]),
        batches_tried=tuple(int(part) for part in raw["batches_tried"].split("+")),
        tokens_per_s=float(raw["tokens_per_s"]),
        measured_ttft_ms=float(raw["measured_ttft_ms"]),
        measured_tpot_ms=float(raw["measured_tpot_ms"]),
        evidence=raw["evidence"],
        source=raw["source"],
        as_of=date.fromisoformat(raw["as_of"]),
    )


@cache
def performance_table() -> tuple[Row, ...]:
    """The table that ships with headrace."""
    with TABLE.open(encoding="utf-8", newline="") as lines:
        return read_table(lines)


def case(row: Row) -> tuple[Network, Cut, Load]:
    """The roofline's view of a row."""
    known = next(each for each in ARCHITECTURES if each.name == row.model)
    load = Load(row.input_tokens, row.output_tokens, row.ttft_ms, row.tpot_ms)
    return known.network(BYTES_PER_PARAMETER[row.precision]), Cut(ACCELERATORS[row.accelerator], row.accelerators), load


def corrected(rows: Sequence[Row], model: str, engine: str, fit: Calibration = CALIBRATED) -> Calibration:
    """The calibration scaled to what was measured of this model on this engine, else of the model, else of the engine.

    One roofline fits all models; how well an engine runs one of them does not depend much on the GPU.
    """
    same = [row for row in rows if row.model == model]
    for kin in ([row for row in same if row.engine == engine], same, [row for row in rows if row.engine == engine]):
        if len(kin) >= KIN_MIN:
            step = statistics.median(row.measured_tpot_ms / 1000 / step_s(*case(row), row.batch, fit) for row in kin)
            first = statistics.median(row.measured_ttft_ms / 1000 / first_s(*case(row), row.batch, fit) for row in kin)
            return fit.scaled(step, first)
    return fit


@cache
def calibration_of(model: str, engine: str) -> Calibration:
    """The calibration for a model's name in the table ("" for none) on an engine."""
    return corrected(performance_table(), model, engine)


@cache
def batches(model: str, bucket: str) -> tuple[int, ...]:
    """Batch sizes that a modelled rate of this model may assume: up to what is usually tried with it, ``UNTRIED`` where nobody did.

    Beyond that an engine's own limits decide, which no roofline knows, and a model would always look better than a measurement.
    """
    tried = [max(row.batches_tried) for row in performance_table() if row.model == model and row.bucket == bucket]
    most = statistics.median_low(tried) if tried else UNTRIED
    return tuple(batch for batch in BATCHES if batch <= most)


@cache
def measured(model: str, bytes_per_parameter: float, engine: str) -> dict[tuple[str, int, int], tuple[Row, ...]]:
    """Rows of a model at a precision on an engine, by accelerator, tensor and pipeline parallelism."""
    found: dict[tuple[str, int, int], tuple[Row, ...]] = {}
    for row in performance_table():
        if (row.model, row.engine) == (model, engine) and BYTES_PER_PARAMETER[row.precision] == bytes_per_parameter:
            key = (row.accelerator, row.tensor_parallel, row.pipeline_parallel)
            found[key] = (*found.get(key, ()), row)
    return found


def rate_under(rows: Iterable[Row], load: Load) -> Row | None:
    """The best of these rows for a size bucket whose limits are no looser than the load's; None where none was measured."""
    held = [row for row in rows if row.bucket == load.bucket and row.ttft_ms <= load.ttft_ms and row.tpot_ms <= load.tpot_ms]
    return max(held, key=lambda row: row.tokens_per_s, default=None)
