"""Client keys that the edge can check with nobody to ask: signed tokens, and the file of the key that signs them."""

from __future__ import annotations

import base64
import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key

from scheduler.domain.errors import InvalidInputError
from scheduler.edge.envoy_admission import ISSUER

VALID_FOR = timedelta(days=365)
"""A key that is older is refused, and a revoked one can then be forgotten."""


class KeySigner:
    """Signs client keys with Ed25519; the edge is given the public half only."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        point = base64.urlsafe_b64encode(public).rstrip(b"=").decode()
        self.key_id = point[:12]
        self._public = {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.key_id, "x": point}

    @property
    def jwks(self) -> str:
        """The public key as a JSON Web Key Set."""
        return json.dumps({"keys": [self._public]}, sort_keys=True)

    def sign(self, key: str, tenant: str, now: datetime) -> str:
        """The token of the client key with this id; it speaks for the tenant for a year."""
        claims = {"iss": ISSUER, "sub": tenant, "jti": key, "iat": int(now.timestamp()), "exp": int((now + VALID_FOR).timestamp())}
        return jwt.encode(claims, self._private, algorithm="EdDSA", headers={"kid": self.key_id})


def load_signer(path: Path) -> KeySigner:
    """The signer whose private key is in this file; a new one is written where there is none, readable by its owner only.

    Raises:
        InvalidInputError: the file is open to others, or holds no Ed25519 key.
    """
    if not path.exists():
        _write_new(path)
    if path.stat().st_mode & 0o077:
        raise InvalidInputError("edge_signing_key", str(path), "may be read by others", f"Run `chmod 600 {path}`.")
    try:
        private = load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as error:
        raise InvalidInputError("edge_signing_key", str(path), "holds no private key in PEM form", "Restore the file.") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise InvalidInputError("edge_signing_key", str(path), "holds a key of another kind", "Name an Ed25519 key.")
    return KeySigner(private)


def _write_new(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    content = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    try:
        # Unlike a rename, a link fails where another process was first: both then use the same key.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
