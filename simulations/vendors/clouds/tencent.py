"""Tencent Cloud, played: one address for every action, errors inside HTTP 200, yuan, stock in words, instances that fail later."""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import reduce
from typing import Any

from scheduler.domain.offer import Availability, StockBucket
from scheduler.domain.ports import ProviderSettings
from simulations.vendors.estate import Machine, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, Product, RefusedError, Seen, timely
from simulations.vendors.server import Route

KEY_ID, SECRET = "AKIDfake", "fake-secret"
REGIONS = ("ap-guangzhou", "ap-singapore")
USD_PER_YUAN = 0.125
PAGE_SIZE_MAX = 100
CODES = {401: "AuthFailure.SecretIdNotFound", 429: "RequestLimitExceeded"}
GONE = "UnsupportedOperation.InstanceStateTerminated"
REFUSALS = {
    Refusal.STOCKOUT: ("ResourceInsufficient.SpecifiedInstanceType", "The specified instance type is understocked."),
    Refusal.QUOTA: ("LimitExceeded.InstanceQuota", "The number of instances exceeds the quota."),
}
BUCKETS = {"EnoughStock": StockBucket.HIGH, "NormalStock": StockBucket.MEDIUM, "UnderStock": StockBucket.LOW}
SPOT = "SPOTPAID"


