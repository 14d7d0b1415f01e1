"""The roles a process can take: ``serve``, ``agent``, ``edge``, ``relay``, ``db``, and the nightly ``rebalance``."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from scheduler.cli.client import out, show_json

db = typer.Typer(help="The database: embedded Postgres, or the server of DATABASE_URL.", no_args_is_help=True)
Config = Annotated[Path | None, typer.Option("--config", help="YAML file of settings")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("serve")(serve)
    app.command("agent")(agent)
    app.command("edge")(edge)
    app.command("relay")(relay)
    app.command("rebalance")(rebalance)
    app.add_typer(db, name="db")


def serve(
    config: Config = None,
    host: Annotated[str | None, typer.Option(help="address to listen on; loopback unless told otherwise")] = None,
    port: Annotated[int | None, typer.Option(help="port of the API and the dashboard")] = None,
) -> None:
    """Run the control plane: API, dashboard, provider collectors and the control loop."""
    import uvloop

    from scheduler.bootstrap.logs import configure_logging
    from scheduler.bootstrap.serve import serve as run
    from scheduler.bootstrap.settings import load_settings

    configure_logging()
    settings = load_settings(config, host=host, port=port)
    if settings.port:
        out.print(f"headrace {settings.url} (dashboard and API)")
    uvloop.run(run(settings))


def agent() -> None:
    """Run a cluster's agent beside its Ray head. Settings: HEADRACE_CLUSTER, _CONTROL_URL, _TOKEN, _RAY_ADDRESS."""
    from scheduler.runtime.agent import agent_command, agent_settings

    argv, env = agent_command(agent_settings(os.environ))
    os.execve(argv[0], argv, {**os.environ, **env})  # noqa: S606 (becomes the agent process)


def edge(
    config: Config = None,
    region: Annotated[str | None, typer.Option(help="region whose clusters come first, also as provider:region")] = None,
    origin: Annotated[str | None, typer.Option(help="whose requests come in here, as in the deployments' demand")] = None,
    xds: Annotated[
        list[str] | None, typer.Option(help="host:port of a control plane to ask, instead of the edge folder; repeatable")
    ] = None,
) -> None:
    """Run Envoy: with the files that the control plane writes into the edge folder, or told by the control planes over xDS."""
    from scheduler.bootstrap.edge import prepare_edge
    from scheduler.bootstrap.settings import load_settings

    argv, env = prepare_edge(load_settings(config, edge_region=region, edge_origin=origin, edge_xds_servers=xds or None), os.environ)
    os.execve(argv[0], argv, {**os.environ, **env})  # noqa: S606 (becomes Envoy)


def relay(config: Config = None) -> None:
    """Run the relay beside the edge: holds requests while no replica is ready, continues streams whose replica died."""
    import uvloop

    from scheduler.bootstrap.logs import configure_logging
    from scheduler.bootstrap.relay import run_relay
    from scheduler.bootstrap.settings import load_settings

    configure_logging()
    uvloop.run(run_relay(load_settings(config)))


def rebalance(
    config: Config = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="solve and report, change nothing")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The nightly job: find a better placement for the whole fleet and apply it. Exit 0 done, 75 another run holds it, 1 failed."""
    from scheduler.bootstrap.jobs import run_rebalance
    from scheduler.bootstrap.settings import load_settings

    code, report = asyncio.run(run_rebalance(load_settings(config), dry_run=dry_run))
    show_json(report) if as_json else out.print(" · ".join(f"{name}: {value}" for name, value in report.items()))
    sys.exit(code)


@db.command("upgrade")
def upgrade(config: Config = None, revision: str = "head") -> None:
    """Bring the schema to this version; also done on every start."""
    from scheduler.bootstrap.database import upgrade_database
    from scheduler.bootstrap.settings import load_settings

    out.print(f"schema is at {upgrade_database(load_settings(config), revision)}")


@db.command("url")
def url(config: Config = None) -> None:
    """Print the URL of the running embedded server, for psql and other tools."""
    from scheduler.bootstrap.connect import embedded_postgres
    from scheduler.bootstrap.settings import load_settings

    settings = load_settings(config)
    typer.echo(settings.database_url or embedded_postgres(settings).dsn)
