"""The market as a process: machines are process trees that outlive it, are found again, and end as a whole."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from conftest import MarketProcess
from typer.testing import CliRunner

from providers.simulated import provider
from scheduler.domain.errors import AuthError, InvalidInputError, NotFoundError, QuotaExceededError, StockoutError, TransientError
from scheduler.domain.offer import Offer
from scheduler.domain.ports import CloudNode, LaunchRequest, NodeLauncher, Provider, ProviderSettings
from simulations.vendors.trial import NoPace

# A machine that starts a process in a session of its own, as daemons do, then writes both ids and its environment down.
BOOT = """
import json, os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
with open("boot.new", "w") as out:
    json.dump({"pids": [os.getpid(), child.pid], "env": dict(os.environ)}, out)
os.replace("boot.new", "boot.json")
time.sleep(600)
"""


def cloud(market: MarketProcess, name: str = "aws", **options: str) -> Provider:
    settings = ProviderSettings(name, "simulated", account="simulated", endpoint=market.url, options=options)
    return provider(settings, market.environ, lambda: datetime.now(tz=UTC), NoPace())  # noqa: TID251


def launcher(market: MarketProcess) -> NodeLauncher:
    found = cloud(market).launcher
    assert found is not None
    return found


async def offer(market: MarketProcess, part: str = "g6.xlarge/spot") -> Offer:
    pages = [page async for page in cloud(market).offers.read_offers()]
    return next(offer for page in pages for offer in page.offers if part in offer.id)


async def launch(market: MarketProcess, token: str = "t1") -> CloudNode:
    request = LaunchRequest(
        f"node-{token}", "c1", token, await offer(market), "", (sys.executable, "-c", BOOT), {"JOIN": "secret-of-the-node"}
    )
    return await launcher(market).launch(request)


def booted(market: MarketProcess, node: CloudNode) -> tuple[list[psutil.Process], dict[str, str]]:
    path = market.state_dir / "machines" / node.provider_node_id / "boot.json"
    wait_for(path.exists)
    told = json.loads(path.read_text())
    return [psutil.Process(pid) for pid in told["pids"]], told["env"]


def wait_for(condition: Callable[[], bool], within_s: float = 90.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def gone(processes: list[psutil.Process]) -> bool:
    return all(not process.is_running() or process.status() == psutil.STATUS_ZOMBIE for process in processes)


def market_command(market: MarketProcess, *arguments: str) -> str:
    from providers.simulated.command import command

    result = CliRunner().invoke(command, [*arguments, "--state-dir", str(market.state_dir)])
    assert result.exit_code == 0, result.output
    return result.output


async def test_a_machine_is_a_process_tree_that_knows_its_metadata_service_and_no_secret_of_the_market(
    market_process: MarketProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = await launch(market_process)
    processes, env = booted(market_process, node)
    assert not gone(processes)
    assert env["HEADRACE_METADATA_URL"] == f"{market_process.url}/machines/{node.provider_node_id}"
    assert env["JOIN"] == "secret-of-the-node"
    assert "HEADRACE_MARKET_TOKEN" not in env
    assert "secret-of-the-node" not in (market_process.state_dir / "state.json").read_text()


async def test_the_token_is_for_its_owner_only(market_process: MarketProcess) -> None:
    assert (market_process.state_dir / "token").stat().st_mode & 0o777 == 0o600


async def test_terminating_ends_even_what_left_the_process_tree(market_process: MarketProcess) -> None:
    node = await launch(market_process)
    processes, _ = booted(market_process, node)
    await launcher(market_process).terminate(node)
    assert [found.running for found in await launcher(market_process).find("t1")] == [False]
    wait_for(lambda: gone(processes))


async def test_machines_outlive_a_killed_market_and_are_adopted_by_the_next(market_process: MarketProcess) -> None:
    node = await launch(market_process)
    processes, _ = booted(market_process, node)
    url = market_process.url
    market_process.end(signal.SIGKILL)
    assert not gone(processes)
    market_process.open()
    assert market_process.url == url, "running machines know the address"
    assert await launcher(market_process).find("t1") == (node,)
    await launcher(market_process).terminate(node)
    wait_for(lambda: gone(processes))


async def test_a_machine_that_died_while_the_market_was_down_counts_as_ended(market_process: MarketProcess) -> None:
    node = await launch(market_process)
    processes, _ = booted(market_process, node)
    market_process.end(signal.SIGKILL)
    for process in processes:
        process.kill()
    wait_for(lambda: gone(processes))
    market_process.open()
    (found,) = await launcher(market_process).find("t1")
    assert (found.running, found.state) == (False, "exited")


async def test_the_market_ends_its_machines_when_it_is_told_to(market_process: MarketProcess) -> None:
    node = await launch(market_process)
    processes, _ = booted(market_process, node)
    market_process.end(signal.SIGTERM)
    assert gone(processes)


async def test_an_interruption_shows_in_the_metadata_then_takes_the_power(market_process: MarketProcess) -> None:
    node = await launch(market_process)
    processes, env = booted(market_process, node)
    base = env["HEADRACE_METADATA_URL"]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    with opener.open(urllib.request.Request(f"{base}/latest/api/token", method="PUT", headers=ttl)) as reply:
        token = reply.read().decode()
    market_command(market_process, "interrupt", "node-t1", "--notice-s", "1")
    action = urllib.request.Request(f"{base}/latest/meta-data/spot/instance-action", headers={"X-aws-ec2-metadata-token": token})
    with opener.open(action) as reply:
        assert json.loads(reply.read())["action"] == "terminate"
    assert not gone(processes)
    wait_for(lambda: gone(processes))
    assert [found.state for found in await launcher(market_process).find("t1")] == ["reclaimed"]


async def test_a_lost_answer_is_transient_and_the_machine_is_found_by_its_token(market_process: MarketProcess) -> None:
    order_fault(market_process, "timeout_after_create")
    with pytest.raises(TransientError):
        await launch(market_process)
    assert [found.running for found in await launcher(market_process).find("t1")] == [True]
    assert (await launch(market_process)).running, "the same token is the same machine"
    assert len(await launcher(market_process).list_nodes()) == 1


@pytest.mark.parametrize("fault", ["rate_limit", "error"])
async def test_reads_are_repeated_after_a_passing_fault(market_process: MarketProcess, fault: str) -> None:
    order_fault(market_process, fault)
    assert await launcher(market_process).list_nodes() == ()


async def test_refusals_have_their_own_errors(market_process: MarketProcess) -> None:
    market_command(market_process, "stockout", "g6.xlarge/spot")
    with pytest.raises(StockoutError):
        await launch(market_process)
    market_command(market_process, "restock", "g6.xlarge/spot")
    market_command(market_process, "quota", "aws/*L4*spot", "0")
    with pytest.raises(QuotaExceededError):
        await launch(market_process)


async def test_people_steer_prices_and_see_it_in_the_offers(market_process: MarketProcess) -> None:
    market_command(market_process, "price", "g6.xlarge/spot", "0.25")
    assert (await offer(market_process)).price_micro_usd_per_h == 250_000
    market_command(market_process, "price", "g6.xlarge/spot", "+20%")
    assert (await offer(market_process)).price_micro_usd_per_h == 300_000
    assert json.loads(market_command(market_process, "state", "g6.xlarge/spot", "--json"))["offers_total"] == 1


async def test_without_or_with_a_wrong_token_nothing_is_said(market_process: MarketProcess) -> None:
    settings = ProviderSettings("aws", "simulated", endpoint=market_process.url)
    for environ in ({}, {"HEADRACE_MARKET_TOKEN": "wrong"}):
        reader = provider(settings, environ, lambda: datetime.now(tz=UTC), NoPace())  # noqa: TID251
        with pytest.raises(AuthError):
            [page async for page in reader.offers.read_offers()]


async def test_the_token_may_come_from_its_file(market_process: MarketProcess) -> None:
    settings = ProviderSettings(
        "gcp", "simulated", endpoint=market_process.url, options={"token_file": str(market_process.state_dir / "token")}
    )
    reader = provider(settings, {}, lambda: datetime.now(tz=UTC), NoPace())  # noqa: TID251
    pages = [page async for page in reader.offers.read_offers()]
    assert {"us-central1", "europe-west4"} <= {page.scope for page in pages}
    assert all(page.complete for page in pages)


async def test_a_command_that_cannot_run_rents_nothing(market_process: MarketProcess) -> None:
    request = LaunchRequest("n", "c", "t9", await offer(market_process), "", ("/no/such/program",))
    with pytest.raises(Exception, match="cannot be run"):
        await launcher(market_process).launch(request)
    assert all(not node.running for node in await launcher(market_process).list_nodes())


async def test_many_launches_at_once_give_one_machine_per_token(market_process: MarketProcess) -> None:
    nodes = await asyncio.gather(*(launch(market_process, token) for token in ("a", "a", "b", "b")))
    assert len({node.provider_node_id for node in nodes}) == 2


def test_plain_http_to_another_machine_is_refused() -> None:
    settings = ProviderSettings("aws", "simulated", endpoint="http://203.0.113.5:80")
    with pytest.raises(InvalidInputError, match="loopback"):
        provider(settings, {}, lambda: datetime.now(tz=UTC), NoPace())  # noqa: TID251


def test_two_markets_do_not_share_a_state_directory(market_process: MarketProcess) -> None:
    from providers.simulated.process import MarketSettings, run

    with pytest.raises(ValueError, match="another market"):
        run(MarketSettings(Path(market_process.state_dir)), {})


async def test_an_unknown_cloud_is_not_found(market_process: MarketProcess) -> None:
    with pytest.raises(NotFoundError):
        [page async for page in cloud(market_process, "nimbus").offers.read_offers()]


def order_fault(market: MarketProcess, kind: str) -> None:
    token = market.environ["HEADRACE_MARKET_TOKEN"]
    body = json.dumps({"kind": kind, "cloud": "aws", "count": 1}).encode()
    request = urllib.request.Request(f"{market.url}/admin/fault", data=body, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as reply:
        assert reply.status == 200
