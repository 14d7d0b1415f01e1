"""The levels of the optimizer: generated problems of any size, each solved, judged twice and compared with cheapest first.

Every solve, verdict and peer runs in a fresh process, one after the other, so that its time and its memory are its own.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from scheduler.api.placement_document import PlacementProblem, problem_of
from scheduler.api.placement_write import text_of
from scheduler.api.plan_document import plan_document
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.plan import Target
from scheduler.domain.snapshot import Snapshot
from scheduler.optimizer import SolveSettings, check, solve_large
from scheduler.optimizer.decompose.solve import Decomposed
from scheduler.optimizer.problem import build
from scheduler.optimizer.search import greedy_solution
from scheduler.optimizer.solve import to_target
from scheduler.verifier import verify
from simulations.bench.changes import changes, online
from simulations.bench.generate.assemble import generate
from simulations.bench.generate.profile import Request

GROWTH = ((18, 87, 10), (18, 87, 50), (18, 87, 200), (18, 87, 1000), (36, 870, 5000))
"""Clouds, clusters and deployments."""
GROWTH_GAP = 0.03
"""How near to the bound a plan of the growth run has to be."""

USUAL = (18, 87, 1000)
"""Clouds, clusters and deployments where no size is named."""

SIZE = re.compile(r"(\d+)x(\d+)x(\d+)")
SMALLEST, LARGEST = (3, 3, 1), (36, 870, 5000)
"""Clouds, clusters and deployments that the generator can make."""

STATUS = Path("/proc/self/status")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Documents:
    """A plan and the certificate of its bound, as JSON."""

    plan: str
    certificate: str


def size_of(text: str) -> tuple[int, int, int]:
    """Clouds, clusters and deployments of ``18x87x1000``.

    Raises:
        InvalidInputError: it is no such text, or larger or smaller than the generator can make.
    """
    found = SIZE.fullmatch(text)
    if found is None:
        raise InvalidInputError("--size", text, "is not CLOUDSxCLUSTERSxDEPLOYMENTS", "Write 18x87x1000.")
    clouds, clusters, deployments = (int(part) for part in found.groups())
    size = clouds, clusters, deployments
    if any(not least <= each <= most for least, each, most in zip(SMALLEST, size, LARGEST, strict=True)):
        raise InvalidInputError("--size", text, "cannot be generated", f"From {_name(SMALLEST)} to {_name(LARGEST)}.")
    return size


def _name(size: tuple[int, int, int]) -> str:
    return "x".join(str(each) for each in size)


def levels(requests: Sequence[Request], seconds: Sequence[float]) -> dict[str, Any]:
    """Figures of every problem, by profile and size, and of its solves by time limit."""
    found: dict[str, Any] = {}
    for request in requests:
        text, about = _generated(request)
        peer = _apart(_peer, text)
        solves: dict[str, Any] = {}
        for limit_s in seconds:
            figures, documents = _apart(_solved, text, limit_s, request.seed)
            if documents is not None:
                figures |= _apart(_verdict, text, documents)
                figures["cost_ratio_to_peer"] = round(figures["usd_per_h"] / max(1e-6, peer["peer_usd_per_h"]), 4)
            solves[f"{limit_s:g} s"] = figures
        found[f"{request.profile.name} {_name((request.clouds, request.clusters, request.deployments))}"] = about | peer | solves
    return found


def growth(request: Request, seconds: float, sizes: Sequence[tuple[int, int, int]] = GROWTH) -> dict[str, Any]:
    """Time to a plan of a given gap, or the limit, against size; all else as in the request."""
    rows = []
    for clouds, clusters, deployments in sizes:
        text, about = _generated(replace(request, clouds=clouds, clusters=clusters, deployments=deployments))
        figures, _ = _apart(_solved, text, seconds, request.seed, GROWTH_GAP)
        rows.append({"clouds": clouds, "clusters": clusters, "deployments": deployments, "offers": about["offers"]} | figures)
    return {"gap": GROWTH_GAP, "limit_s": seconds, "profile": request.profile.name, "rows": rows}


def _generated(request: Request) -> tuple[str, dict[str, Any]]:
    """The document, and what it holds."""
    began = time.perf_counter()
    made = generate(request)
    snapshot = made.snapshot
    about = {"seed": request.seed, "fresh": request.fresh, "generate_s": round(time.perf_counter() - began, 2)}
    counts = {name: len(getattr(snapshot, name)) for name in ("deployments", "clusters", "offers", "quotas", "nodes", "replicas")}
    return text_of(PlacementProblem(snapshot, about=made.about)), about | counts


def _apart(work: Callable[..., T], *arguments: object) -> T:
    """What the work answers in a process of its own."""
    with get_context("spawn").Pool(1, _aside) as pool:
        return pool.apply(work, arguments)


def _aside() -> None:
    """Solvers write to standard output from compiled code, whatever they are told; the figures there stay alone."""
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def _solved(text: str, limit_s: float, seed: int, gap: float | None = None) -> tuple[dict[str, Any], Documents | None]:
    """Read, solve and check, as ``headrace optimize`` does; the peak of memory is that of reading and solving.

    A solver that gives up is a figure too: the other problems of the run are still worth knowing.
    """
    snapshot = problem_of(text).snapshot
    settings = SolveSettings(time_limit_s=limit_s, seed=seed, explain=False)
    began = time.perf_counter()
    try:
        target, solved = solve_large(snapshot, settings if gap is None else replace(settings, relative_gap=gap))
    except (RuntimeError, ValueError, AttributeError) as error:
        return {"failed": str(error), "solve_s": round(time.perf_counter() - began, 2)}, None
    solve_s, peak = time.perf_counter() - began, peak_resident_mib()
    began = time.perf_counter()
    violations = check(snapshot, target)
    check_s = time.perf_counter() - began
    times_s = {name: round(spent, 2) for name, spent in solved.times_s.items()}
    timing = {"solve_s": round(solve_s, 2), "times_s": times_s, "check_s": round(check_s, 2), "peak_resident_mib": peak}
    plan = json.dumps(plan_document(target, violations, {"solve": target.solve_ms}))
    documents = Documents(plan, json.dumps(solved.certificate.as_document()))
    figures = _figures(target) | {"violations": len(violations)} | timing
    return figures if gap is not None else figures | _afterwards(snapshot, target, solved, seed), documents


def _afterwards(snapshot: Snapshot, target: Target, solved: Decomposed, seed: int) -> dict[str, Any]:
    """What is asked of a fleet once it is decided."""
    return {"changes": changes(snapshot, target, solved, seed), "online": online(solved, seed)}


def _figures(target: Target) -> dict[str, Any]:
    return {
        "gap": round(target.gap, 6),
        "usd_per_h": _usd(target.objective_micro_usd_per_h),
        "bound_usd_per_h": _usd(target.bound_micro_usd_per_h),
        "unmet": _unmet(target),
        "replicas_median": _replicas_median(target),
    }


def _verdict(text: str, documents: Documents) -> dict[str, Any]:
    """What the verifier says, which knows nothing but the three documents."""
    began = time.perf_counter()
    verdict = verify(text, documents.plan, documents.certificate)
    gap, bound = verdict.gap, verdict.bound
    return {
        "verified": verdict.verified,
        "verified_bound_usd_per_h": _usd(bound.total) if bound is not None else None,
        "verified_gap": round(gap, 6) if gap is not None else None,
        "searches_cut_short": len(bound.inexact) if bound is not None else 0,
        "verifier_says": sorted({f"{each.rule} {each.subject}" for each in verdict.violations})[:5],
        "verify_s": round(time.perf_counter() - began, 2),
    }


def _peer(text: str) -> dict[str, Any]:
    """Cheapest first, which leaves out what it finds no room for."""
    snapshot = problem_of(text).snapshot
    began = time.perf_counter()
    problem = build(snapshot)
    built = time.perf_counter()
    solution = greedy_solution(problem)
    placed = time.perf_counter()
    target = to_target(solution, 0)
    return {
        "peer": "greedy, cheapest first",
        "peer_s": round(placed - built, 2),
        "peer_build_s": round(built - began, 2),
        "peer_usd_per_h": _usd(target.objective_micro_usd_per_h),
        "peer_unmet": _unmet(target),
        "peer_violations": len(check(snapshot, target)),
    }


def peak_resident_mib() -> float | None:
    """Of this process so far; None where the system does not tell.

    Not by getrusage: its peak counts what the parent held when it started this process.
    """
    if not STATUS.exists():
        return None
    lines = dict(line.split(":", 1) for line in STATUS.read_text(encoding="utf-8").splitlines())
    return round(int(lines["VmHWM"].split()[0]) / 1024, 1)


def _unmet(target: Target) -> int:
    """Deployments with a declared shortage."""
    return len({each.deployment for each in target.unmet})


def _replicas_median(target: Target) -> float:
    counts = Counter[str]()
    for placement in target.placements:
        counts[placement.deployment] += placement.replicas
    return statistics.median(counts.values()) if counts else 0


def _usd(micro_usd: int) -> float:
    return round(micro_usd / 1e6, 4)
