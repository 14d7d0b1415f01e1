"""Credentials, signatures and endpoints by Oracle's SDK, imported when first used; the calls themselves are ours.

The SDK's own client is synchronous and reads the clock by itself; its signer signs whatever looks like a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import httpx2

from providers.http import Json, JsonHttp
from providers.oci.errors import PROVIDER
from providers.rest import rows, walked
from providers.signing import SignedAuth
from scheduler.domain.errors import AuthError, InvalidInputError
from scheduler.domain.ports import Clock

PAGE_SIZE = 100
VERSION = "20160918"
TEMPLATES = {"compute": "https://iaas.{region}.{secondLevelDomain}", "identity": "https://identity.{region}.oci.{secondLevelDomain}"}
SIGNED = ("content-type", "content-length")

VARIABLES = {
    "tenancy": "OCI_CLI_TENANCY",
    "user": "OCI_CLI_USER",
    "fingerprint": "OCI_CLI_FINGERPRINT",
    "key_file": "OCI_CLI_KEY_FILE",
    "key_content": "OCI_CLI_KEY_CONTENT",
    "pass_phrase": "OCI_CLI_PASSPHRASE",
    "region": "OCI_CLI_REGION",
}


@dataclass(frozen=True)
class Account:
    """Who asks.

    Attributes:
        tenancy: its id, also that of its root compartment. region: where the configuration points to.
        signer: the SDK's, a callable that adds headers to a request.
    """

    tenancy: str
    region: str
    signer: Any


class Credentials:
    """OCI's configuration: the variables of its command line where ``OCI_CLI_USER`` is set, else its file and profile."""

    def __init__(self, options: Mapping[str, str], environ: Mapping[str, str]) -> None:
        self._options, self._environ = options, environ

    @cached_property
    def account(self) -> Account:
        """Reads files and takes a second for the SDK the first time. Raises AuthError, InvalidInputError."""
        try:
            from oci.config import DEFAULT_LOCATION, from_file, validate_config
            from oci.signer import Signer
        except ImportError as error:
            raise InvalidInputError("providers.kind", PROVIDER, "Oracle's SDK is not installed", "Install headrace[oci].") from error
        try:
            if self._environ.get("OCI_CLI_USER"):
                config = {name: self._environ[variable] for name, variable in VARIABLES.items() if self._environ.get(variable)}
            else:
                place = self._options.get("config_file") or self._environ.get("OCI_CONFIG_FILE") or DEFAULT_LOCATION
                config = from_file(place, self._options.get("profile") or self._environ.get("OCI_CLI_PROFILE") or "DEFAULT")
            validate_config(config)
            return Account(config["tenancy"], config["region"], Signer.from_config({"key_file": None, **config}))
        except Exception as error:  # the SDK raises a dozen unrelated kinds, and values must not reach a message
            raise AuthError(PROVIDER, f"the configuration cannot be used: {type(error).__name__}; see FACTS.md") from error


class OciAuth(SignedAuth):
    """Signs with the SDK's signer and the injected clock."""

    def __init__(self, credentials: Credentials, clock: Clock) -> None:
        super().__init__(clock)
        self._credentials = credentials

    def sign(self, request: httpx2.Request, now: datetime) -> None:
        """Set date, digest and signature."""
        date = format_datetime(now.astimezone(UTC), usegmt=True)
        headers = {
            "date": date,
            "host": request.headers["host"],
            **{name: request.headers[name] for name in SIGNED if name in request.headers},
        }
        path = request.url.raw_path.decode()
        shim = SimpleNamespace(method=request.method, url=str(request.url), path_url=path, headers=headers, body=request.content)
        self._credentials.account.signer(shim)
        request.headers.update(shim.headers)


class OciApi:
    """The calls of one tenancy."""

    def __init__(self, credentials: Credentials, http: JsonHttp, prices: JsonHttp, endpoint: str) -> None:
        """``endpoint`` overrides Oracle's; ``{region}`` in it stands for the region."""
        self._credentials, self._http, self._prices, self._endpoint = credentials, http, prices, endpoint

    async def account(self) -> Account:
        """Who asks; loads the SDK in a thread."""
        return await asyncio.to_thread(lambda: self._credentials.account)

    async def regions(self) -> list[str]:
        """Regions that the tenancy is subscribed to."""
        account = await self.account()
        found = rows(
            PROVIDER, await self._http.read(self._url("identity", account.region, f"/tenancies/{account.tenancy}/regionSubscriptions"))
        )
        return sorted(str(row["regionName"]) for row in found if row.get("status") == "READY")

    async def domains(self, region: str) -> list[str]:
        """Availability domains of a region; their names carry a prefix of the tenancy's own."""
        tenancy = (await self.account()).tenancy
        found = rows(PROVIDER, await self._http.read(self._url("identity", region, "/availabilityDomains"), {"compartmentId": tenancy}))
        return [str(row["name"]) for row in found]

    async def listed(self, region: str, path: str, params: Mapping[str, str]) -> list[Any]:
        """All pages of a list of the compute service; the next page is named in a header."""
        url = self._url("compute", region, path)

        async def page(token: str) -> tuple[Sequence[Any], str]:
            heard: dict[str, str] = {}
            asked = {**params, "limit": str(PAGE_SIZE), **({"page": token} if token else {})}
            return rows(PROVIDER, await self._http.read(url, asked, heard=heard.update)), heard.get("opc-next-page", "")

        return await walked(PROVIDER, page)

    async def capacity(self, region: str, domain: str, shapes: Sequence[str]) -> list[Any]:
        """A capacity report on a few shapes."""
        body = {
            "compartmentId": (await self.account()).tenancy,
            "availabilityDomain": domain,
            "shapeAvailabilities": [{"instanceShape": shape} for shape in shapes],
        }
        report = await self._http.read(self._url("compute", region, "/computeCapacityReports"), method="POST", body=body)
        return rows(PROVIDER, report, "shapeAvailabilities")

    async def price_files(self) -> tuple[list[Any], list[Any]]:
        """Shapes and products of the cost estimator; no key wanted."""
        return rows(PROVIDER, await self._prices.read("/shapes.json"), "items"), rows(
            PROVIDER, await self._prices.read("/products.json"), "items"
        )

    async def launch(self, region: str, order: Mapping[str, Any], token: str) -> Json:
        """Launch one instance, once."""
        await self.account()
        return await self._http.once("POST", self._url("compute", region, "/instances"), body=order, headers={"opc-retry-token": token})

    async def terminate(self, region: str, instance: str) -> None:
        """Start terminating one."""
        await self.account()
        await self._http.once("DELETE", self._url("compute", region, f"/instances/{instance}"))

    def _url(self, service: str, region: str, path: str) -> str:
        if self._endpoint:
            return f"{self._endpoint.rstrip('/').replace('{region}', region)}/{VERSION}{path}"
        from oci.regions import endpoint_for

        return f"{endpoint_for(service, region=region, service_endpoint_template=TEMPLATES[service])}/{VERSION}{path}"
