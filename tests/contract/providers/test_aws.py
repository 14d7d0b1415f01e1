"""AWS through boto3 against moto, extended."""

from __future__ import annotations

from dataclasses import replace

import pytest
from vendor_aws import NOW, Extension, account, offer, pages, request

from providers.aws import provider
from scheduler.domain.errors import (
    AuthError,
    InvalidInputError,
    ProviderDataError,
    QuotaExceededError,
    RateLimitedError,
    StockoutError,
    TransientError,
)
from scheduler.domain.offer import CapacityType, QuotaUnit
from scheduler.domain.ports import ProviderSettings
from simulations.vendors.clouds.aws import Aws
from simulations.vendors.fake import Answer, Asked, system_clock
from simulations.vendors.trial import NoPace


async def test_offers_are_types_times_zones_at_list_and_spot_prices(aws: Extension) -> None:
    (page,) = await pages(account())
    assert (page.scope, page.complete, page.error) == ("us-east-1", True, "")
    on_demand = [each for each in page.offers if each.capacity_type is CapacityType.ON_DEMAND]
    assert {each.instance_type.name for each in on_demand} == {"g6.xlarge", "p5.48xlarge"}
    assert len({each.zone for each in on_demand if each.instance_type.name == "g6.xlarge"}) > 1
    (spot,) = (each for each in page.offers if each.capacity_type is CapacityType.SPOT)
    assert (spot.zone, spot.price_micro_usd_per_h, spot.notice_s) == ("us-east-1a", 321_900, 120)
    assert (spot.instance_type.accelerator, spot.jurisdiction, spot.account) == ("L4-24GB-PCIe", "US", "main")


async def test_nonsense_is_quarantined_and_the_poll_kept(aws: Extension) -> None:
    (page,) = await pages(account())
    reasons = {row.row: row.reason for row in page.quarantined}
    assert "not finite" in reasons["on-demand g5.xlarge"]
    assert "not positive" in reasons["on-demand g6.2xlarge"]
    assert "JSONDecodeError" in reasons["on-demand ?"]
    assert "not positive" in reasons["spot g6.xlarge us-east-1b"]


async def test_one_region_down_does_not_end_the_walk(aws: Extension) -> None:
    aws.refuse["DescribeInstanceTypes"] = (503, "ServiceUnavailable")
    down = await pages(account("us-east-1", "eu-west-1"))
    assert [(page.scope, page.complete, bool(page.error)) for page in down] == [("us-east-1", False, True), ("eu-west-1", False, True)]


async def test_quotas_are_vcpus_by_family_and_purchase(aws: Extension) -> None:
    source = account()
    assert source.limits is not None
    limits = await source.limits.read_limits()
    assert {(quota.family, quota.unit, quota.limit, quota.capacity_types) for quota in limits.quotas} == {
        ("G", QuotaUnit.VCPU, 64, (CapacityType.ON_DEMAND,)),
        ("G", QuotaUnit.VCPU, 16, (CapacityType.SPOT,)),
        ("P", QuotaUnit.VCPU, 192, (CapacityType.ON_DEMAND,)),
        ("P5", QuotaUnit.VCPU, 192, (CapacityType.ON_DEMAND,)),
    }
    (reservation,) = limits.reservations
    assert (reservation.id, reservation.count, reservation.holds_at(NOW)) == ("cr-1", 2, True)
    covered = await offer(source)
    assert [quota.limit for quota in limits.quotas if quota.covers(covered)] == [64]


@pytest.mark.parametrize("capacity", [CapacityType.ON_DEMAND, CapacityType.SPOT])
async def test_launch_find_terminate(aws: Extension, capacity: CapacityType) -> None:
    source = account()
    assert source.launcher is not None
    node = await source.launcher.launch(await request(source, capacity=capacity))
    assert (node.running, node.launch_token, node.zone) == (True, "token-1", "us-east-1a")
    assert [each.provider_node_id for each in await source.launcher.find("token-1")] == [node.provider_node_id]
    assert len(await source.launcher.list_nodes()) == 1
    await source.launcher.terminate(node)
    await source.launcher.terminate(node)
    assert all(not each.running for each in await source.launcher.find("token-1"))
    await source.launcher.terminate(replace(node, provider_node_id="i-0123456789abcdef0"))


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (500, "InsufficientInstanceCapacity", StockoutError),
        (400, "VcpuLimitExceeded", QuotaExceededError),
        (400, "MaxSpotInstanceCountExceeded", QuotaExceededError),
        (503, "RequestLimitExceeded", RateLimitedError),
        (403, "UnauthorizedOperation", AuthError),
        (401, "AuthFailure", AuthError),
        (503, "Unavailable", TransientError),
        (500, "SomethingNew", TransientError),
        (400, "InvalidParameterValue", ProviderDataError),
    ],
)
async def test_a_refused_launch_is_sent_once_and_told_apart(aws: Extension, status: int, code: str, error: type[Exception]) -> None:
    source = account()
    assert source.launcher is not None
    order = await request(source)
    aws.refuse["RunInstances"] = (status, code)
    with pytest.raises(error) as refused:
        await source.launcher.launch(order)
    assert refused.value.__cause__ is not None
    assert aws.calls["RunInstances"] == 1


async def test_bad_credentials_end_the_walk(aws: Extension) -> None:
    aws.refuse["DescribeInstanceTypes"] = (401, "AuthFailure")
    with pytest.raises(AuthError):
        await pages(account())


async def test_no_credentials_is_an_auth_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(AuthError):
        await pages(account())


async def test_a_launch_without_an_image_says_what_to_set(aws: Extension) -> None:
    source = account(image="")
    assert source.launcher is not None
    with pytest.raises(InvalidInputError, match=r"options\.image\.us-east-1"):
        await source.launcher.launch(await request(source))


def test_plain_http_to_another_machine_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="loopback"):
        provider(ProviderSettings("aws", "aws", endpoint="http://203.0.113.5"), {}, lambda: NOW, NoPace())


class TokensHeard(Aws):
    """The fake of the proofs; keeps the session tokens that it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: set[str] = set()

    def _answer(self, asked: Asked) -> Answer:
        self.tokens.add(asked.headers.get("x-amz-security-token", ""))
        return super()._answer(asked)


async def test_keys_and_session_token_of_the_environment_are_signed_and_sent() -> None:
    fake = TokensHeard()
    with fake.serve() as server:
        settings = replace(fake.settings(server.url), regions=("us-east-1",))
        source = provider(settings, {**fake.environ(), "AWS_SESSION_TOKEN": "fake-session"}, system_clock, NoPace())
        (page,) = await pages(source)
    assert (page.complete, fake.tokens, server.violations) == (True, {"fake-session"}, [])
    assert {each.instance_type.accelerator for each in page.offers if each.instance_type.name == "inf2.xlarge"} == {"Inferentia2-32GB"}
