"""``headrace providers check``: a plain verdict per capability, and the missing permission by its exact name."""

from __future__ import annotations

import pytest

from scheduler.bootstrap.check import Outcome, check_provider, missing_permission
from simulations.vendors.proof import fake_of
from simulations.vendors.server import Trouble
from simulations.vendors.trial import trial


async def test_everything_that_works_is_told_with_counts_and_nothing_is_launched() -> None:
    async with trial(fake_of("verda")) as one:
        verdicts = {verdict.capability: verdict for verdict in await check_provider(one.provider)}
        assert not one.fake.estate.machines
    assert verdicts["prices and stock"].outcome is Outcome.WORKS
    assert "24 offers" in verdicts["prices and stock"].detail
    assert verdicts["machines (list only)"].detail == "0 machines of ours"
    assert verdicts["quotas and reservations"].outcome is Outcome.NOT_OFFERED


async def test_wrong_credentials_are_denied_and_a_region_that_is_down_fails() -> None:
    async with trial(fake_of("scaleway")) as one:
        one.trouble(Trouble.UNAVAILABLE, lambda asked: one.fake.region_of(asked) == "fr-par-2")
        (offers, *_) = await check_provider(one.provider)
        assert offers.outcome is Outcome.FAILS
        assert "1 of 3 regions failed" in offers.detail
        one.server.mischief.clear()
        one.trouble(Trouble.UNAUTHORISED, one.fake.is_read)
        (offers, *_) = await check_provider(one.provider)
        assert offers.outcome is Outcome.DENIED


@pytest.mark.parametrize(
    ("message", "permission"),
    [
        ("User: arn:aws:iam::1:user/h is not authorized to perform: ec2:DescribeInstanceTypes because no", "ec2:DescribeInstanceTypes"),
        ("Required 'compute.machineTypes.list' permission for 'projects/p'", "compute.machineTypes.list"),
        ("does not have authorization to perform action 'Microsoft.Compute/skus/read' over scope", "Microsoft.Compute/skus/read"),
        ("quota exceeded", ""),
    ],
)
def test_the_missing_permission_is_named_as_the_cloud_names_it(message: str, permission: str) -> None:
    assert missing_permission(message) == permission
