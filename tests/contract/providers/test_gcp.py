"""Google Cloud beyond the fault matrix: what its answers mean, against the fake of the proofs."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from vendor_gcp import PlayedGcp, account, pages, request

from providers.gcp import provider
from providers.gcp.errors import ERRORS
from providers.gcp.parse import Catalogue, obtainability
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
from simulations.vendors.clouds.gcp import refused, sku
from simulations.vendors.trial import NoPace

NOW = datetime(2026, 11, 1, tzinfo=UTC)


async def test_an_instance_costs_its_cores_memory_and_gpus(gcp: PlayedGcp) -> None:
    told = {each.id: each.price_micro_usd_per_h for page in await pages(account(gcp)) for each in page.offers}
    for place in ("us-central1/us-central1-a", "us-central1/us-central1-b", "europe-west4/europe-west4-b"):
        assert told[f"gcp/main/{place}/g2-standard-4/on-demand"] == 4 * 24_988 + 16 * 2_927 + 560_048
        assert told[f"gcp/main/{place}/g2-standard-4/spot"] == 282_700


async def test_regions_restrict_the_walk_and_name_the_jurisdiction(gcp: PlayedGcp) -> None:
    (page,) = await pages(account(gcp, "europe-west4"))
    assert {(each.jurisdiction, each.notice_s) for each in page.offers} == {("NL", 0), ("NL", 30)}
    assert page.complete


async def test_a_zone_that_google_cannot_reach_breaks_its_region_only(gcp: PlayedGcp) -> None:
    gcp.silent_zones = {"europe-west4-b"}
    told = {page.scope: (page.complete, "UNREACHABLE" in page.error) for page in await pages(account(gcp))}
    assert told == {"europe-west4": (False, True), "us-central1": (True, False)}
    source = account(gcp)
    assert source.launcher is not None
    with pytest.raises(TransientError):
        await source.launcher.find("Token_1")


async def test_spot_stock_is_googles_advice_and_on_demand_there_is_none(gcp: PlayedGcp) -> None:
    told = {each.id: each.availability.text() for page in await pages(account(gcp)) for each in page.offers}
    assert told["gcp/main/us-central1/us-central1-a/g2-standard-4/spot"] == "score 0.40"
    assert told["gcp/main/europe-west4/europe-west4-b/a3-highgpu-8g/spot"] == "score 0.00"
    assert {text for key, text in told.items() if key.endswith("/on-demand")} == {"unknown"}


async def test_refused_advice_leaves_stock_unknown_and_offers_whole(gcp: PlayedGcp) -> None:
    before = {each.id for page in await pages(account(gcp)) for each in page.offers}
    gcp.advises = False
    found = await pages(account(gcp))
    assert all(page.complete for page in found)
    assert {each.id: each.availability.text() for page in found for each in page.offers} == dict.fromkeys(before, "unknown")


@pytest.mark.parametrize("score", [None, -0.1, 1.1, float("nan"), "high"])
def test_advice_that_is_no_share_says_nothing(score: object) -> None:
    shard = {"zone": "zones/us-central1-a", "machineType": "g2-standard-4"}
    assert obtainability([{"scores": {"obtainability": score}, "shards": [shard]}]) == {}
    assert obtainability([{"scores": {"obtainability": 0.7}, "shards": [shard]}]) == {("us-central1-a", "g2-standard-4"): 0.7}


def test_advice_over_several_zones_says_nothing_of_one() -> None:
    shards = [{"zone": zone, "machineType": "g2-standard-4"} for zone in ("us-central1-a", "us-central1-b")]
    assert obtainability([{"scores": {"obtainability": 0.7}, "shards": shards}]) == {}


async def test_nonsense_is_quarantined_and_the_poll_kept(gcp: PlayedGcp) -> None:
    gcp.estate.products[0] = replace(gcp.estate.products[0], gpu="nvidia-x9")
    reasons = {row.row: row.reason for page in await pages(account(gcp)) for row in page.quarantined}
    assert "unknown accelerator 'nvidia-x9'" in reasons["a3-highgpu-8g in europe-west4-b"]


@pytest.mark.parametrize(("micro_usd", "unit", "why"), [(0, "h", "not positive"), (3_000, "mo", "not hours"), (float("nan"), "h", "nan")])
def test_a_price_of_a_part_must_be_positive_and_hourly(micro_usd: float, unit: str, why: str) -> None:
    (bad,) = Catalogue([sku("A3 Instance Core running in Americas", micro_usd, "OnDemand", unit)]).quarantined
    assert why in bad.reason.lower()


def test_other_products_are_no_parts() -> None:
    texts = ("Commitment v1: G2 Core in Americas for 1 Year", "Licensing Fee for Windows", "G2 Custom Instance Core running in Americas")
    assert not Catalogue([sku(text, 0, "OnDemand", "h") for text in texts]).quarantined


async def test_quotas_are_gpus_and_our_own_nodes_are_not_counted_as_used(gcp: PlayedGcp) -> None:
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


async def test_launch_find_terminate(gcp: PlayedGcp) -> None:
    source = account(gcp)
    assert source.launcher is not None
    node = await source.launcher.launch(await request(source))
    assert (node.running, node.launch_token, node.region, node.zone) == (True, "Token_1", "us-central1", "us-central1-a")
    (machine,) = gcp.estate.running
    scheduling = json.loads(machine.words["order"])["scheduling"]
    assert (scheduling["provisioningModel"], scheduling["instanceTerminationAction"]) == ("SPOT", "DELETE")
    assert await source.launcher.launch(await request(source)) == node
    assert await source.launcher.find("Token_1") == (node,)
    assert await source.launcher.find("Token_2") == ()
    await source.launcher.terminate(node)
    await source.launcher.terminate(node)
    assert await source.launcher.list_nodes() == ()


async def test_a_token_stays_one_machine_after_google_has_forgotten_the_request(gcp: PlayedGcp) -> None:
    source = account(gcp)
    assert source.launcher is not None
    node = await source.launcher.launch(await request(source))
    gcp.estate.running[0].words["token"] = "forgotten"
    assert await source.launcher.launch(await request(source)) == node
    assert len(gcp.estate.running) == 1


@pytest.mark.parametrize("code", ["ZONE_RESOURCE_POOL_EXHAUSTED", "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", "RESOURCE_NOT_READY"])
async def test_a_stockout_of_the_finished_operation_is_a_stockout(gcp: PlayedGcp, code: str) -> None:
    source = account(gcp)
    assert source.launcher is not None
    order = await request(source)
    gcp.failure = {"error": {"errors": [{"code": code, "message": "not enough resources"}]}, "httpErrorStatusCode": 503}
    with pytest.raises(StockoutError) as told:
        await source.launcher.launch(order)
    assert told.value.code == code
    assert not gcp.estate.running


async def test_an_operation_that_cannot_be_followed_leaves_the_launch_open(gcp: PlayedGcp) -> None:
    source = account(gcp)
    assert source.launcher is not None
    order = await request(source)
    gcp.vendor.refuse["/operations/"] = [refused(401)]
    with pytest.raises(TransientError, match="cannot be followed"):
        await source.launcher.launch(order)
    assert [node.running for node in await source.launcher.find("Token_1")] == [True]


async def test_a_quota_of_the_finished_operation_is_a_quota(gcp: PlayedGcp) -> None:
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
async def test_a_refused_launch_is_sent_once_and_told_apart(gcp: PlayedGcp, status: int, reason: str, error: type[Exception]) -> None:
    source = account(gcp)
    assert source.launcher is not None
    order = await request(source)
    gcp.vendor.refuse["POST /compute"] = [refused(status, reason)] * 3
    with pytest.raises(error):
        await source.launcher.launch(order)
    assert gcp.vendor.calls["POST /compute"] == 1


def test_an_unknown_reason_is_judged_by_its_status() -> None:
    assert type(ERRORS.error("", 404, "")) is NotFoundError
    assert type(ERRORS.error("novelty", 500, "")) is TransientError
    assert type(ERRORS.error("novelty", 409, "")) is ProviderDataError


async def test_a_token_that_has_ended_is_an_auth_error_that_names_the_variable(gcp: PlayedGcp) -> None:
    with pytest.raises(AuthError, match="GOOGLE_OAUTH_ACCESS_TOKEN"):
        await pages(account(gcp, environ={**gcp.environ(), "GOOGLE_OAUTH_ACCESS_TOKEN": "ended"}))


async def test_no_credentials_is_an_auth_error(gcp: PlayedGcp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent")
    with pytest.raises(AuthError):
        await pages(account(gcp, environ={}))


async def test_no_key_for_the_catalogue_is_an_auth_error_that_names_the_variable(gcp: PlayedGcp) -> None:
    environ = {name: value for name, value in gcp.environ().items() if name != "GOOGLE_API_KEY"}
    with pytest.raises(AuthError, match="GOOGLE_API_KEY"):
        await pages(account(gcp, environ=environ))


def test_plain_http_to_another_machine_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="loopback"):
        provider(ProviderSettings("gcp", "gcp", endpoint="http://203.0.113.5"), {}, lambda: NOW, NoPace())


async def test_a_launch_without_an_image_says_what_to_set(gcp: PlayedGcp) -> None:
    source = account(gcp, image="")
    assert source.launcher is not None
    with pytest.raises(InvalidInputError, match=r"options\.image"):
        await source.launcher.launch(await request(source))
