"""One market process: its state directory, its token, its ticking, its end.

The composition root of the market and the only place in it that reads the real clock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import structlog

from providers.simulated.base import base_offers
from providers.simulated.estate import Estate
from providers.simulated.machines import MachineRoom
from providers.simulated.market import Market
from providers.simulated.server import MarketServer
from providers.simulated.shelf import Temper

TICK_REAL_S = 0.25
"""How often deadlines and dead machines are looked at; prices move by the market's own, slower tick."""

TERMINATE_GRACE_S = 5.0
log = structlog.get_logger("market")


@dataclass(frozen=True, slots=True)
class MarketSettings:
    """How a market process is set up. ``port`` 0 takes a free one; its URL is written to the file ``url`` in the state directory."""

    state_dir: Path
    port: int = 0
    seed: int = 1
    clouds: Sequence[str] = ("aws", "gcp", "azure")
    temper: Temper = field(default_factory=Temper)
    terminate_on_exit: bool = False


def now_utc() -> datetime:
    """The market's clock."""
    return datetime.now(tz=UTC)  # noqa: TID251 - the one clock of this process


def run(settings: MarketSettings, environ: Mapping[str, str]) -> None:
    """Serve until SIGTERM or SIGINT. Machines run on afterwards, unless ``terminate_on_exit``.

    Raises:
        ValueError: no such cloud, or another market runs in this state directory.
        OSError: the port is taken.
    """
    settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (settings.state_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ValueError(f"another market runs in {settings.state_dir}") from error
        _serve(settings, environ)


def _serve(settings: MarketSettings, environ: Mapping[str, str]) -> None:
    market = Market(settings.seed, base_offers(settings.clouds), settings.temper)
    estate = Estate(market, MachineRoom(settings.state_dir, environ), settings.state_dir / "state.json", now_utc)
    server = _server(settings, estate, market_token(settings.state_dir, environ))
    ending = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ending.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="http", daemon=True).start()
    (settings.state_dir / "url").write_text(server.url + "\n", encoding="utf-8")
    log.info("market_opened", url=server.url, clouds=list(settings.clouds), seed=settings.seed, state_dir=str(settings.state_dir))
    while not ending.wait(TICK_REAL_S):
        estate.step()
    server.shutdown()
    server.server_close()
    estate.close(TERMINATE_GRACE_S if settings.terminate_on_exit else None)
    log.info("market_closed", machines_left=sum(1 for machine in estate.machines() if machine.ended_at is None))


def _server(settings: MarketSettings, estate: Estate, token: str) -> MarketServer:
    """The server on its port; a restarted market takes its old one, because running machines know its address."""
    url_file = settings.state_dir / "url"
    if settings.port == 0 and url_file.exists():
        old = url_file.read_text(encoding="utf-8").strip().rpartition(":")[2]
        with contextlib.suppress(OSError, ValueError):
            return MarketServer(int(old), estate, token)
    return MarketServer(settings.port, estate, token)


def market_token(state_dir: Path, environ: Mapping[str, str]) -> str:
    """The bearer token: from HEADRACE_MARKET_TOKEN, else from the file ``token`` (0600), made on first use."""
    given = environ.get("HEADRACE_MARKET_TOKEN", "")
    path = state_dir / "token"
    if given:
        token = given
    elif path.exists():
        return path.read_text(encoding="utf-8").strip()
    else:
        token = secrets.token_urlsafe(32)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as target:
        target.write(token + "\n")
    return token
