"""How Crusoe's requests are signed: HMAC-SHA256 over path, query, verb and time. Source: FACTS.md."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

import httpx2

from providers.crusoe.errors import PROVIDER
from providers.signing import SignedAuth
from scheduler.domain.errors import AuthError
from scheduler.domain.ports import Clock

VERSION = "1.0"
KEY_ID_VARIABLE = "CRUSOE_ACCESS_KEY_ID"
SECRET_VARIABLE = "CRUSOE_SECRET_KEY"  # noqa: S105 - the name of a variable


class CrusoeAuth(SignedAuth):
    """Signs with a pair of keys, read from the environment when needed."""

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        super().__init__(clock)
        self._environ = environ

    def sign(self, request: httpx2.Request, now: datetime) -> None:
        """Set the headers with time and signature. Raises AuthError where keys are missing or malformed."""
        key_id, secret = self._keys()
        stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        query = urlencode(sorted(request.url.params.multi_items(), key=lambda item: item[0]))
        message = f"{request.url.path}\n{query}\n{request.method}\n{stamp}\n"
        signature = base64.urlsafe_b64encode(hmac.digest(secret, message.encode(), hashlib.sha256)).decode().rstrip("=")
        request.headers["X-Crusoe-Timestamp"] = stamp
        request.headers["Authorization"] = f"Bearer {VERSION}:{key_id}:{signature}"

    def _keys(self) -> tuple[str, bytes]:
        key_id, secret = self._environ.get(KEY_ID_VARIABLE, "").strip(), self._environ.get(SECRET_VARIABLE, "").strip()
        if not key_id or not secret:
            raise AuthError(PROVIDER, f"no keys: set {KEY_ID_VARIABLE} and {SECRET_VARIABLE}")
        try:
            return key_id, base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
        except (binascii.Error, ValueError):
            raise AuthError(PROVIDER, f"{SECRET_VARIABLE} is not URL-safe base64") from None