class Tencent(Fake):
    """``cvm.tencentcloudapi.com``, the Chinese site. The GPU of a product is its instance family: Tencent tells no other."""

    kind = "tencent"
    scalable = True
    sdk = "tencentcloud-sdk-python-cvm"
    schema = "models of the SDK"
    regional = True
    signed = True
    late_stockouts = True

    @classmethod
    def products(cls) -> Sequence[Product]:
        return (
            Product("GT4.41XLARGE948", "GT4", 8, 40, 164, 948, 28.0, {"ap-guangzhou-4": 12, "ap-singapore-3": 0}, 8.5),
            Product("GN7.2XLARGE32", "GN7", 1, 16, 8, 32, 1.125, {"ap-guangzhou-4": 3, "ap-guangzhou-6": 1, "ap-singapore-3": 4}, 0.25),
            Product("PNV4.14XLARGE232", "PNV4", 2, 24, 56, 232, 3.5, {"ap-guangzhou-6": 0}),
            Product("GN10Xp.2XLARGE40", "GN10Xp", 1, 32, 10, 40, 2.25, {"ap-singapore-3": 1}, 0.625),
            Product("GN8.LARGE56", "GN8", 1, 24, 6, 56, 1.5, {"ap-guangzhou-4": 2}),
        )

    def settings(self, url: str) -> ProviderSettings:
        options = {"site": "china", "usd_per_cny": str(USD_PER_YUAN), "image": "img-fake", "ssh_keys": "skey-fake"}
        return ProviderSettings("tencent", "tencent", account="main", endpoint=url, regions=REGIONS, options=options)

    def environ(self) -> Mapping[str, str]:
        return {"TENCENTCLOUD_SECRET_ID": KEY_ID, "TENCENTCLOUD_SECRET_KEY": SECRET}

    def routes(self) -> list[Route]:
        return [("POST", "/", self._act)]

    def spoilt(self, status: int) -> Answer:
        return _error(CODES.get(status, "InternalError"), "The service says no.")

    def is_launch(self, asked: Asked) -> bool:
        return _action(asked) == "RunInstances"

    def is_release(self, asked: Asked) -> bool:
        return _action(asked) == "TerminateInstances"

    def region_of(self, asked: Asked) -> str:
        return asked.headers.get("x-tc-region", "")

    def _act(self, asked: Asked) -> Answer:
        refusal = _unsigned(asked)
        if refusal:
            return _error(refusal, "The provided credentials could not be validated.")
        if self.region_of(asked) not in REGIONS:
            return _error("UnsupportedRegion", f"API does not support the requested region {self.region_of(asked)}.")
        actions = {
            "DescribeZoneInstanceConfigInfos": self._configurations,
            "DescribeInstances": self._instances,
            "RunInstances": self._run,
            "TerminateInstances": self._terminate,
        }
        return actions[_action(asked)](asked)

    # what is sold ---------------------------------------------------------------------------------------------------------------

    def _configurations(self, asked: Asked) -> Answer:
        wanted = _filters(asked)["instance-charge-type"]
        sold = [*self.estate.products, Product("S5.LARGE8", "S5", 0, 0, 2, 8, 0.0625, {f"{self.region_of(asked)}-3": 99}, 0.0125)]
        found = [
            _configuration(product, zone, paid)
            for product in sold
            for zone in product.stock
            for paid in wanted
            if zone.startswith(self.region_of(asked)) and (paid != SPOT or product.spot_usd_per_h is not None)
        ]
        return _answer(InstanceTypeQuotaSet=found)

    # machines -------------------------------------------------------------------------------------------------------------------

    def _instances(self, asked: Asked) -> Answer:
        ((name, values),) = _filters(asked).items()
        key = name.removeprefix("tag:")
        if asked.body["Limit"] > PAGE_SIZE_MAX or (name != "tag-key" and key == name):
            return _error("InvalidParameterValue", "Limit or Filters are not what this fake plays.")
        listed = [machine for machine in self.estate.machines.values() if machine.running or machine.failed]
        found = [
            self._instance(machine)
            for machine in listed
            if machine.place.startswith(self.region_of(asked))
            and (values == [machine.words["tag_key"]] if name == "tag-key" else [machine.words["tag_value"]] == values)
        ]
        start = asked.body["Offset"]
        return _answer(TotalCount=len(found), InstanceSet=found[start : start + asked.body["Limit"]])

    def _instance(self, machine: Machine) -> dict[str, Any]:
        product = self.estate.product(machine.product)
        return {
            "Placement": {"Zone": machine.place, "ProjectId": 0, "HostId": None},
            "InstanceId": _instance_id(machine.id),
            "InstanceType": machine.product,
            "CPU": product.vcpus,
            "Memory": product.memory_gib,
            "RestrictState": "NORMAL",
            "InstanceName": machine.words["name"],
            "InstanceChargeType": machine.words["paid"],
            "PrivateIpAddresses": None if machine.failed else ["10.0.0.7"],
            "PublicIpAddresses": None,
            "CreatedTime": "2026-01-01T00:00:00Z",
            "ExpiredTime": None,
            "InstanceState": "LAUNCH_FAILED" if machine.failed else "RUNNING",
            "Tags": [{"Key": machine.words["tag_key"], "Value": machine.words["tag_value"]}],
            "GPUInfo": {"GPUCount": float(product.gpus), "GPUId": ["0"], "GPUType": "NVIDIA"},
        }

    def _run(self, asked: Asked) -> Answer:
        order, zone = asked.body, asked.body["Placement"]["Zone"]
        spot = order["InstanceChargeType"] == SPOT
        product = self.estate.product(order["InstanceType"])
        if not zone.startswith(self.region_of(asked)) or zone not in product.stock:
            return _error("ResourceNotFound.InvalidZoneInstanceType", "The specified availability zone does not support this type.")
        if spot and product.spot_usd_per_h is None:
            return _error("UnsupportedOperation.NoInstanceTypeSupportSpot", "This instance type does not support spot billing.")
        if order["InstanceCount"] != 1 or not order["ImageId"].startswith("img-") or not base64.b64decode(order["UserData"], validate=True):
            return _error("InvalidParameterValue", "InstanceCount, ImageId or UserData is not valid.")
        ((tag,),) = (specification["Tags"] for specification in order["TagSpecification"] if specification["ResourceType"] == "instance")
        words = {"name": order["InstanceName"], "paid": order["InstanceChargeType"], "tag_key": tag["Key"], "tag_value": tag["Value"]}
        try:
            machine = self.estate.create(product.name, zone, spot=spot, words=words, token=order.get("ClientToken", ""))
        except RefusedError as refused:
            return _error(*REFUSALS[refused.refusal])
        return _answer(InstanceIdSet=[_instance_id(machine.id)])

    def _terminate(self, asked: Asked) -> Answer:
        named = {_instance_id(machine.id): machine for machine in self.estate.machines.values()}
        for instance in asked.body["InstanceIds"]:
            if instance not in named:
                return _error("InvalidInstanceId.NotFound", f"The instance {instance} does not exist.")
            if not self.estate.delete(named[instance].id):
                return _error(GONE, f"Instance {instance} in the TERMINATED state does not support this operation.")
        return _answer()

    # the vendor's own view ------------------------------------------------------------------------------------------------------

    def check(self, asked: Asked, answer: Answer) -> None:
        """The SDK's models read our request and the fake's answer, and must find every field in them."""
        from tencentcloud.cvm.v20170312 import models  # type: ignore[import-untyped]

        _known(getattr(models, f"{_action(asked)}Request")(), asked.body)
        if "Error" not in answer.body["Response"]:
            _known(getattr(models, f"{_action(asked)}Response")(), answer.body["Response"])

    def read_with_sdk(self, url: str) -> Iterable[Seen]:
        from tencentcloud.common.credential import Credential  # type: ignore[import-untyped]
        from tencentcloud.common.profile.client_profile import ClientProfile  # type: ignore[import-untyped]
        from tencentcloud.common.profile.http_profile import HttpProfile  # type: ignore[import-untyped]
        from tencentcloud.cvm.v20170312 import cvm_client, models

        profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=url.removeprefix("http://")))
        request = models.DescribeZoneInstanceConfigInfosRequest()
        paid = models.Filter()
        paid.Name, paid.Values = "instance-charge-type", ["POSTPAID_BY_HOUR", SPOT]
        request.Filters = [paid]
        for region in REGIONS:
            client = cvm_client.CvmClient(Credential(KEY_ID, SECRET), region, profile)
            for row in client.DescribeZoneInstanceConfigInfos(request).InstanceTypeQuotaSet:
                if row.Gpu:
                    stock = BUCKETS[row.StatusCategory] if row.Status == "SELL" else StockBucket.NONE
                    price = round(row.Price.UnitPriceDiscount * USD_PER_YUAN * 1_000_000)
                    spot = row.InstanceChargeType == SPOT
                    yield Seen(row.InstanceType, row.Zone, spot, price, Availability.of_bucket(stock).text())


