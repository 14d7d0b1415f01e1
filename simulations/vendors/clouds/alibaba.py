"""Alibaba Cloud, played: types everywhere the same, stock and prices by region in calls of their own, yuan, parameters in the query."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from scheduler.domain.offer import Availability, StockBucket
from scheduler.domain.ports import ProviderSettings
from simulations.vendors.estate import Machine, PageExpiredError, Refusal
from simulations.vendors.fake import Answer, Asked, Fake, Product, RefusedError, Seen, timely
from simulations.vendors.server import Route

KEY_ID, SECRET = "LTAIfake", "fake-secret"
REGIONS = ("ap-southeast-1", "cn-hangzhou")
USD_PER_YUAN = 0.125
DISK_YUAN = 0.0625
PAGE_SIZE_MAX = 3
WORDS = {"WithStock": StockBucket.HIGH, "ClosedWithStock": StockBucket.LOW, "WithoutStock": StockBucket.NONE}
SPOILT = {
    401: (404, "InvalidAccessKeyId.NotFound"),
    429: (400, "Throttling.User"),
    500: (500, "InternalError"),
    503: (503, "ServiceUnavailable"),
}
REFUSALS = {
    Refusal.STOCKOUT: ("OperationDenied.NoStock", "The requested resource is sold out in the specified zone."),
    Refusal.QUOTA: ("QuotaExceed.ElasticQuota", "No additional quota is available for the specified ECS instance type."),
}
WANTED_IN_SIGNATURE = {"host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version"}


class Alibaba(Fake):
    """``ecs.<region>.aliyuncs.com`` of several regions behind one address, on the Chinese site."""

    kind = "alibaba"
    sdk = "alibabacloud-ecs20140526"
    schema = "models of the SDK"
    paged = True
    regional = True
    signed = True

    @classmethod
    def products(cls) -> Sequence[Product]:
        return (
            Product("ecs.gn6e-c12g1.24xlarge", "NVIDIA V100", 8, 32, 96, 736, 22.0, {"cn-hangzhou-i": 9, "ap-southeast-1a": 0}, 4.5),
            Product(
                "ecs.gn7i-c8g1.2xlarge",
                "NVIDIA A10",
                1,
                24,
                8,
                30,
                1.25,
                {"cn-hangzhou-i": 1, "cn-hangzhou-j": 5, "ap-southeast-1a": 3},
                0.25,
            ),
            Product("ecs.gn6i-c4g1.xlarge", "NVIDIA T4", 1, 16, 4, 15, 0.75, {"ap-southeast-1b": 0}),
            Product("ecs.gn8is.2xlarge", "NVIDIA L20", 1, 48, 8, 64, 2.0, {"ap-southeast-1b": 1}, 0.5),
            Product("ecs.gn6v-c8g1.2xlarge", "NVIDIA V100", 1, 16, 8, 32, 1.5, {"cn-hangzhou-j": 4}),
        )

    def settings(self, url: str) -> ProviderSettings:
        options = {"usd_per_cny": str(USD_PER_YUAN), "image": "ubuntu_22_04_x64_20G_gpu.vhd", "ssh_key": "ops"}
        for region in REGIONS:
            options |= {
                f"security_group_{region}": f"sg-{region}",
                **{f"vswitch_{region}{zone}": "vsw-fake" for zone in ("a", "b", "-i", "-j")},
            }
        return ProviderSettings("alibaba", "alibaba", account="main", endpoint=url, options=options)

    def environ(self) -> Mapping[str, str]:
        return {"ALIBABA_CLOUD_ACCESS_KEY_ID": KEY_ID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": SECRET}

    def routes(self) -> list[Route]:
        return [("POST", "/", self._act)]

    def spoilt(self, status: int) -> Answer:
        return _error(*SPOILT[status], "The service says no.")

    def is_launch(self, asked: Asked) -> bool:
        return _action(asked) == "RunInstances"

    def is_release(self, asked: Asked) -> bool:
        return _action(asked) == "DeleteInstance"

    def region_of(self, asked: Asked) -> str:
        return asked.query.get("RegionId", "")

    def _act(self, asked: Asked) -> Answer:
        refusal = _unsigned(asked)
        if refusal:
            return _error(400, refusal, "Specified signature or time stamp is not valid.")
        if self.region_of(asked) not in ("", *REGIONS):
            return _error(404, "InvalidRegionId.NotFound", "The specified RegionId does not exist.")
        actions: dict[str, Callable[[Asked], Answer]] = {
            "DescribeRegions": self._regions,
            "DescribeInstanceTypes": self._types,
            "DescribeAvailableResource": self._available,
            "DescribePrice": self._price,
            "DescribeSpotPriceHistory": self._spot_history,
            "DescribeInstances": self._instances,
            "RunInstances": self._run,
            "DeleteInstance": self._delete,
        }
        return actions[_action(asked)](asked)

    # what is sold ---------------------------------------------------------------------------------------------------------------

    def _regions(self, asked: Asked) -> Answer:
        found = [
            {"RegionId": name, "RegionEndpoint": f"ecs.{name}.aliyuncs.com", "LocalName": name, "Status": "available"} for name in REGIONS
        ]
        return _answer(Regions={"Region": found})

    def _types(self, asked: Asked) -> Answer:
        sold = [each for each in self.estate.products if each.gpus >= int(asked.query["MinimumGPUAmount"])]
        return self._page([_type(product) for product in sold], asked, lambda found: {"InstanceTypes": {"InstanceType": found}})

    def _page(self, rows: list[Any], asked: Asked, worded: Callable[[list[Any]], dict[str, Any]]) -> Answer:
        size = min(PAGE_SIZE_MAX, int(asked.query["MaxResults"]))
        try:
            found, following = self.estate.page(rows, asked.query.get("NextToken", ""), size)
        except PageExpiredError:
            return _error(400, "InvalidParameter.NextToken", "The specified NextToken is invalid.")
        return _answer(**worded(found), NextToken=following)

    def _available(self, asked: Asked) -> Answer:
        spot = asked.query["SpotStrategy"] != "NoSpot"
        named = sorted({zone for product in self.estate.products for zone in product.stock if zone.startswith(self.region_of(asked))})
        zones = [self._zone(zone, self.region_of(asked), spot) for zone in named]
        closed = {
            "ZoneId": f"{self.region_of(asked)}-z",
            "RegionId": self.region_of(asked),
            "Status": "SoldOut",
            "StatusCategory": "WithoutStock",
        }
        return _answer(AvailableZones={"AvailableZone": [*zones, closed]})

    def _zone(self, zone: str, region: str, spot: bool) -> dict[str, Any]:
        sold = [each for each in self.estate.products if zone in each.stock and not (spot and each.spot_usd_per_h is None)]
        resources = [_resource("ecs.g7.large", 99), *(_resource(product.name, product.stock[zone]) for product in sold)]
        listed = [{"Type": "InstanceType", "SupportedResources": {"SupportedResource": resources}}]
        known = {"ZoneId": zone, "RegionId": region, "Status": "Available", "StatusCategory": "WithStock"}
        return {**known, "AvailableResources": {"AvailableResource": listed}}

    def _price(self, asked: Asked) -> Answer:
        if asked.query["ResourceType"] != "instance" or asked.query["PriceUnit"] != "Hour":
            return _error(400, "InvalidParameter", "The specified parameter is invalid.")
        yuan = self.estate.product(asked.query["InstanceType"]).usd_per_h / USD_PER_YUAN
        parts = [_part("instanceType", yuan), _part("systemDisk", DISK_YUAN)]
        whole = {"OriginalPrice": yuan + DISK_YUAN, "DiscountPrice": 0.0, "TradePrice": yuan + DISK_YUAN, "Currency": "CNY"}
        return _answer(PriceInfo={"Price": {**whole, "DetailInfos": {"DetailInfo": parts}}, "Rules": {"Rule": []}})

    def _spot_history(self, asked: Asked) -> Answer:
        if asked.query["NetworkType"] != "vpc":
            return _error(400, "InvalidNetworkType", "The specified NetworkType is not valid.")
        product = self.estate.product(asked.query["InstanceType"])
        now, before = (product.spot_usd_per_h or 0.0) / USD_PER_YUAN, product.usd_per_h / USD_PER_YUAN
        zones = [zone for zone in product.stock if zone.startswith(self.region_of(asked))]
        moments = (("2026-01-01T02:00:00Z", now), ("2026-01-01T01:00:00Z", before))
        found = [_spot_row(product, zone, stamp, yuan) for zone in zones for stamp, yuan in moments]
        return _answer(Currency="CNY", NextOffset=0, SpotPrices={"SpotPriceType": found})

    # machines -------------------------------------------------------------------------------------------------------------------

    def _instances(self, asked: Asked) -> Answer:
        key, value = asked.query["Tag.1.Key"], asked.query.get("Tag.1.Value")
        here = [each for each in self.estate.running if each.place.startswith(self.region_of(asked))]
        found = [each for each in here if each.words["tag_key"] == key and value in (None, each.words["tag_value"])]
        return self._page([self._instance(each) for each in found], asked, lambda rows: {"Instances": {"Instance": rows}})

    def _instance(self, machine: Machine) -> dict[str, Any]:
        product = self.estate.product(machine.product)
        return {
            "InstanceId": _instance_id(machine.id),
            "InstanceName": machine.words["name"],
            "InstanceType": machine.product,
            "RegionId": next(region for region in REGIONS if machine.place.startswith(region)),
            "ZoneId": machine.place,
            "Status": "Running",
            "GPUAmount": product.gpus,
            "GPUSpec": product.gpu,
            "InstanceChargeType": "PostPaid",
            "SpotStrategy": "SpotAsPriceGo" if machine.spot else "NoSpot",
            "Tags": {"Tag": [{"TagKey": machine.words["tag_key"], "TagValue": machine.words["tag_value"]}]},
            "VpcAttributes": {"VpcId": "vpc-fake", "VSwitchId": "vsw-fake", "PrivateIpAddress": {"IpAddress": ["10.0.0.7"]}},
            "CreationTime": "2026-01-01T00:00Z",
        }

    def _run(self, asked: Asked) -> Answer:
        order, zone = asked.query, asked.query["ZoneId"]
        product = self.estate.product(order["InstanceType"])
        spot = order["SpotStrategy"] == "SpotAsPriceGo"
        if not zone.startswith(order["RegionId"]) or zone not in product.stock or (spot and product.spot_usd_per_h is None):
            return _error(403, "Zone.NotOnSale", "The resource in the specified zone is no longer available for sale.")
        if order["SecurityGroupId"] != f"sg-{order['RegionId']}" or order["VSwitchId"] != "vsw-fake" or order["Amount"] != "1":
            return _error(404, "InvalidSecurityGroupId.NotFound", "The specified security group or vSwitch does not exist.")
        if not base64.b64decode(order["UserData"], validate=True):
            return _error(400, "InvalidUserData.Base64FormatInvalid", "The specified UserData must be base64 encoded.")
        words = {"name": order["InstanceName"], "tag_key": order["Tag.1.Key"], "tag_value": order["Tag.1.Value"]}
        try:
            machine = self.estate.create(product.name, zone, spot=spot, words=words, token=order.get("ClientToken", ""))
        except RefusedError as refused:
            return _error(403, *REFUSALS[refused.refusal])
        return _answer(InstanceIdSets={"InstanceIdSet": [_instance_id(machine.id)]}, TradePrice=0.5, OrderId="1234567890")

    def _delete(self, asked: Asked) -> Answer:
        named = {_instance_id(machine.id): machine.id for machine in self.estate.running if asked.query["Force"] == "true"}
        if not self.estate.delete(named.get(asked.query["InstanceId"], "")):
            return _error(404, "InvalidInstanceId.NotFound", "The specified InstanceId does not exist.")
        return _answer()

    # the vendor's own view ------------------------------------------------------------------------------------------------------

    def check(self, asked: Asked, answer: Answer) -> None:
        """The SDK's models read our request and the fake's answer, and must find every field in them."""
        from alibabacloud_ecs20140526 import models  # type: ignore[import-untyped]

        _known(getattr(models, f"{_action(asked)}Request")(), _nested(asked.query))
        if answer.status < 300:
            _known(getattr(models, f"{_action(asked)}ResponseBody")(), answer.body)

    def read_with_sdk(self, url: str) -> Iterable[Seen]:
        from alibabacloud_ecs20140526 import models
        from alibabacloud_ecs20140526.client import Client  # type: ignore[import-untyped]
        from alibabacloud_tea_openapi.utils_models import Config  # type: ignore[import-untyped]

        config = Config(access_key_id=KEY_ID, access_key_secret=SECRET, endpoint=url.removeprefix("http://"), protocol="http")
        client, named, token = Client(config), [], ""
        while True:
            asked = models.DescribeInstanceTypesRequest(minimum_gpuamount=1, max_results=100, next_token=token or None)
            told = client.describe_instance_types(asked).body
            named += [row.instance_type_id for row in told.instance_types.instance_type]
            token = told.next_token
            if not token:
                break
        for region in (row.region_id for row in client.describe_regions(models.DescribeRegionsRequest()).body.regions.region):
            for spot in (False, True):
                yield from _seen_by_sdk(client, region, spot, named)


def _seen_by_sdk(client: Any, region: str, spot: bool, named: Sequence[str]) -> Iterable[Seen]:
    from alibabacloud_ecs20140526 import models

    strategy = "SpotAsPriceGo" if spot else "NoSpot"
    asked = models.DescribeAvailableResourceRequest(region_id=region, destination_resource="InstanceType", spot_strategy=strategy)
    for zone in client.describe_available_resource(asked).body.available_zones.available_zone:
        resources = zone.available_resources.available_resource if zone.available_resources else []
        for told in (each for resource in resources for each in resource.supported_resources.supported_resource):
            if told.value in named:
                yuan = _sdk_spot(client, region, zone.zone_id, told.value) if spot else _sdk_price(client, region, told.value)
                stock = Availability.of_bucket(WORDS[told.status_category]).text()
                yield Seen(told.value, zone.zone_id, spot, round(yuan * USD_PER_YUAN * 1_000_000), stock)


def _sdk_price(client: Any, region: str, name: str) -> float:
    from alibabacloud_ecs20140526 import models

    asked = models.DescribePriceRequest(region_id=region, resource_type="instance", instance_type=name, price_unit="Hour")
    parts = client.describe_price(asked).body.price_info.price.detail_infos.detail_info
    return float(next(part.trade_price for part in parts if part.resource == "instanceType"))


def _sdk_spot(client: Any, region: str, zone: str, name: str) -> float:
    from alibabacloud_ecs20140526 import models

    asked = models.DescribeSpotPriceHistoryRequest(region_id=region, instance_type=name, network_type="vpc")
    rows = client.describe_spot_price_history(asked).body.spot_prices.spot_price_type
    return float(max((row for row in rows if row.zone_id == zone), key=lambda row: row.timestamp).spot_price)


def _known(model: Any, body: Mapping[str, Any]) -> None:
    """Raises AssertionError where a model of the SDK leaves out something that it was given."""
    kept, given = _bare(model.from_map(body).to_map()), _bare(body)
    assert kept == given, f"{type(model).__name__} keeps {kept} of {given}"


def _bare(value: Any) -> Any:
    """Without nulls, and without the empty lists that the SDK writes for lists that were not there."""
    if isinstance(value, Mapping):
        parts = {name: _bare(part) for name, part in value.items()}
        return {name: part for name, part in parts.items() if part is not None and part != []}
    return [_bare(part) for part in value] if isinstance(value, list) else value


def _nested(query: Mapping[str, str]) -> dict[str, Any]:
    """``Tag.1.Key`` and ``SystemDisk.Size`` as the SDK's models have them."""
    found: dict[str, Any] = {}
    for name, value in query.items():
        first, *rest = name.split(".")
        if not rest:
            found[first] = value
        elif rest[0].isdigit():
            found.setdefault(first, [{}])[int(rest[0]) - 1][rest[1]] = value
        else:
            found.setdefault(first, {})[rest[0]] = value
    return found


