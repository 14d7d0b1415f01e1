"""``headrace demo``: the whole of headrace on this machine, in one command."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from scheduler.bootstrap.supervise import Supervisor
    from simulations.demo.ground import Ground
    from simulations.demo.stage import Stage


@dataclass(frozen=True, slots=True)
class Mode:
    """What to do. ``once``: the scenario, then exit. ``idle``: neither load nor scenario."""

    once: bool
    as_json: bool
    idle: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """What one demo was started with. ``began`` is monotonic seconds."""

    ground: Ground
    supervisor: Supervisor
    clusters: tuple[str, ...]
    seed: int
    began: float
    say: Callable[[str], None]


def command(
    once: Annotated[bool, typer.Option("--once", help="Run the scenario and exit; the exit code says whether all of it held.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --once: print one JSON object on stdout.")] = False,
    idle: Annotated[bool, typer.Option("--idle", help="Only raise the fleet: no load, and no cloud is lost.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the dashboard and the API; 0 takes a free one.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the simulated market.")] = 1,
) -> None:
    """Start Postgres, three Ray clusters, engines, Envoy and the control plane; lose a cloud under load; drop nothing.

    Real: the engines (llama.cpp with SmolLM2-135M on this CPU), Ray, Postgres, Envoy, list prices and their dates. Simulated: the
    clouds' machines (processes here), their stock and interruptions.
    """
    import structlog

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR), logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    if once and idle:
        raise typer.BadParameter("--once runs the scenario and --idle leaves it out; give one of them")
    raise typer.Exit(asyncio.run(_run(Mode(once, as_json, idle), port, seed)))


async def _run(mode: Mode, port: int, seed: int) -> int:
    from scheduler.domain.errors import HeadraceError
    from simulations.demo.caretaker import hire
    from simulations.demo.stage import prepare, strike

    began = time.monotonic()
    ground, supervisor, clusters = prepare(port)
    caretaker = hire(ground.folder)

    def say(text: str) -> None:
        typer.echo(f"[{time.monotonic() - began:6.1f} s] {text}", err=mode.as_json)

    typer.echo(f"dashboard  {ground.control_url}/", err=mode.as_json)
    typer.echo(f"prompts    {ground.front_door}/v1/chat/completions  (OpenAI form; models: chat, batch)", err=mode.as_json)
    scene = Scene(ground, supervisor, clusters, seed, began, say)
    task = asyncio.create_task(_play(scene, mode))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        say("stopping")
        return 0 if not mode.once else 130
    except HeadraceError as error:
        typer.echo(f"error: {error}", err=True)
        typer.echo(f"logs: {_keep_logs(ground)}", err=True)
        return 1
    finally:
        await asyncio.shield(strike(supervisor, caretaker))


async def _play(scene: Scene, mode: Mode) -> int:
    from simulations.demo.load import Load
    from simulations.demo.scenario import CONCURRENCY, Result, all_ready, first_answer, report, tighten
    from simulations.demo.stage import raise_stage

    stage = await raise_stage(scene.ground, scene.supervisor, scene.clusters, scene.seed)
    scene.say("Postgres, three Ray heads, the simulated clouds, Envoy, the control plane and the agents run; the first plan is applied")
    result = Result()
    load = Load(scene.ground.front_door, CONCURRENCY)
    await first_answer(stage, load, scene.began, result, scene.say)
    if mode.idle:
        await all_ready(stage, load)
        return await _stay(stage)
    await tighten(stage, load, result, scene.say)
    if mode.once:
        await load.finish()
        result.seconds = time.monotonic() - scene.began
        told = report(result, load)
        typer.echo(json.dumps(told, indent=None if mode.as_json else 1))
        held = not told["requests_failed"] and not told["streams_broken"] and told["migrations_completed"] >= 1
        return 0 if held else 1
    tally = load.tally
    scene.say(
        f"{tally.requests_total} requests, {tally.requests_failed} failed, {tally.streams_broken} streams broken; "
        f"${result.cost_before:.3f}/h before, ${result.cost_after:.3f}/h after. The load goes on."
    )
    return await _stay(stage)


async def _stay(stage: Stage) -> int:
    """Keep the fleet up until a signal ends us."""
    _hints(stage)
    await asyncio.Event().wait()
    return 0


def _hints(stage: Stage) -> None:
    """What to try; every line can be pasted into another terminal."""
    market = f"--state-dir {stage.ground.market_dir}"
    lines = (
        "The fleet stays up until Ctrl-C. In another terminal, try:",
        "  uv run headrace status                      every process with pid, port and URL",
        "  uv run headrace explain chat                why there, why not elsewhere, and what would change it",
        "  uv run headrace drain azure-virginia        watch the replicas move; then: uv run headrace uncordon azure-virginia",
        f"  uv run headrace market restock 'aws/simulated' {market}    capacity returns",
        f"  uv run headrace market price 'gcp/simulated/us-central1/*/spot' +300% {market}    a price spike",
        f"  uv run headrace market reclaim 'azure/simulated' {market}    machines vanish without a notice",
        "  kill -9 any pid of the status table         it recovers; prompts keep flowing",
        "  uv run headrace margin --hours 1            cost, revenue and margin of every deployment",
    )
    for line in lines:
        typer.echo(line)


def _keep_logs(ground: Ground) -> Path:
    """Save the logs from the folder that is about to be removed."""
    kept = Path(tempfile.mkdtemp(prefix="headrace-logs-"))
    shutil.copytree(ground.folder / "log", kept, dirs_exist_ok=True)
    return kept
