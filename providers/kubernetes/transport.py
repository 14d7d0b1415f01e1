"""How a cluster is reached: a given endpoint and token, the service account of the pod we run in, or a kubeconfig.

Only the kubeconfig needs the official client (``headrace[kubernetes]``), for its exec plugins and short-lived tokens; the
requests themselves are plain JSON over HTTP in all three ways.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from providers.errors import ErrorTable
from providers.http import Json, JsonHttp
from providers.kubernetes.errors import told
from providers.rest import http_of, key_of, rows, walked
from scheduler.domain.errors import AuthError
from scheduler.domain.ports import Pace, ProviderSettings

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PAGE_SIZE = 500
CALLS_PER_S = 20


@dataclass(frozen=True)
class Access:
    """Where a cluster is and who we are there.

    Attributes:
        token: read before each request, because tokens rotate; "" where a client certificate speaks for us.
    """

    endpoint: str
    token: Callable[[], str]
    tls: Callable[[], ssl.SSLContext] | None = None


class KubeApi:
    """One cluster's API server."""

    def __init__(self, settings: ProviderSettings, errors: ErrorTable, pace: Pace, access: Callable[[], Access]) -> None:
        self._settings, self._errors, self._pace, self._find_access = settings, errors, pace, access
        self._access: Access | None = None
        self._token = ""

    async def objects(self, path: str, **params: str) -> list[dict[str, Any]]:
        """All objects of a collection. Raises the ProviderError family."""
        http = await self._http()

        async def page(token: str) -> tuple[list[Any], str]:
            asked = {"limit": str(PAGE_SIZE), **params, **({"continue": token} if token else {})}
            body = await http.read(path, asked)
            found = rows(self._errors.provider, body, "items")
            return found, str((body.get("metadata") or {}).get("continue") or "")

        return [row for row in await walked(self._errors.provider, page) if isinstance(row, dict)]

    async def get(self, path: str) -> Json:
        """One object."""
        return await (await self._http()).read(path)

    async def send(self, method: str, path: str, body: Json = None) -> Json:
        """Change something, once."""
        return await (await self._http()).once(method, path, body=body)

    async def _http(self) -> JsonHttp:
        """The client with a token of now. Files, exec plugins and the SDK's import are kept off the event loop."""
        access = await asyncio.to_thread(self._refreshed)
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        return http_of(
            self._settings,
            self._errors,
            access.endpoint,
            self._pace,
            per_s=CALLS_PER_S,
            burst=CALLS_PER_S,
            headers=lambda: headers,
            told=told,
            tls=access.tls,
        )

    def _refreshed(self) -> Access:
        self._access = self._access or self._find_access()
        self._token = self._access.token()
        return self._access


def access_of(provider: str, settings: ProviderSettings, environ: Mapping[str, str]) -> Access:
    """The first that is set up: ``endpoint``, options ``kubeconfig`` or ``context``, the pod's service account, the default kubeconfig.

    Raises:
        AuthError: none of them is there, or it cannot be read.
    """
    options = settings.options
    if settings.endpoint:
        authority = options.get("ca_file", "")
        tls = (lambda: ssl.create_default_context(cafile=authority)) if authority else None
        return Access(settings.endpoint, key_of(provider, options, environ, "KUBERNETES_TOKEN"), tls)
    host = environ.get("KUBERNETES_SERVICE_HOST", "")
    if host and not (options.get("kubeconfig") or options.get("context")):
        shown = f"[{host}]" if ":" in host else host
        return Access(
            f"https://{shown}:{environ.get('KUBERNETES_SERVICE_PORT', '443')}",
            lambda: _file(provider, SERVICE_ACCOUNT / "token"),
            lambda: ssl.create_default_context(cafile=str(SERVICE_ACCOUNT / "ca.crt")),
        )
    return _from_kubeconfig(provider, options.get("kubeconfig") or environ.get("KUBECONFIG") or None, options.get("context") or None)


def _file(provider: str, path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise AuthError(provider, f"{path} cannot be read: {error.strerror}") from error


def _from_kubeconfig(provider: str, file: str | None, context: str | None) -> Access:
    try:
        from kubernetes import client, config
    except ImportError as error:
        raise AuthError(provider, "a kubeconfig needs the official client: install headrace[kubernetes], or set an endpoint") from error
    known = client.Configuration()
    try:
        config.load_kube_config(config_file=file, context=context, client_configuration=known)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError, ValueError, KeyError) as error:
        raise AuthError(provider, f"the kubeconfig cannot be used: {type(error).__name__}") from error
    if not known.verify_ssl:
        raise AuthError(provider, "the kubeconfig says insecure-skip-tls-verify: give the cluster's certificate-authority instead")

    def tls() -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=known.ssl_ca_cert)
        if known.cert_file:
            made.load_cert_chain(known.cert_file, known.key_file)
        return made

    def token() -> str:
        # Asking runs the client's refresh hook, which renews what an exec plugin handed out.
        found = known.get_api_key_with_prefix("BearerToken", alias="authorization") or ""
        return found.removeprefix("Bearer ").removeprefix("bearer ").strip()

    return Access(known.host, token, tls)