def _unsigned(asked: Asked) -> str:
    """The code of a refusal, "" where the signature is right; checked from its definition, apart from the adapter's code."""
    if not timely(datetime.strptime(asked.headers["x-acs-date"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)):
        return "InvalidTimeStamp.Expired"
    algorithm, _, rest = asked.headers.get("authorization", "").partition(" ")
    given = dict(part.split("=", 1) for part in rest.split(","))
    signed = given["SignedHeaders"].split(";")
    digest = hashlib.sha256(asked.raw).hexdigest()
    if algorithm != "ACS3-HMAC-SHA256" or WANTED_IN_SIGNATURE - set(signed) or asked.headers["x-acs-content-sha256"] != digest:
        return "IncompleteSignature"
    query = "&".join(f"{quote(name, safe='~')}={quote(asked.query[name], safe='~')}" for name in sorted(asked.query))
    lines = [asked.method, asked.path, query, *(f"{name}:{asked.headers[name]}" for name in signed), "", ";".join(signed), digest]
    hashed = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    expected = hmac.new(SECRET.encode(), f"{algorithm}\n{hashed}".encode(), hashlib.sha256).hexdigest()
    return "" if (given["Credential"], given["Signature"]) == (KEY_ID, expected) else "SignatureDoesNotMatch"


def _action(asked: Asked) -> str:
    return asked.headers.get("x-acs-action", "")


def _answer(**parts: Any) -> Answer:
    return Answer({**parts, "RequestId": "473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E"})


def _error(status: int, code: str, message: str) -> Answer:
    host = "ecs.aliyuncs.com"
    return Answer({"RequestId": "473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E", "HostId": host, "Code": code, "Message": message}, status)


def _instance_id(machine: str) -> str:
    return f"i-{machine[:8]}"


def _type(product: Product) -> dict[str, Any]:
    return {
        "InstanceTypeId": product.name,
        "InstanceTypeFamily": ".".join(product.name.split("-")[0].split(".")[:2]),
        "CpuCoreCount": product.vcpus,
        "MemorySize": float(product.memory_gib),
        "GPUAmount": product.gpus,
        "GPUSpec": product.gpu,
        "GPUMemorySize": float(product.gpu_memory_gib),
        "CpuArchitecture": "X86",
        "InstanceCategory": "GPUComputeOptimized",
        "LocalStorageCategory": "",
        "InstanceFamilyLevel": "EnterpriseLevel",
    }


def _resource(name: str, left: int) -> dict[str, Any]:
    category = "WithStock" if left > 1 else "ClosedWithStock" if left else "WithoutStock"
    return {"Value": name, "Status": "Available" if left else "SoldOut", "StatusCategory": category}


def _part(name: str, yuan: float) -> dict[str, Any]:
    return {"Resource": name, "OriginalPrice": yuan, "DiscountPrice": 0.0, "TradePrice": yuan, "SubRules": {"Rule": []}}


def _spot_row(product: Product, zone: str, stamp: str, yuan: float) -> dict[str, Any]:
    return {
        "ZoneId": zone,
        "InstanceType": product.name,
        "IoOptimized": "optimized",
        "NetworkType": "vpc",
        "Timestamp": stamp,
        "SpotPrice": yuan,
        "OriginPrice": product.usd_per_h / USD_PER_YUAN,
    }
