"""The policies grant what the adapters call, and nothing that no call needs."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from providers.aws import launch as aws_launch
from providers.aws import transport as aws
from providers.azure import transport as azure
from providers.gcp import transport as gcp

POLICIES = Path(__file__).parents[3] / "deploy" / "policies"

AWS = {
    "regions": {"ec2:DescribeRegions"},
    "instance_types": {"ec2:DescribeInstanceTypes"},
    "offerings": {"ec2:DescribeInstanceTypeOfferings"},
    "spot_prices": {"ec2:DescribeSpotPriceHistory"},
    "reservations": {"ec2:DescribeCapacityReservations"},
    "instances": {"ec2:DescribeInstances"},
    "price_list": {"pricing:GetProducts"},
    "quotas": {"servicequotas:ListServiceQuotas"},
    "run_instance": {"ec2:RunInstances", "ec2:CreateTags"},
    "terminate": {"ec2:TerminateInstances"},
    "messages": {"sqs:ReceiveMessage"},
    "delete_messages": {"sqs:DeleteMessage"},
}
GCP = {
    "machine_types": {"compute.machineTypes.list"},
    "instances": {"compute.instances.list"},
    "region_quotas": {"compute.regions.list"},
    "insert": {
        "compute.instances.create", "compute.instances.setLabels", "compute.instances.setMetadata", "compute.instances.setServiceAccount",
        "compute.disks.create", "compute.images.useReadOnly", "compute.subnetworks.use", "compute.zoneOperations.get",
    },
    "spot_advice": {"compute.advice.capacity"},
    "get": {"compute.instances.get"},
    "delete": {"compute.instances.delete"},
}  # fmt: skip
AZURE = {
    "skus": {"Microsoft.Compute/skus/read"},
    "usage": {"Microsoft.Compute/locations/usages/read"},
    "machines": {"Microsoft.Compute/virtualMachines/read"},
    "create": {
        "Microsoft.Compute/virtualMachines/write", "Microsoft.Compute/locations/operations/read", "Microsoft.Compute/disks/write",
        "Microsoft.Compute/images/read", "Microsoft.Compute/galleries/images/versions/read", "Microsoft.Network/networkInterfaces/write",
        "Microsoft.Network/networkInterfaces/join/action", "Microsoft.Network/virtualNetworks/subnets/join/action",
    },
    "delete": {
        "Microsoft.Compute/virtualMachines/delete", "Microsoft.Compute/disks/delete", "Microsoft.Network/networkInterfaces/delete",
    },
}  # fmt: skip


def read(name: str) -> Any:
    return yaml.safe_load((POLICIES / name).read_text(encoding="utf-8"))


def statements() -> dict[str, dict[str, Any]]:
    return {each["Sid"]: each for each in json.loads((POLICIES / "aws.json").read_text(encoding="utf-8"))["Statement"]}


def actions(statement: dict[str, Any]) -> set[str]:
    found = statement["Action"]
    return {found} if isinstance(found, str) else set(found)


def calls_of(api: type) -> set[str]:
    """What an adapter can ask of its cloud: the public methods of its transport."""
    return {name for name, _ in inspect.getmembers(api, inspect.isfunction) if not name.startswith("_")}


def granted(policy: str) -> set[str]:
    match policy:
        case "aws":
            return set().union(*(actions(each) for each in statements().values()))
        case "gcp":
            return set(read("gcp-role.yaml")["includedPermissions"])
    return {action for name in ("azure-read-role.json", "azure-role.json") for action in read(name)["Actions"]}


def test_the_tables_name_every_call_of_the_adapters() -> None:
    assert calls_of(aws.AwsApi) == set(AWS)
    assert calls_of(gcp.GcpApi) == set(GCP)
    assert calls_of(azure.AzureApi) == set(AZURE)


@pytest.mark.parametrize(("policy", "calls"), [("aws", AWS), ("gcp", GCP), ("azure", AZURE)])
def test_every_call_is_allowed_and_nothing_else(policy: str, calls: dict[str, set[str]]) -> None:
    assert granted(policy) == set().union(*calls.values())
    assert not [action for action in granted(policy) if "*" in action]


def test_aws_launches_and_releases_only_what_carries_our_tag() -> None:
    found = statements()
    tag = aws_launch.TOKEN_TAG
    made = found["LaunchTagged"]
    assert made["Condition"] == {"Null": {f"aws:RequestTag/{tag}": "false"}}
    assert {arn.rsplit(":", 1)[-1] for arn in made["Resource"]} == {"instance/*", "volume/*"}
    assert found["ReleaseTagged"]["Condition"] == {"Null": {f"aws:ResourceTag/{tag}": "false"}}
    assert found["TagAtLaunch"]["Condition"] == {"StringEquals": {"ec2:CreateAction": "RunInstances"}}
    free = [each for each in found.values() if "Condition" not in each]
    assert {action for each in free for action in actions(each)} & {"ec2:TerminateInstances", "ec2:CreateTags"} == set()
    assert not {"instance/*", "volume/*"} & {arn.rsplit(":", 1)[-1] for arn in found["LaunchFrom"]["Resource"]}


def test_what_reaches_the_whole_azure_subscription_only_reads() -> None:
    assert all(action.endswith("/read") for action in read("azure-read-role.json")["Actions"])


def test_the_readme_says_what_each_permission_serves() -> None:
    text = (POLICIES / "README.md").read_text(encoding="utf-8")
    for policy in ("aws", "gcp", "azure"):
        for action in granted(policy):
            told = action.removeprefix("Microsoft.")
            shortened = "." + action.rsplit(".", 1)[-1], "…/" + told.split("/", 2)[-1]
            assert any(f"`{words}`" in text for words in (told, *shortened)), action
