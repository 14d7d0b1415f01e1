"""Builds the performance table from published measurements.

The measurements are rows of time to first token and time per output token by model, GPU system, engine, precision, request size, batch
and parallelism, as the silicon sample of ai-dynamo/aiconfigurator has them (Apache-2.0). What is left out, and why:

- Disaggregated rows: a replica here prefills and decodes on the same GPUs.
- More than one node's GPUs, and attention data parallelism: the sample counts batches per rank there, and the GPUs are ambiguous.
- Rows whose concurrency is not their batch, for the same reason.
- Rows whose first token takes longer than all the others: most of those requests waited outside the batch.
"""

from __future__ import annotations

import csv
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from scheduler.domain.errors import InvalidInputError
from scheduler.optimizer.networks import ARCHITECTURES, plain
from scheduler.optimizer.performance import COLUMNS, TABLE, Row
from scheduler.optimizer.roofline import tokens_per_s

SYSTEMS = {
    "h100_sxm": "H100-80GB-SXM", "h200_sxm": "H200-141GB-SXM", "b200_sxm": "B200-180GB-SXM", "b300_sxm": "B300-270GB-SXM",
    "gb200": "GB200-186GB-SXM", "gb300": "GB300-279GB-SXM",
}  # fmt: skip
MODELS = {
    "deepseekr1": "DeepSeek-R1", "deepseekv3": "DeepSeek-R1", "minimax": "MiniMax-M2.5", "gptoss120b": "gpt-oss-120b",
    "llama3170b": "Llama-3.1-70B", "llama318b": "Llama-3.1-8B", "qwen332b": "Qwen3-32B", "qwen35397b": "Qwen3.5-397B-A17B",
    "qwen3235b": "Qwen3-235B-A22B", "kimi": "Kimi-K2.5", "glm5": "GLM-5",
}  # fmt: skip
LIMITS = ((1000, 25), (2000, 50))
"""Time to first token and per output token, ms: quick, and the default of a deployment."""

BUCKETS = ((1024, 128), (1024, 1024), (1024, 8192), (8192, 1024))
NODE_GPUS = 8


def read_sample(path: Path) -> list[Row]:
    """Every usable measurement, with its own times as the limits.

    Raises:
        InvalidInputError: the file is missing or is no silicon sample.
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            usable = [raw for raw in csv.DictReader(lines) if _usable(raw)]
    except (OSError, KeyError) as error:
        raise InvalidInputError(
            "sample", str(path), f"is no silicon sample ({error})", "Name silicon_sample.csv of aiconfigurator."
        ) from error
    newest = max((day for raw in usable if (day := _day(raw)) is not None), default=date(2026, 1, 1))
    return [_row(raw, newest) for raw in usable]


def _usable(raw: dict[str, str]) -> bool:
    if raw["mode"] != "agg" or raw["attention_dp_size"] not in ("", "0", "1") or raw["system"] not in SYSTEMS:
        return False
    concurrency = re.search(r"silicon_concurrency=(\d+)", raw["silicon_data_source"])
    if concurrency is not None and concurrency[1] != raw["batch_size"]:
        return False
    if float(raw["silicon_ttft_ms"]) > int(raw["osl"]) * float(raw["silicon_tpot_ms"]):
        return False
    known = any(part in plain(raw["model_path"]) for part in MODELS)
    return known and int(raw["tp_size"]) * int(raw["pp_size"]) <= NODE_GPUS and (int(raw["isl"]), int(raw["osl"])) in BUCKETS


def _day(raw: dict[str, str]) -> date | None:
    found = re.search(r"measured=(\d{4}-\d\d-\d\d)|source_file=(\d{4}-\d\d-\d\d)|db-dump/(\d{4}-\d\d-\d\d)", raw["silicon_data_source"])
    return date.fromisoformat(next(part for part in found.groups() if part)) if found else None


def _row(raw: dict[str, str], newest: date) -> Row:
    """An undated row gets the newest day of the sample: it is no younger."""
    path = plain(raw["model_path"])
    name = next(name for part, name in MODELS.items() if part in path)
    known = next(each for each in ARCHITECTURES if each.name == name)
    tensor, pipeline, batch, outputs = (int(raw[column]) for column in ("tp_size", "pp_size", "batch_size", "osl"))
    first, step = float(raw["silicon_ttft_ms"]), float(raw["silicon_tpot_ms"])
    return Row(
        family=known.family,
        model=known.name,
        parameters_b=known.parameters_b,
        precision=raw["precision"] or "bf16",
        engine=raw["backend"],
        accelerator=SYSTEMS[raw["system"]],
        accelerators=tensor * pipeline,
        tensor_parallel=tensor,
        pipeline_parallel=pipeline,
        input_tokens=int(raw["isl"]),
        output_tokens=outputs,
        ttft_ms=math.ceil(first),
        tpot_ms=math.ceil(step),
        batch=batch,
        batches_tried=(batch,),
        tokens_per_s=round(tokens_per_s(batch, outputs, first / 1000, step / 1000), 1),
        measured_ttft_ms=round(first, 2),
        measured_tpot_ms=round(step, 3),
        evidence="measured",
        source=f"ai-dynamo/aiconfigurator {raw['id']}",
        as_of=_day(raw) or newest,
    )


def table_rows(measured: Sequence[Row]) -> list[Row]:
    """The best batch of every shape, size and limit, sorted."""
    tried: dict[tuple[str | int, ...], set[int]] = defaultdict(set)
    best: dict[tuple[str | int, ...], Row] = {}
    for row in measured:
        tried[_shape(row)].add(row.batch)
        for ttft_ms, tpot_ms in LIMITS:
            key = (*_shape(row), tpot_ms)
            held = row.measured_ttft_ms <= ttft_ms and row.measured_tpot_ms <= tpot_ms
            if held and (key not in best or best[key].tokens_per_s < row.tokens_per_s):
                best[key] = replace(row, ttft_ms=ttft_ms, tpot_ms=tpot_ms)
    return [replace(best[key], batches_tried=tuple(sorted(tried[key[:-1]]))) for key in sorted(best)]


def _shape(row: Row) -> tuple[str | int, ...]:
    """Everything but the batch and the limit."""
    cut = (row.accelerator, row.tensor_parallel, row.pipeline_parallel)
    return (row.model, row.precision, row.engine, *cut, row.input_tokens, row.output_tokens)


def write_table(rows: Iterable[Row], path: Path = TABLE) -> None:
    """The table as CSV; unchanged measurements give an unchanged file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow([_text(getattr(row, column)) for column in COLUMNS])


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return "+".join(str(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
