"""Google Cloud through Google's own SDK against a fake."""

from __future__ import annotations

import pytest
from vendor_gcp import NOW, Credentials, Gcp, NoCredentials, account, pages, refusal, request

from providers.gcp import provider
from providers.gcp.adapter import assemble, billing_of
from providers.gcp.errors import ERRORS
from providers.gcp.transport import GcpApi
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
from scheduler.domain.offer import CapacityType, QuotaUnit
from scheduler.domain.ports import ProviderSettings
from simulations.vendors.trial import NoPace


async def test_an_instance_costs_its_cores_memory_and_gpus(gcp: Gcp) -> None:
    told = {each.id: each.price_micro_usd_per_h for page in await pages(account(gcp)) for each in page.offers}
    on_demand, spot = 4 * 24_988 + 16 * 2_927 + 560_040, 4 * 9_995 + 16 * 1_170 + 224_016
    assert told == {
        "gcp/main/us-central1/us-central1-a/g2-standard-4/on-demand": on_demand,
        "gcp/main/us-central1/us-central1-a/g2-standard-4/spot": spot,
        "gcp/main/europe-west4/europe-west4-b/g2-standard-4/on-demand": on_demand,
        "gcp/main/europe-west4/europe-west4-b/g2-standard-4/spot": spot,
    }


async def test_regions_restrict_the_walk_and_name_the_jurisdiction(gcp: Gcp) -> None:
    (page,) = await pages(account(gcp, "europe-west4"))
    assert {(each.jurisdiction, each.notice_s) for each in page.offers} == {("NL", 0), ("NL", 30)}
    assert page.complete


async def test_nonsense_is_quarantined_and_the_poll_kept(gcp: Gcp) -> None:
    reasons = {row.row: row.reason for page in await pages(account(gcp)) for row in page.quarantined}
    assert "unknown accelerator 'nvidia-x9'" in reasons["x9-test in europe-west4-b"]
    assert "not positive" in reasons["A3 Instance Core running in Americas"]
    assert "not hours" in reasons["A3 Instance Ram running in Americas"]


async def test_quotas_are_gpus_and_our_own_nodes_are_not_counted_as_used(gcp: Gcp) -> None:
    source = account(gcp, "us-central1")
    assert source.launcher is not None
    assert source.limits is not None
    await source.launcher.launch(await request(source))
    limits = await source.limits.read_limits()
    told = {quota.capacity_types[0]: (quota.family, quota.unit, quota.limit, quota.used) for quota in limits.quotas}
    assert told == {
        CapacityType.ON_DEMAND: ("NVIDIA_L4_GPUS", QuotaUnit.GPU, 8, 2),
        CapacityType.SPOT: ("NVIDIA_L4_GPUS", QuotaUnit.GPU, 16, 0),
    }


async def test_launch_find_terminate(gcp: Gcp) -> None:
    source = account(gcp)
    assert source.launcher is not None
    node = await source.launcher.launch(await request(source))
    assert (node.running, node.launch_token, node.region, node.zone) == (True, "Token_1", "us-central1", "us-central1-a")
    (instance,) = gcp.instances.values()
    assert (instance.scheduling.provisioning_model, instance.scheduling.instance_termination_action) == ("SPOT", "DELETE")
    assert await source.launcher.launch(await request(source)) == node
    assert await source.launcher.find("Token_1") == (node,)
    assert await source.launcher.find("Token_2") == ()
    await source.launcher.terminate(node)
    await source.launcher.terminate(node)
    assert await source.launcher.list_nodes() == ()


@pytest.mark.parametrize("code", ["ZONE_RESOURCE_POOL_EXHAUSTED", "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", "RESOURCE_NOT_READY"])
async def test_a_stockout_of_the_finished_operation_is_a_stockout(gcp: Gcp, code: str) -> None:
    source = account(gcp)
    assert source.launcher is not None
    order = await request(source)
    gcp.failure = {"error": {"errors": [{"code": code, "message": "not enough resources"}]}, "httpErrorStatusCode": 503}
    with pytest.raises(StockoutError) as refused:
        await source.launcher.launch(order)
    assert refused.value.code == code


async def test_a_quota_of_the_finished_operation_is_a_quota(gcp: Gcp) -> None:
    source = account(gcp)
    assert source.launcher is not None
    order = await request(source)
    gcp.failure = {
        "error": {"errors": [{"code": "QUOTA_EXCEEDED", "message": "Quota 'NVIDIA_L4_GPUS' exceeded"}]},
        "httpErrorStatusCode": 403,
    }
    with pytest.raises(QuotaExceededError):
        await source.launcher.launch(order)


@pytest.mark.parametrize(
    ("status", "reason", "error"),
    [
        (403, "quotaExceeded", QuotaExceededError),
        (403, "rateLimitExceeded", RateLimitedError),
        (403, "forbidden", AuthError),
        (400, "invalid", ProviderDataError),
        (503, "backendError", TransientError),
        (429, "tooMany", RateLimitedError),
    ],
)
async def test_a_refused_launch_is_sent_once_and_told_apart(gcp: Gcp, status: int, reason: str, error: type[Exception]) -> None:
    source = account(gcp)
    assert source.launcher is not None
    order = await request(source)
    gcp.vendor.refuse["POST "] = [refusal(status, reason)] * 3
    with pytest.raises(error) as refused:
        await source.launcher.launch(order)
    assert refused.value.__cause__ is not None
    assert gcp.vendor.calls["POST "] == 1


def test_an_unknown_reason_is_judged_by_its_status() -> None:
    assert type(ERRORS.error("", 404, "")) is NotFoundError
    assert type(ERRORS.error("novelty", 500, "")) is TransientError
    assert type(ERRORS.error("novelty", 409, "")) is ProviderDataError


async def test_no_credentials_is_an_auth_error(gcp: Gcp) -> None:
    with pytest.raises(AuthError):
        await pages(account(gcp, credentials=NoCredentials()))


async def test_no_key_for_the_catalogue_is_an_auth_error_that_names_the_variable(gcp: Gcp) -> None:
    settings = ProviderSettings("gcp", "gcp", options={"billing_endpoint": gcp.vendor.url})
    api = GcpApi("p1", gcp.vendor.url, Credentials())
    keyless = assemble(settings, api, billing_of(settings, {}), lambda: NOW)
    with pytest.raises(AuthError, match="GOOGLE_API_KEY"):
        await pages(keyless)


def test_plain_http_to_another_machine_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="loopback"):
        provider(ProviderSettings("gcp", "gcp", endpoint="http://203.0.113.5"), {}, lambda: NOW, NoPace())


async def test_a_launch_without_an_image_says_what_to_set(gcp: Gcp) -> None:
    source = account(gcp, image="")
    assert source.launcher is not None
    with pytest.raises(InvalidInputError, match=r"options\.image"):
        await source.launcher.launch(await request(source))
