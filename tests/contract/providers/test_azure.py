"""Azure beyond the fault matrix: what its answers mean, against the fake of the proofs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from vendor_azure import A100, H100, T4, PlayedAzure, account, offer, pages, request

from providers.azure import parse, provider
from providers.azure.errors import ERRORS
from providers.azure.launch import TOKEN_TAG
from scheduler.domain.errors import (
    AuthError,
    InvalidInputError,
    NotFoundError,
    ProviderDataError,
    QuotaExceededError,
    RateLimitedError,
    StockoutError,
    TransientError,
)
from scheduler.domain.offer import CapacityType
from scheduler.domain.ports import ProviderSettings
from simulations.vendors.answers import Answer
from simulations.vendors.trial import NoPace

NOW = datetime(2026, 11, 1, tzinfo=UTC)


async def test_offers_are_sizes_times_zones_at_linux_prices(azure: PlayedAzure) -> None:
    east, west = await pages(account(azure, "eastus", "westeurope"))
    assert [(page.scope, page.complete) for page in (east, west)] == [("eastus", True), ("westeurope", True)]
    told = {each.id: (each.price_micro_usd_per_h, each.availability.text()) for page in (east, west) for each in page.offers}
    assert told == {
        f"azure/main/eastus/eastus-1/{H100}/on-demand": (98_320_000, "unknown"),
        f"azure/main/eastus/eastus-1/{H100}/spot": (39_300_000, "unknown"),
        f"azure/main/eastus/eastus-2/{T4}/on-demand": (526_000, "unknown"),
        f"azure/main/eastus/eastus-2/{T4}/spot": (204_246, "unknown"),
        f"azure/main/eastus/eastus-1/{A100}/on-demand": (3_673_000, "unknown"),
        f"azure/main/eastus/eastus-2/{A100}/on-demand": (3_673_000, "unknown"),
        f"azure/main/westeurope/westeurope/{H100}/on-demand": (98_320_000, "sold out"),
        f"azure/main/westeurope/westeurope/{H100}/spot": (39_300_000, "sold out"),
        f"azure/main/westeurope/westeurope/{T4}/on-demand": (526_000, "unknown"),
        f"azure/main/westeurope/westeurope/{T4}/spot": (204_246, "unknown"),
    }
    assert {each.instance_type.accelerator for each in east.offers} == {"H100-80GB-SXM", "T4-16GB-PCIe", "A100-80GB-PCIe"}


async def test_nonsense_is_quarantined_and_the_poll_kept(azure: PlayedAzure) -> None:
    azure.estate.products[0] = replace(azure.estate.products[0], usd_per_h=0.0, spot_usd_per_h=float("nan"))
    azure.estate.products.append(replace(azure.estate.products[0], name="Standard_ND999_X"))
    azure.estate.products.append(replace(azure.estate.products[0], name="Standard_NV12ads_A10_v5"))
    (page,) = await pages(account(azure))
    reasons = {row.row: row.reason for row in page.quarantined}
    assert "not positive" in reasons[f"on-demand {H100}"]
    assert "not finite" in reasons[f"spot {H100}"]
    assert "is not known" in reasons["Standard_ND999_X"]
    assert not [row for row in reasons if "A10" in row]


async def test_a_price_that_is_not_hourly_is_quarantined(azure: PlayedAzure) -> None:
    kind = (await offer(account(azure))).instance_type
    row = {"armSkuName": T4, "type": "Consumption", "unitOfMeasure": "1/Month", "currencyCode": "USD", "retailPrice": 3.0}
    prices, (bad,) = parse.prices([row], "eastus", {T4: parse.Size(kind, (), True, False)})
    assert (prices, "1/Month" in bad.reason) == ({}, True)


async def test_a_link_to_another_machine_is_not_followed(azure: PlayedAzure) -> None:
    azure.vendor.refuse["Microsoft.Compute/skus"] = [Answer({"value": [], "nextLink": "https://elsewhere.example/skus?page=2"})]
    (page,) = await pages(account(azure))
    assert (page.complete, "elsewhere.example" in page.error) == (False, True)


async def test_quotas_are_cores_and_our_own_nodes_are_not_counted_as_used(azure: PlayedAzure) -> None:
    source = account(azure)
    assert source.launcher is not None
    assert source.limits is not None
    await source.launcher.launch(await request(source))
    limits = await source.limits.read_limits()
    t4 = {quota.capacity_types[0]: (quota.limit, quota.used) for quota in limits.quotas if "T4" in quota.family}
    assert t4 == {CapacityType.ON_DEMAND: (64, 24), CapacityType.SPOT: (40, 0)}
    spot = await offer(source)
    assert [quota.limit for quota in limits.quotas if quota.covers(spot)] == [40]


async def test_launch_find_terminate(azure: PlayedAzure) -> None:
    source = account(azure)
    assert source.launcher is not None
    node = await source.launcher.launch(await request(source))
    assert (node.running, node.launch_token, node.zone) == (True, "Token_1", "eastus-2")
    (machine,) = azure.estate.running
    body = json.loads(machine.words["order"])
    assert body["properties"]["priority"] == "Spot"
    assert body["zones"] == ["2"]
    assert body["tags"][TOKEN_TAG] == "Token_1"
    assert await source.launcher.launch(await request(source)) == node
    assert await source.launcher.find("Token_1") == (node,)
    await source.launcher.terminate(node)
    await source.launcher.terminate(node)
    assert await source.launcher.list_nodes() == ()


async def test_a_stockout_of_the_finished_operation_is_a_stockout_and_leaves_no_machine(azure: PlayedAzure) -> None:
    source = account(azure)
    assert source.launcher is not None
    order = await request(source)
    azure.estate.stock_out_late = True
    with pytest.raises(StockoutError) as told:
        await source.launcher.launch(order)
    assert told.value.code == "AllocationFailed"
    assert azure.estate.machines == {}


async def test_an_operation_that_cannot_be_followed_leaves_the_launch_open(azure: PlayedAzure) -> None:
    source = account(azure)
    assert source.launcher is not None
    order = await request(source)
    azure.vendor.refuse["/operations/"] = [Answer({"error": {"code": "AuthorizationFailed", "message": "no"}}, 403)]
    with pytest.raises(TransientError, match="cannot be followed"):
        await source.launcher.launch(order)
    assert [node.running for node in await source.launcher.find("Token_1")] == [True]


async def test_a_failed_machine_that_cannot_be_deleted_leaves_the_launch_open(azure: PlayedAzure) -> None:
    source = account(azure)
    assert source.launcher is not None
    order = await request(source)
    azure.estate.stock_out_late = True
    azure.vendor.refuse["DELETE "] = [Answer({"error": {"code": "InternalServerError", "message": "no"}}, 500)]
    with pytest.raises(TransientError, match="still there"):
        await source.launcher.launch(order)


@pytest.mark.parametrize(
    ("status", "code", "message", "error"),
    [
        (409, "SkuNotAvailable", "not available", StockoutError),
        (409, "OperationNotAllowed", "exceeding approved standardNCASv3_T4Family Cores quota", QuotaExceededError),
        (403, "QuotaExceeded", "no", QuotaExceededError),
        (403, "AuthorizationFailed", "no", AuthError),
        (400, "InvalidParameter", "no", ProviderDataError),
        (500, "InternalServerError", "no", TransientError),
    ],
)
async def test_a_refused_launch_is_sent_once_and_told_apart(
    azure: PlayedAzure, status: int, code: str, message: str, error: type[Exception]
) -> None:
    source = account(azure)
    assert source.launcher is not None
    order = await request(source)
    azure.vendor.refuse["PUT "] = [Answer({"error": {"code": code, "message": message}}, status)] * 3
    with pytest.raises(error):
        await source.launcher.launch(order)
    assert azure.vendor.calls["PUT "] == 1


@pytest.mark.parametrize(
    ("code", "status", "message", "error"),
    [
        ("TooManyRequests", 429, "slow down", RateLimitedError),
        ("", 429, "", RateLimitedError),
        ("OperationNotAllowed", 409, "VM is being deleted", ProviderDataError),
        ("ZonalAllocationFailed", 200, "", StockoutError),
        ("ResourceNotFound", 404, "", NotFoundError),
        ("", 503, "", TransientError),
        ("", 401, "", AuthError),
    ],
)
def test_the_code_decides_before_the_status(code: str, status: int, message: str, error: type[Exception]) -> None:
    assert type(ERRORS.error(code, status, message)) is error


async def test_wrong_credentials_are_an_auth_error(azure: PlayedAzure) -> None:
    with pytest.raises(AuthError):
        await pages(account(azure, environ={"AZURE_ACCESS_TOKEN": "ended"}))


async def test_a_launch_without_a_resource_group_says_what_to_set(azure: PlayedAzure) -> None:
    source = account(azure, resource_group="")
    assert source.launcher is not None
    with pytest.raises(InvalidInputError, match="resource_group"):
        await source.launcher.launch(await request(source))


def test_what_is_missing_is_named() -> None:
    with pytest.raises(InvalidInputError, match="AZURE_SUBSCRIPTION_ID"):
        provider(ProviderSettings("azure", "azure", regions=("eastus",)), {}, lambda: NOW, NoPace())
    settings = ProviderSettings("azure", "azure", regions=("eastus",), endpoint="http://203.0.113.5", options={"subscription": "s"})
    with pytest.raises(InvalidInputError, match="loopback"):
        provider(settings, {}, lambda: NOW, NoPace())
