"""Owned machines: declared prices, counted, leased."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from providers import static
from providers.static.inventory import read_inventory
from scheduler.domain.errors import InvalidInputError, NotFoundError, StockoutError, UnknownAcceleratorError
from scheduler.domain.offer import Offer, SourceKind
from scheduler.domain.ports import LaunchRequest, NodeLauncher, Provider, ProviderSettings
from simulations.vendors.trial import NoPace

NOW = datetime(2026, 11, 1, tzinfo=UTC)
MACHINE = {
    "name": "rack-a", "region": "basement", "zone": "row-1", "jurisdiction": "DE", "accelerator": "L4-24GB-PCIe", "accelerator_count": 1,
    "hosts": ["a", "b"], "usd_per_h": 0,
}  # fmt: skip


def write(path: Path, **fields: object) -> Path:
    path.write_text(json.dumps({"machines": [{**MACHINE, **fields}]}))
    return path


def provider(path: Path) -> Provider:
    return static.provider(ProviderSettings("own", "static", options={"file": str(path)}), {}, lambda: NOW, NoPace())


def launcher(path: Path) -> NodeLauncher:
    found = provider(path).launcher
    assert found is not None
    return found


async def offers(path: Path) -> list[Offer]:
    return [offer async for page in provider(path).offers.read_offers() for offer in page.offers]


async def lease(path: Path, token: str) -> str:
    (offer, *_) = await offers(path)
    return (await launcher(path).launch(LaunchRequest("n", "c", token, offer, ""))).provider_node_id


async def test_a_free_price_is_allowed_and_declared(tmp_path: Path) -> None:
    (offer,) = await offers(write(tmp_path / "machines.json"))
    assert (offer.price_micro_usd_per_h, offer.source_kind, offer.zone) == (0, SourceKind.DECLARED, "row-1")
    assert offer.availability.count == 2


async def test_leases_are_counted_survive_a_restart_and_run_out(tmp_path: Path) -> None:
    path = write(tmp_path / "machines.json")
    assert await lease(path, "one") == await lease(path, "one") == "a"
    assert await lease(path, "two") == "b"
    with pytest.raises(StockoutError):
        await lease(path, "three")
    assert [offer.availability.sold_out for offer in await offers(path)] == [True]
    (node,) = await launcher(path).find("one")
    await launcher(path).terminate(node)
    assert await lease(path, "three") == "a"
    await launcher(path).terminate(node)
    assert [found.launch_token for found in await launcher(path).list_nodes()] == ["two", "three"], "a late release ends no other lease"


async def test_the_file_is_read_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "machines.json")
    (offer,) = await offers(path)
    write(path, name="rack-b")
    with pytest.raises(NotFoundError):
        await launcher(path).launch(LaunchRequest("n", "c", "t", offer, ""))


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"usd_per_h": -1}, "usd_per_h"),
        ({"usd_per_h": "NaN"}, "usd_per_h"),
        ({"hosts": []}, "hosts"),
        ({"hosts": ["a", "a"]}, "hosts"),
        ({"accelerator_count": 0}, "accelerator_count"),
        ({"jurisdiction": "Germany"}, "jurisdiction"),
        ({"color": "red"}, "color"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, object], where: str) -> None:
    with pytest.raises(InvalidInputError, match=where):
        read_inventory(json.dumps({"machines": [{**MACHINE, **fields}]}), ".json")


def test_an_unknown_accelerator_offers_near_ones() -> None:
    with pytest.raises(UnknownAcceleratorError, match="A100-40GB-SXM"):
        read_inventory(json.dumps({"machines": [{**MACHINE, "accelerator": "A100"}]}), ".json")


def test_one_host_stands_in_one_entry_only() -> None:
    with pytest.raises(InvalidInputError, match="one host in two entries"):
        read_inventory(json.dumps({"machines": [MACHINE, {**MACHINE, "name": "rack-b"}]}), ".json")


def test_toml_yaml_and_json_say_the_same() -> None:
    toml = "[[machines]]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in MACHINE.items())
    assert read_inventory(toml, ".toml") == read_inventory(json.dumps({"machines": [MACHINE]}), ".json")
    assert read_inventory(json.dumps({"machines": [MACHINE]}), ".yaml") == read_inventory(toml, ".toml")
    with pytest.raises(InvalidInputError, match="unknown kind of file"):
        read_inventory("", ".ini")
