"""Who may do what: hashed API keys with roles.

On loopback a person at the machine needs no key (unless told otherwise); a browser there is held to same-origin requests
and loopback host names, so that no web page elsewhere can drive the API. Agents always need their cluster's token.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, HTTPException, Request

from scheduler.api.services import Services, Use
from scheduler.domain.stores import ApiKey

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
LOCAL = ApiKey("local", "operator", "", "", datetime.min.replace(tzinfo=UTC))


def new_key(role: str, subject: str, now: datetime) -> tuple[str, ApiKey]:
    """A fresh key: its secret, shown once, and what is stored of it."""
    secret = f"hr_{secrets.token_urlsafe(32)}"
    return secret, ApiKey(f"k-{secrets.token_hex(6)}", role, subject, hash_key(secret), now)


def new_client_key(tenant: str, now: datetime, sign: Callable[[str, str, datetime], str]) -> tuple[str, ApiKey]:
    """A fresh client key: a signed token that the edge can check by itself, and what is stored of it."""
    key_id = f"k-{secrets.token_hex(6)}"
    secret = sign(key_id, tenant, now)
    return secret, ApiKey(key_id, "client", tenant, hash_key(secret), now)


def hash_key(secret: str) -> str:
    """SHA-256, hex. The secrets are 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def identify(request: Request, use: Use) -> ApiKey:
    """The key of the request, or the local person; 401 otherwise."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and secret:
        key = await use.stores.keys.find_key(hash_key(secret.strip()))
        if key is None or key.revoked_at is not None:
            raise HTTPException(401, "Unknown or revoked API key. Create one with `headrace keys create`.")
        return key
    if use.settings.open_on_loopback and _is_local(request):
        return LOCAL
    raise HTTPException(401, "An API key is needed: send `Authorization: Bearer KEY`. Create one with `headrace keys create`.")


def _is_local(request: Request) -> bool:
    """From loopback, to a loopback name, and not from a page of another origin."""
    peer = request.client.host if request.client else ""
    try:
        if not ip_address(peer).is_loopback:
            return False
    except ValueError:
        return False
    if (request.url.hostname or "") not in LOOPBACK_NAMES:
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


Identity = Annotated[ApiKey, Depends(identify)]


async def viewer(key: Identity) -> ApiKey:
    """May read."""
    if key.role not in ("viewer", "operator"):
        raise HTTPException(403, f"A key of role {key.role} may not read this; use a viewer or operator key.")
    return key


async def operator(key: Identity) -> ApiKey:
    """May change."""
    if key.role != "operator":
        raise HTTPException(403, f"A key of role {key.role} may not change this; use an operator key.")
    return key


async def agent(cluster: str, request: Request, use: Use) -> ApiKey:
    """Speaks for the cluster in the path: its own token, never the local person."""
    return await _of_cluster(cluster, request, use, ("agent",))


async def member(cluster: str, request: Request, use: Use) -> ApiKey:
    """Belongs to the cluster in the path: its agent, or one of its nodes."""
    return await _of_cluster(cluster, request, use, ("agent", "node"))


async def _of_cluster(cluster: str, request: Request, use: Services, roles: tuple[str, ...]) -> ApiKey:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    key = await use.stores.keys.find_key(hash_key(secret.strip())) if scheme.lower() == "bearer" else None
    if key is None or key.revoked_at is not None:
        raise HTTPException(401, "An agent token is needed.")
    if key.role not in roles or key.subject != cluster:
        raise HTTPException(403, f"This token does not speak for cluster {cluster}.")
    return key


Viewer = Annotated[ApiKey, Depends(viewer)]
Operator = Annotated[ApiKey, Depends(operator)]
Agent = Annotated[ApiKey, Depends(agent)]
Member = Annotated[ApiKey, Depends(member)]
