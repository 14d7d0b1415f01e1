"""``headrace market``: serve a simulated cloud market, and do to it what the world does to clouds."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from providers.simulated.wire import Json

command = typer.Typer(name="market", help="Run and steer a simulated cloud market.", no_args_is_help=True)

Match = Annotated[str, typer.Argument(help="Part of an offer id, node or token; or a glob over it, such as 'aws/*/g6.xlarge/spot'.")]
Url = Annotated[str, typer.Option(envvar="HEADRACE_MARKET_URL", help="Where the market listens.")]
StateDir = Annotated[
    Path | None, typer.Option(envvar="HEADRACE_MARKET_STATE_DIR", help="The market's state directory: its URL and token are there.")
]


@command.command()
def serve(
    state_dir: Annotated[Path, typer.Option(envvar="HEADRACE_MARKET_STATE_DIR", help="Machines, token, logs and pins are kept here.")],
    port: Annotated[int, typer.Option(help="Loopback port; 0 takes a free one.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed moves prices and stock the same way.")] = 1,
    clouds: Annotated[str, typer.Option(help="Clouds to play, comma separated.")] = "aws,gcp,azure",
    volatility: Annotated[float, typer.Option(min=0.0, help="Scales chance; 0 leaves only what you do.")] = 1.0,
    tick_s: Annotated[int, typer.Option(min=1, help="Seconds between moves of prices and stock.")] = 60,
    terminate_on_exit: Annotated[bool, typer.Option("--terminate-on-exit", help="End all machines when the market ends.")] = False,
) -> None:
    """Serve the market on loopback until SIGTERM. Machines are local processes and outlive it, as in a cloud."""
    import structlog

    from providers.simulated.process import MarketSettings, run
    from providers.simulated.shelf import Temper

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    temper = Temper(volatility=volatility, tick_s=tick_s)
    names = tuple(name.strip() for name in clouds.split(",") if name.strip())
    try:
        run(MarketSettings(state_dir.resolve(), port, seed, names, temper, terminate_on_exit), os.environ)
    except (ValueError, OSError) as error:
        typer.echo(f"the market cannot open: {error}", err=True)
        raise typer.Exit(1) from error


@command.command()
def price(
    match: Match,
    value: Annotated[str, typer.Argument(help="USD per hour of the whole instance, a change (+20%), or 'market' to unpin.")],
    url: Url = "",
    state_dir: StateDir = None,
) -> None:
    """Pin the price of matching offers."""
    body: Json = {"match": match}
    try:
        if value.endswith("%"):
            body["percent"] = float(value[:-1])
        elif value != "market":
            body["usd"] = float(value)
    except ValueError as error:
        typer.echo(f"value: not a price (got {value!r}). Write 0.5, +20% or market.", err=True)
        raise typer.Exit(2) from error
    _show_offers(_call("POST", "/admin/price", body, url, state_dir))


@command.command()
def stockout(match: Match, url: Url = "", state_dir: StateDir = None) -> None:
    """Sell matching offers out, until restock."""
    _show_offers(_call("POST", "/admin/stockout", {"match": match}, url, state_dir))


@command.command()
def restock(
    match: Match,
    count: Annotated[int | None, typer.Option(min=0, help="Fixed count; without it the market decides again.")] = None,
    url: Url = "",
    state_dir: StateDir = None,
) -> None:
    """Put matching offers back in stock."""
    _show_offers(_call("POST", "/admin/restock", {"match": match, "count": count}, url, state_dir))


@command.command()
def quota(match: Match, limit: Annotated[int, typer.Argument(min=0)], url: Url = "", state_dir: StateDir = None) -> None:
    """Set our limit, in GPUs, on matching quotas."""
    for quota_id in _call("POST", "/admin/quota", {"match": match, "limit": limit}, url, state_dir)["quotas"]:
        typer.echo(f"{quota_id}  {limit} GPUs")


@command.command()
def interrupt(
    match: Match,
    notice_s: Annotated[float | None, typer.Option(min=0.0, help="Warning time; the cloud's own by default.")] = None,
    url: Url = "",
    state_dir: StateDir = None,
) -> None:
    """Give an interruption notice to matching machines; at its deadline they lose power."""
    for machine in _call("POST", "/admin/interrupt", {"match": match, "notice_s": notice_s}, url, state_dir)["machines"]:
        typer.echo(f"{machine['id']}  goes at {machine['deadline']}")


@command.command()
def reclaim(match: Match, url: Url = "", state_dir: StateDir = None) -> None:
    """Take matching machines away at once, without a notice."""
    for machine in _call("POST", "/admin/reclaim", {"match": match}, url, state_dir)["machines"]:
        typer.echo(f"{machine['id']}  gone")


@command.command()
def state(
    match: Annotated[str, typer.Argument(help="Part of an offer id.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for programs.")] = False,
    url: Url = "",
    state_dir: StateDir = None,
) -> None:
    """Show machines and offers."""
    from urllib.parse import quote

    found = _call("GET", f"/admin/state?match={quote(match)}", None, url, state_dir)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for machine in found["machines"]:
        typer.echo(f"{machine['id']:24} {machine['state']:12} {machine['offer_id']}  node {machine['node'] or '-'}  pid {machine['pid']}")
    _show_offers(found)


def _show_offers(found: Json) -> None:
    for offer in found["offers"]:
        dollars = offer["price_micro_usd_per_h"] / 1e6
        typer.echo(f"{offer['id']:70} ${dollars:9.4f}/h  {offer['stock']:3d} left")


def _call(method: str, path: str, body: dict[str, Any] | None, url: str, state_dir: Path | None) -> Json:
    """Call the market; urllib, because an HTTP library would cost more start-up time than the call."""
    import urllib.error
    import urllib.request

    base, token = _where(url, state_dir)
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked in _where
        base + path,
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        # No proxy: the market is on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as reply:
            found: Json = json.load(reply)
            return found
    except urllib.error.HTTPError as error:
        typer.echo(json.loads(error.read()).get("message", str(error)), err=True)
    except urllib.error.URLError as error:
        typer.echo(f"no market at {base}: {error.reason}", err=True)
    raise typer.Exit(1)


def _where(url: str, state_dir: Path | None) -> tuple[str, str]:
    token = os.environ.get("HEADRACE_MARKET_TOKEN", "")
    if state_dir is not None and (state_dir / "url").exists():
        url = url or (state_dir / "url").read_text(encoding="utf-8").strip()
        token = token or (state_dir / "token").read_text(encoding="utf-8").strip()
    if not url.startswith("http://127.0.0.1:") and not url.startswith("http://localhost:"):
        typer.echo(f"url: where is the market? (got {url!r}) Give --url http://127.0.0.1:PORT or --state-dir.", err=True)
        raise typer.Exit(2)
    if not token:
        typer.echo("token: missing. Set HEADRACE_MARKET_TOKEN or give --state-dir.", err=True)
        raise typer.Exit(2)
    return url.rstrip("/"), token
