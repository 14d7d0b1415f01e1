"""Azure through Azure's own SDK against a fake."""

from __future__ import annotations

import pytest
from vendor_azure import H100, NOW, T4, V100, Azure, NoCredential, account, offer, pages, request

from providers.azure import provider
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
from simulations.vendors.server import Answer
from simulations.vendors.trial import NoPace


async def test_offers_are_sizes_times_zones_at_linux_prices(azure: Azure) -> None:
    (page,) = await pages(account(azure))
    assert (page.scope, page.complete) == ("eastus", True)
    told = {each.id: (each.price_micro_usd_per_h, each.availability.text()) for each in page.offers}
    assert told == {
        f"azure/main/eastus/eastus-2/{T4}/on-demand": (526_000, "unknown"),
        f"azure/main/eastus/eastus-2/{T4}/spot": (204_246, "unknown"),
        f"azure/main/eastus/eastus/{V100}/on-demand": (3_060_000, "sold out"),
    }
    assert {each.instance_type.accelerator for each in page.offers} == {"T4-16GB-PCIe", "V100-16GB-PCIe"}


async def test_nonsense_is_quarantined_and_the_poll_kept(azure: Azure) -> None:
    (page,) = await pages(account(azure))
    reasons = {row.row: row.reason for row in page.quarantined}
    assert "not positive" in reasons[f"on-demand {H100}"]
    assert "not finite" in reasons[f"spot {H100}"]
    assert "1/Month" in reasons[f"on-demand {V100}"]
    assert "is not known" in reasons["Standard_ND999_X"]


async def test_a_repeated_page_fails_the_region_not_the_process(azure: Azure) -> None:
    again = {"Items": [], "NextPageLink": f"{azure.vendor.url}/api/retail/prices?page=0"}
    azure.vendor.refuse["/api/retail/prices"] = [Answer(again)] * 5
    (page,) = await pages(account(azure))
    assert (page.complete, "came twice" in page.error) == (False, True)


async def test_quotas_are_cores_and_our_own_nodes_are_not_counted_as_used(azure: Azure) -> None:
    source = account(azure)
    assert source.launcher is not None
    assert source.limits is not None
    await source.launcher.launch(await request(source))
    limits = await source.limits.read_limits()
    t4 = {quota.capacity_types[0]: (quota.limit, quota.used) for quota in limits.quotas if "T4" in quota.family}
    assert t4 == {CapacityType.ON_DEMAND: (64, 24), CapacityType.SPOT: (40, 0)}
    spot = await offer(source)
    assert [quota.limit for quota in limits.quotas if quota.covers(spot)] == [40]


async def test_launch_find_terminate(azure: Azure) -> None:
    source = account(azure)
    assert source.launcher is not None
    node = await source.launcher.launch(await request(source))
    assert (node.running, node.launch_token, node.zone) == (True, "Token_1", "eastus-2")
    (machine,) = azure.machines.values()
    assert machine["properties"]["priority"] == "Spot"
    assert machine["zones"] == ["2"]
    assert machine["tags"][TOKEN_TAG] == "Token_1"
    assert await source.launcher.launch(await request(source)) == node
    assert await source.launcher.find("Token_1") == (node,)
    await source.launcher.terminate(node)
    await source.launcher.terminate(node)
    assert await source.launcher.list_nodes() == ()


async def test_a_stockout_of_the_finished_operation_is_a_stockout_and_leaves_no_machine(azure: Azure) -> None:
    source = account(azure)
    assert source.launcher is not None
    order = await request(source)
    azure.allocation = {"code": "AllocationFailed", "message": "We do not have sufficient capacity in this region."}
    with pytest.raises(StockoutError) as refused:
        await source.launcher.launch(order)
    assert refused.value.code == "AllocationFailed"
    assert azure.machines == {}


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
    azure: Azure, status: int, code: str, message: str, error: type[Exception]
) -> None:
    source = account(azure)
    assert source.launcher is not None
    order = await request(source)
    azure.vendor.refuse["PUT "] = [Answer({"error": {"code": code, "message": message}}, status)] * 3
    with pytest.raises(error) as refused:
        await source.launcher.launch(order)
    assert refused.value.__cause__ is not None
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


async def test_no_credentials_is_an_auth_error(azure: Azure) -> None:
    with pytest.raises(AuthError):
        await pages(account(azure, NoCredential()))


async def test_a_launch_without_a_resource_group_says_what_to_set(azure: Azure) -> None:
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
