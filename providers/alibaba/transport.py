"""How Alibaba is called: one address per region, the action in a header, ACS3-HMAC-SHA256 signatures. Source: FACTS.md."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx2

from providers.alibaba.errors import PROVIDER
from providers.http import JsonHttp
from providers.rest import rows, walked
from providers.signing import SignedAuth
from scheduler.domain.errors import AuthError
from scheduler.domain.ports import Budget, Clock

VERSION = "2014-05-26"
ALGORITHM = "ACS3-HMAC-SHA256"
KEY_ID_VARIABLE = "ALIBABA_CLOUD_ACCESS_KEY_ID"
SECRET_VARIABLE = "ALIBABA_CLOUD_ACCESS_KEY_SECRET"  # noqa: S105 - the name of a variable
HOME = "ap-southeast-1"
"""Whom to ask what is the same everywhere."""

TYPES_PER_PAGE = "1600"
INSTANCES_PER_PAGE = "100"


class AlibabaAuth(SignedAuth):
    """Signs with a pair of keys, read from the environment when needed."""

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        super().__init__(clock)
        self._environ = environ

    def sign(self, request: httpx2.Request, now: datetime) -> None:
        """Set the headers with time, nonce and signature. Raises AuthError where keys are missing."""
        key_id, secret = self._keys()
        payload = hashlib.sha256(request.content).hexdigest()
        request.headers["x-acs-date"] = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        request.headers["x-acs-signature-nonce"] = secrets.token_hex(16)
        request.headers["x-acs-content-sha256"] = payload
        names = sorted(name for name in request.headers if name == "host" or name.startswith("x-acs-"))
        headers, signed = "".join(f"{name}:{request.headers[name].strip()}\n" for name in names), ";".join(names)
        query = "&".join(f"{name}={quote(value, safe='~')}" for name, value in sorted(request.url.params.items()))
        canonical = "\n".join((request.method, "/", query, headers, signed, payload))
        text = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(secret.encode(), text.encode(), hashlib.sha256).hex()
        request.headers["Authorization"] = f"{ALGORITHM} Credential={key_id},SignedHeaders={signed},Signature={signature}"

    def _keys(self) -> tuple[str, str]:
        key_id, secret = self._environ.get(KEY_ID_VARIABLE, "").strip(), self._environ.get(SECRET_VARIABLE, "").strip()
        if not key_id or not secret:
            raise AuthError(PROVIDER, f"no keys: set {KEY_ID_VARIABLE} and {SECRET_VARIABLE}")
        return key_id, secret


class AlibabaApi:
    """The calls of one account. ``endpoint`` has ``{region}`` where the region's name belongs."""

    def __init__(self, http: JsonHttp, endpoint: str) -> None:
        self._http, self._endpoint = http, endpoint

    async def regions(self) -> list[str]:
        """All regions by their names."""
        found = rows(PROVIDER, await self._read("DescribeRegions", HOME, {}), "Regions", "Region")
        return sorted(str(row["RegionId"]) for row in found)

    async def types(self) -> list[Any]:
        """All instance types with GPUs; they are the same everywhere."""

        async def page(token: str) -> tuple[Sequence[Any], str]:
            asked = {"MinimumGPUAmount": "1", "MaxResults": TYPES_PER_PAGE, **({"NextToken": token} if token else {})}
            body = await self._read("DescribeInstanceTypes", HOME, asked)
            return rows(PROVIDER, body, "InstanceTypes", "InstanceType"), str(body.get("NextToken") or "")

        return await walked(PROVIDER, page)

    async def zones(self, region: str, spot_strategy: str) -> list[Any]:
        """The zones of a region, each with the instance types that it sells and how much there is of them."""
        asked = {
            "RegionId": region,
            "DestinationResource": "InstanceType",
            "InstanceChargeType": "PostPaid",
            "SpotStrategy": spot_strategy,
            "IoOptimized": "optimized",
        }
        return rows(PROVIDER, await self._read("DescribeAvailableResource", region, asked), "AvailableZones", "AvailableZone")

    async def price(self, region: str, instance_type: str) -> Mapping[str, Any]:
        """What one type costs in a region, part by part. Raises NotFoundError where Alibaba has no price of it."""
        asked = {
            "RegionId": region,
            "ResourceType": "instance",
            "InstanceType": instance_type,
            "PriceUnit": "Hour",
            "SystemDisk.Category": "cloud_essd",
        }
        body = await self._read("DescribePrice", region, asked)
        rows(PROVIDER, body, "PriceInfo", "Price", "DetailInfos", "DetailInfo")
        price: Mapping[str, Any] = body["PriceInfo"]["Price"]
        return price

    async def spot_prices(self, region: str, instance_type: str) -> tuple[str, list[Any]]:
        """The currency, and what one type cost in each zone during the last three hours."""
        asked = {"RegionId": region, "InstanceType": instance_type, "NetworkType": "vpc", "IoOptimized": "optimized", "OSType": "linux"}
        body = await self._read("DescribeSpotPriceHistory", region, asked)
        return str(body.get("Currency") or ""), rows(PROVIDER, body, "SpotPrices", "SpotPriceType")

    async def instances(self, region: str, tag: Mapping[str, str]) -> list[Any]:
        """Instances of a region that carry a tag."""

        async def page(token: str) -> tuple[Sequence[Any], str]:
            asked = {"RegionId": region, "MaxResults": INSTANCES_PER_PAGE, **tag, **({"NextToken": token} if token else {})}
            body = await self._read("DescribeInstances", region, asked)
            return rows(PROVIDER, body, "Instances", "Instance"), str(body.get("NextToken") or "")

        return await walked(PROVIDER, page)

    async def change(self, action: str, region: str, asked: Mapping[str, str], budget: Budget | None = None) -> Any:
        """Change something, once."""
        return await self._http.once("POST", self._url(region), params=asked, headers=_headers(action), budget=budget)

    async def _read(self, action: str, region: str, asked: Mapping[str, str]) -> Any:
        return await self._http.read(self._url(region), asked, method="POST", headers=_headers(action))

    def _url(self, region: str) -> str:
        return self._endpoint.replace("{region}", region) + "/"


def _headers(action: str) -> dict[str, str]:
    return {"x-acs-action": action, "x-acs-version": VERSION}
