"""How Tencent is called: one address, the action and region in headers, TC3-HMAC-SHA256 signatures. Source: FACTS.md."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx2

from providers.http import JsonHttp
from providers.rest import numbered, rows
from providers.signing import SignedAuth
from providers.tencent.errors import EXPIRED, PROVIDER
from scheduler.domain.errors import AuthError
from scheduler.domain.ports import Budget, Clock

SERVICE, VERSION = "cvm", "2017-03-12"
ALGORITHM = "TC3-HMAC-SHA256"
KEY_ID_VARIABLE = "TENCENTCLOUD_SECRET_ID"
SECRET_VARIABLE = "TENCENTCLOUD_SECRET_KEY"  # noqa: S105 - the name of a variable
PAGE_SIZE = 100


class TencentAuth(SignedAuth):
    """Signs with a pair of keys, read from the environment when needed."""

    requires_response_body = True
    """A refusal comes with HTTP 200, so only its body tells it."""

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        super().__init__(clock)
        self._environ = environ

    def sign(self, request: httpx2.Request, now: datetime) -> None:
        """Set the headers with time and signature. Raises AuthError where keys are missing."""
        key_id, secret = self._keys()
        stamp, day = str(int(now.timestamp())), now.astimezone(UTC).strftime("%Y-%m-%d")
        scope, signed = f"{day}/{SERVICE}/tc3_request", "content-type;host"
        headers = "".join(f"{name}:{request.headers[name]}\n" for name in signed.split(";"))
        canonical = "\n".join((request.method, "/", "", headers, signed, _digest(request.content)))
        text = "\n".join((ALGORITHM, stamp, scope, _digest(canonical.encode())))
        key = f"TC3{secret}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), hashlib.sha256)
        signature = hmac.digest(key, text.encode(), hashlib.sha256).hex()
        request.headers["X-TC-Timestamp"] = stamp
        request.headers["Authorization"] = f"{ALGORITHM} Credential={key_id}/{scope}, SignedHeaders={signed}, Signature={signature}"

    def refused(self, response: httpx2.Response) -> bool:
        """Whether the answer says that the request's time is off."""
        return EXPIRED.encode() in response.content

    def _keys(self) -> tuple[str, str]:
        key_id, secret = self._environ.get(KEY_ID_VARIABLE, "").strip(), self._environ.get(SECRET_VARIABLE, "").strip()
        if not key_id or not secret:
            raise AuthError(PROVIDER, f"no keys: set {KEY_ID_VARIABLE} and {SECRET_VARIABLE}")
        return key_id, secret


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class TencentApi:
    """The calls of one account."""

    def __init__(self, http: JsonHttp) -> None:
        self._http = http

    async def configurations(self, region: str, charge_types: Sequence[str]) -> list[Any]:
        """What each zone of a region sells, with price and stock."""
        wanted = {"Filters": [{"Name": "instance-charge-type", "Values": list(charge_types)}]}
        answer = await self._read("DescribeZoneInstanceConfigInfos", region, wanted)
        return rows(PROVIDER, answer, "InstanceTypeQuotaSet")

    async def instances(self, region: str, name: str, value: str) -> list[Any]:
        """Instances of a region that pass a filter."""

        async def page(number: int) -> tuple[Sequence[Any], int]:
            asked = {"Filters": [{"Name": name, "Values": [value]}], "Offset": (number - 1) * PAGE_SIZE, "Limit": PAGE_SIZE}
            answer = await self._read("DescribeInstances", region, asked)
            return rows(PROVIDER, answer, "InstanceSet"), int(answer["TotalCount"])

        return await numbered(PROVIDER, page, lambda row: row["InstanceId"])

    async def change(self, action: str, region: str, body: Mapping[str, Any], budget: Budget | None = None) -> Mapping[str, Any]:
        """Change something, once."""
        answer: Mapping[str, Any] = await self._http.once("POST", "/", body=body, headers=_headers(action, region), budget=budget)
        return answer

    async def _read(self, action: str, region: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = await self._http.read("/", method="POST", body=body, headers=_headers(action, region))
        return answer


def _headers(action: str, region: str) -> dict[str, str]:
    return {"X-TC-Action": action, "X-TC-Version": VERSION, "X-TC-Region": region, "X-TC-Language": "en-US"}
