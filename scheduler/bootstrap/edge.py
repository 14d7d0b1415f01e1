"""Envoy's process: the files it needs at its first start, and the command."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from scheduler.bootstrap.settings import Settings
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.ports import Clock
from scheduler.domain.routing import EdgeConfig, EdgeKeys, EdgeLimit
from scheduler.domain.stores import KeyStore
from scheduler.edge.admission import Admission
from scheduler.edge.envoy import BOOTSTRAP, XdsSource, remote_bootstrap, render, secrets_of
from scheduler.edge.envoy_listener import SECRETS_FILE, FrontDoor
from scheduler.edge.process import envoy_command
from scheduler.edge.signing import load_signer


def front_door(settings: Settings) -> FrontDoor:
    """The embedded front door.

    Raises:
        InvalidInputError: a certificate without its key, or a key without its certificate.
    """
    if (settings.edge_certificate is None) != (settings.edge_private_key is None):
        missing = "edge_private_key" if settings.edge_private_key is None else "edge_certificate"
        raise InvalidInputError(missing, "", "is missing beside the other", "Set both for TLS, or neither.")
    folder = settings.edge_folder
    return FrontDoor(
        directory=folder,
        port=settings.edge_port,
        admin_port=settings.edge_admin_port,
        access_log=folder / "access.log",
        host=settings.edge_host,
        certificate=settings.edge_certificate,
        private_key=settings.edge_private_key,
        origin=settings.edge_origin,
        region=settings.edge_region,
    )


def load_secret(path: Path) -> str:
    """The front doors' token; a new one is written where there is none, readable by its owner only."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_private(path, secrets.token_urlsafe(32).encode())
    return path.read_text().strip()


def _write_private(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    os.replace(draft, path)


def admission_source(settings: Settings, keys: KeyStore, clock: Clock) -> Admission:
    """Who may come in at the front door, from the settings and the keys that were revoked."""
    signer = load_signer(settings.signing_key_file) if settings.edge_needs_keys else None
    limits = tuple(
        EdgeLimit(tenant, of.requests_per_s, of.burst or of.requests_per_s) for tenant, of in sorted(settings.edge_limits.items())
    )
    return Admission(keys, clock, signer, limits)


def prepare_edge(settings: Settings, environ: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Command and environment of Envoy.

    Where the control plane has written nothing yet, an empty table is put in place, so that the order of starting does not
    matter: until there are routes every model is unknown, told in OpenAI's error shape.
    """
    folder = settings.edge_folder
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    door = front_door(settings)
    if settings.edge_xds_servers:
        source = XdsSource(tuple(settings.edge_xds_servers), load_secret(settings.front_doors_token_file))
        if door.certificate is not None:
            _write_private(folder / SECRETS_FILE, secrets_of(door))
        _write_private(folder / BOOTSTRAP, remote_bootstrap(door, source))
        return envoy_command(folder, environ)
    if not (folder / BOOTSTRAP).exists():
        # Even while it knows no model, a door that needs keys must not answer without one.
        keys = EdgeKeys(load_signer(settings.signing_key_file).jwks) if settings.edge_needs_keys else None
        for name, content in render(EdgeConfig(keys=keys), door).items():
            if not (folder / name).exists():
                (folder / name).write_bytes(content)
    return envoy_command(folder, environ)
