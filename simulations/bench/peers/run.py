"""Figures of ``headrace bench peers``: every peer on the same documents, on the same clock, one after the other."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scheduler.verifier.options import derive
from scheduler.verifier.problem import read_problem
from simulations.bench.peers.environment import UnavailableError, Wheels, interpreter
from simulations.bench.peers.neutral import neutral
from simulations.bench.peers.relax import origins_may_go_anywhere, without_spot_and_quotas
from simulations.bench.peers.scoring import plan_of, scored

SCRIPTS = Path(__file__).parent / "scripts"
GRACE_S = 60.0
"""Beyond its time limit a peer may take so long to start and to read; then it is ended."""

Relaxation = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Peer:
    """One peer.

    Attributes:
        cannot: rules that it cannot be told. judged_without: those taken out of the problem for its second score.
    """

    name: str
    script: str
    arguments: tuple[str, ...] = ()
    wheels: Wheels | None = None
    request: dict[str, Any] = field(default_factory=dict)
    cannot: tuple[str, ...] = ()
    judged_without: Relaxation | None = None


HIGHS = Wheels("highs", ("highspy",))
CPSAT = Wheels("cpsat", ("ortools",))
REBALANCER = Wheels("rebalancer", ("rebalancer",), python=12)
AIBRIX = Wheels("aibrix", ("pulp==2.8.0", "numpy==1.26.4"), ("aibrix==0.8.0",))
LIMITS = ("launch caps", "quotas", "budgets", "replica counts")
ORIGINS = "residency and latency by origin"
LOSSES = ("survivability", "spot loss", "spread", "spot ceiling", "pins")

PEERS = (
    Peer("HiGHS, whole model", "highs.py", wheels=HIGHS),
    Peer("CP-SAT, whole model", "cpsat.py", wheels=CPSAT),
    Peer("POP-8 over HiGHS", "highs.py", wheels=HIGHS, request={"parts": 8}),
    Peer("greedy, cheapest first", "greedy.py", ("cheapest",), cannot=("spread", "pins", "budgets")),
    Peer("greedy by variant (WVA)", "greedy.py", ("variants",), cannot=(*LIMITS, *LOSSES, ORIGINS), judged_without=origins_may_go_anywhere),
    Peer(
        "AIBrix 0.8.0",
        "aibrix_peer.py",
        wheels=AIBRIX,
        cannot=(*LIMITS, *LOSSES, ORIGINS, "node packing"),
        judged_without=origins_may_go_anywhere,
    ),
    Peer(
        "Rebalancer",
        "rebalancer_peer.py",
        wheels=REBALANCER,
        cannot=("quotas", "budgets", "spot loss", "spread", "spot ceiling", "pins", "number and shape of replicas", "mixes of classes"),
        judged_without=without_spot_and_quotas,
    ),
)
REFERENCE = PEERS[0]


def peers(problems: Iterable[Path], seconds: float, seed: int, names: Iterable[str] = ()) -> dict[str, Any]:
    """Run all peers on all documents. ``seconds`` limits each run; ``seed`` is given to every peer that draws numbers."""
    chosen = [peer for peer in PEERS if not set(names) or peer.name in set(names)]
    figures: dict[str, Any] = {"seconds": seconds, "seed": seed, "problems": {}}
    for path in problems:
        text = path.read_text(encoding="utf-8")
        rows = {peer.name: _peer(peer, text, seconds, seed) for peer in chosen}
        rows["headrace"] = _own(path, text, seconds)
        figures["problems"][path.stem] = rows
    return figures


def _peer(peer: Peer, text: str, seconds: float, seed: int) -> dict[str, Any]:
    try:
        python = interpreter(peer.wheels) if peer.wheels else sys.executable
    except UnavailableError as error:
        return {"not_available": str(error)}
    row: dict[str, Any] = {"cannot_be_told": list(peer.cannot)} | _score(peer, python, text, seconds, seed)
    if peer.judged_without is not None:
        relaxed = peer.judged_without(text)
        row["without_those_rules"] = _score(peer, python, relaxed, seconds, seed)
        row["without_those_rules"]["reference"] = _score(REFERENCE, interpreter(HIGHS), relaxed, seconds, seed)
    return row


def _score(peer: Peer, python: str, text: str, seconds: float, seed: int) -> dict[str, Any]:
    derived = derive(read_problem(text))
    model = neutral(derived)
    request = {"model": model, "seconds": seconds, "seed": seed} | peer.request
    began = time.perf_counter()
    try:
        done = subprocess.run(
            [python, str(SCRIPTS / peer.script), *peer.arguments],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + GRACE_S,
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"no answer within {seconds + GRACE_S:.0f} s"}
    took = time.perf_counter() - began
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        last = done.stderr.strip().splitlines()
        return {"failed": last[-1] if last else f"exit code {done.returncode}"}
    told = json.loads(lines[-1])
    if not told["replicas"]:
        return {"failed": f"no plan: {told['status']}", "s": round(took, 3)}
    plan = plan_of(derived, model, told["replicas"], told["nodes"])
    bound = told.get("bound_usd_per_h")
    return {"status": told["status"], "s": round(took, 3), "own_bound_usd_per_h": bound} | scored(text, derived, plan)


def _own(path: Path, text: str, seconds: float) -> dict[str, Any]:
    """This program, as a user runs it."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "scheduler.cli", "optimize", str(path), "--time-limit-s", str(seconds), "--json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + GRACE_S)
    except subprocess.TimeoutExpired:
        return {"failed": f"no answer within {seconds + GRACE_S:.0f} s"}
    took = time.perf_counter() - began
    if not done.stdout.strip():
        told = [line.strip("│ ") for line in done.stderr.splitlines() if any(letter.isalpha() for letter in line)]
        return {"not_available": f"`headrace optimize` gave no plan: {told[-1] if told else 'no output'}"}
    plan = json.loads(done.stdout)
    bound = plan["bound_micro_usd_per_h"] / 1e6
    derived = derive(read_problem(text))
    return {"status": plan["status"], "s": round(took, 3), "own_bound_usd_per_h": bound} | scored(text, derived, plan)
