"""Fits the roofline to the performance table, and says how far off it is for a GPU type that it has not seen."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scheduler.optimizer.performance import Row, case, corrected
from scheduler.optimizer.roofline import Calibration, best_rate, first_s, first_terms, step_s, terms, tokens_per_s

Array = NDArray[np.float64]
ROUNDS = 15
FLOOR = 0.02
"""Relative errors below this weigh alike: measurements repeat no better."""


def figures(rows: Sequence[Row], measured: Sequence[Row]) -> dict[str, Any]:
    """Leave one GPU type out of the measurements: fit on the others, predict its rows of the table. Relative errors of
    tokens per second.

    ``at_batch`` predicts the measured batch's rate; ``under_limits`` lets the roofline choose among the batches that
    were tried for that shape, as it does for what nobody measured.
    """
    by_gpu: dict[str, Any] = {}
    for gpu in sorted({row.accelerator for row in rows}):
        seen, held_out = [r for r in measured if r.accelerator != gpu], [r for r in rows if r.accelerator == gpu]
        by_gpu[gpu] = {"rows": len(held_out)} | _errors(held_out, seen, calibrate(seen))
    fit = calibrate(measured)
    named = {name: float(f"{getattr(fit, name):.3g}") for name in Calibration.__dataclass_fields__}
    return {
        "rows": len(rows),
        "measurements": len(measured),
        "calibration": named,
        "fitted": _errors(rows, measured, fit),
        "left_out": by_gpu,
    }


def _errors(rows: Sequence[Row], seen: Sequence[Row], fit: Calibration) -> dict[str, Any]:
    """Relative errors of rows that are predicted from others."""
    fits = {key: corrected(seen, *key, fit) for key in {(row.model, row.engine) for row in rows}}
    at_batch = [abs(_at_batch(row, fits[row.model, row.engine]) / row.tokens_per_s - 1) for row in rows]
    chosen = [abs(_under_limits(row, fits[row.model, row.engine]) / row.tokens_per_s - 1) for row in rows]
    return {"at_batch": _spread(at_batch), "under_limits": _spread(chosen)}


def calibrate(rows: Sequence[Row]) -> Calibration:
    """Coefficients with the least absolute relative error of both times, none negative."""
    steps = np.array([terms(*case(row), row.batch) for row in rows])
    firsts = np.array([first_terms(*case(row), row.batch) for row in rows])
    of_step = _fit(steps, np.array([row.measured_tpot_ms / 1000 for row in rows]))
    of_first = _fit(firsts, np.array([row.measured_ttft_ms / 1000 for row in rows]))
    return Calibration(*(float(value) for value in (*of_step, *of_first)))


def _fit(features: Array, measured: Array) -> Array:
    """Least absolute relative deviations by reweighted least squares."""
    weight = np.ones(len(measured))
    found: Array = np.zeros(features.shape[1])
    for _ in range(ROUNDS):
        found = _non_negative(features / measured[:, None] * weight[:, None], weight)
        error = np.abs(features @ found / measured - 1)
        weight = 1 / np.sqrt(np.maximum(error, FLOOR))
    return found


def _non_negative(a: Array, b: Array) -> Array:
    """Least squares without negative coefficients: the most negative one is dropped until none is left."""
    kept = list(range(a.shape[1]))
    found = np.zeros(a.shape[1])
    while kept:
        solved = np.linalg.lstsq(a[:, kept], b, rcond=None)[0]
        if (solved >= 0).all():
            found[kept] = solved
            break
        kept.pop(int(np.argmin(solved)))
    return found


def _at_batch(row: Row, fit: Calibration) -> float:
    at = case(row)
    return tokens_per_s(row.batch, row.output_tokens, first_s(*at, row.batch, fit), step_s(*at, row.batch, fit))


def _under_limits(row: Row, fit: Calibration) -> float:
    return best_rate(*case(row), fit, row.batches_tried)


def _spread(errors: Sequence[float]) -> dict[str, float]:
    ranked = sorted(errors)
    return {"median": round(statistics.median(ranked), 3), "p90": round(ranked[int(0.9 * (len(ranked) - 1))], 3)}