def _known(model: Any, body: Mapping[str, Any]) -> None:
    """Raises AssertionError where a model of the SDK leaves out something that it was given."""
    model._deserialize(body)
    kept, given = model._serialize(), _without_nulls(body)
    assert kept == given, f"{type(model).__name__} keeps {kept} of {given}"


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nulls(part) for name, part in value.items() if part is not None}
    return [_without_nulls(part) for part in value] if isinstance(value, list) else value


def _unsigned(asked: Asked) -> str:
    """The code of a refusal, "" where the signature is right; checked from its definition, apart from the adapter's code."""
    stamp = datetime.fromtimestamp(int(asked.headers.get("x-tc-timestamp", "0")), UTC)
    if not timely(stamp):
        return "AuthFailure.SignatureExpire"
    day = f"{stamp:%Y-%m-%d}"
    hashed = [hashlib.sha256(asked.raw).hexdigest()]
    heads = f"content-type:{asked.headers['content-type']}\nhost:{asked.headers['host']}\n"
    canonical = "\n".join([asked.method, asked.path, "", heads, "content-type;host", *hashed])
    scope = f"{day}/cvm/tc3_request"
    text = f"TC3-HMAC-SHA256\n{int(stamp.timestamp())}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = reduce(lambda key, part: hmac.new(key, part.encode(), hashlib.sha256).digest(), scope.split("/"), f"TC3{SECRET}".encode())
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    expected = f"TC3-HMAC-SHA256 Credential={KEY_ID}/{scope}, SignedHeaders=content-type;host, Signature={signature}"
    return "" if asked.headers.get("authorization") == expected else "AuthFailure.SignatureFailure"


def _action(asked: Asked) -> str:
    return asked.headers.get("x-tc-action", "")


def _filters(asked: Asked) -> dict[str, list[str]]:
    return {each["Name"]: each["Values"] for each in asked.body["Filters"]}


def _answer(**parts: Any) -> Answer:
    return Answer({"Response": {**parts, "RequestId": "c28559ca-d3cf-40f0-9664-000000000000"}})


def _error(code: str, message: str) -> Answer:
    return _answer(Error={"Code": code, "Message": message})


def _instance_id(machine: str) -> str:
    return f"ins-{machine[:8]}"


def _configuration(product: Product, zone: str, paid: str) -> dict[str, Any]:
    left = product.stock[zone]
    category = "EnoughStock" if left > 9 else "NormalStock" if left > 1 else "UnderStock" if left else "WithoutStock"
    dollars = product.spot_usd_per_h if paid == SPOT and product.spot_usd_per_h is not None else product.usd_per_h
    yuan, full = dollars / USD_PER_YUAN, product.usd_per_h / USD_PER_YUAN
    return {
        "Zone": zone,
        "InstanceType": product.name,
        "InstanceChargeType": paid,
        "NetworkCard": 25,
        "Externals": {},
        "Cpu": product.vcpus,
        "Memory": product.memory_gib,
        "InstanceFamily": product.gpu,
        "TypeName": f"GPU Computing {product.gpu}",
        "LocalDiskTypeList": [],
        "Status": "SELL" if left else "SOLD_OUT",
        "Price": {
            "UnitPrice": full,
            "ChargeUnit": "HOUR",
            "UnitPriceDiscount": yuan,
            "Discount": 100.0 if math.isnan(yuan) or full == 0 else round(100 * yuan / full, 2),
        },
        "SoldOutReason": "" if left else "ResourcesSoldOut.SpecifiedInstanceType",
        "InstanceBandwidth": 10.0,
        "InstancePps": 120,
        "StorageBlockAmount": 0,
        "CpuType": "Intel Xeon Platinum 8255C",
        "Gpu": product.gpus,
        "GpuCount": float(product.gpus),
        "Fpga": 0,
        "Remark": "",
        "Frequency": "2.5GHz/3.1GHz",
        "StatusCategory": category,
    }
