"""Settings from the environment (``HEADRACE_*``) and an optional YAML file; checked once, then only values."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Annotated

import platformdirs
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from scheduler.domain.errors import InvalidInputError
from scheduler.domain.ports import ProviderSettings

LOOPBACK = "127.0.0.1"


def default_data_dir() -> Path:
    """Where embedded Postgres, logs and the process roster live."""
    return Path(platformdirs.user_data_dir("headrace", appauthor=False))


class ProviderIn(BaseModel):
    """One configured account at one cloud. Secrets are named by environment variable, never written here."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    kind: str = ""
    account: str = "default"
    endpoint: str = ""
    regions: list[str] = []
    options: dict[str, str] = {}

    def as_settings(self) -> ProviderSettings:
        return ProviderSettings(self.name, self.kind or self.name, self.account, self.endpoint, tuple(self.regions), dict(self.options))


class LimitIn(BaseModel):
    """The most a tenant may send through one front door."""

    model_config = ConfigDict(extra="forbid")

    requests_per_s: int = Field(ge=1, le=1_000_000)
    burst: int = Field(0, ge=0, le=1_000_000, description="requests at once after a pause; as requests_per_s where 0")


def default_providers() -> list[ProviderIn]:
    """Where nothing is configured: the bundled price list."""
    return [ProviderIn(name="snapshot")]


class Settings(BaseSettings):
    """Every setting of the control plane.

    ``HEADRACE_CONFIG`` (or ``--config``) names a YAML file with the same fields; the environment wins over the file.
    """

    model_config = SettingsConfigDict(env_prefix="HEADRACE_", extra="ignore")

    data_dir: Path = Field(default_factory=default_data_dir)
    database_url: str = Field("", description="a Postgres URL; empty starts the embedded server", validation_alias="DATABASE_URL")
    host: str = LOOPBACK
    port: int = Field(8600, ge=0, le=65535)
    public_url: str = Field("", description="how agents and nodes reach this control plane; derived from host and port where empty")
    edge_dir: Path | None = Field(None, description="watched folder that Envoy reads; data_dir/edge where empty")
    edge_port: int = Field(8610, ge=0, le=65535)
    edge_admin_port: int = Field(8611, ge=0, le=65535)
    edge_host: str = LOOPBACK
    relay: bool = Field(False, description="a relay runs beside the edge: deployments that ask for it are held and resumed")
    relay_port: int = Field(8612, ge=0, le=65535)
    relay_admin_port: int = Field(8613, ge=0, le=65535)
    relay_return_port: int = Field(8614, ge=0, le=65535, description="where the edge takes the relay's own requests, on loopback")
    relay_waiting_max: int = Field(1000, ge=1, le=100_000, description="requests held for one deployment at a time")
    edge_keys: bool = Field(False, description="ask clients for keys on loopback too; a front door on other addresses always does")
    edge_signing_key: Path | None = Field(None, description="private key that signs client keys; a file in data_dir where empty")
    edge_limits: dict[str, LimitIn] = Field(default_factory=dict, description="requests per second and burst, by tenant")
    edge_certificate: Path | None = Field(None, description="PEM chain; with edge_private_key the front door speaks TLS")
    edge_private_key: Path | None = Field(None, description="PEM key of edge_certificate")
    edge_xds_port: int = Field(0, ge=0, le=65535, description="where this control plane tells front doors over xDS, on loopback; 0 for off")
    edge_xds_servers: list[str] = Field([], description="host:port of the control planes that `headrace edge` asks; empty reads the folder")
    edge_token_file: Path | None = Field(None, description="what front doors show the control plane; a file in data_dir where empty")
    edge_origin: str = Field("", description="whose requests come in at this front door, as in the deployments' demand")
    edge_region: str = Field("", description="region whose clusters this front door prefers, also as provider:region")
    require_keys: bool = Field(False, description="ask for API keys on loopback too; other addresses always need them")
    providers: list[ProviderIn] = Field(default_factory=default_providers)
    tick_s: float = Field(0.5, gt=0, le=60)
    lease_ttl_s: float = Field(5.0, gt=0, le=600)
    agent_lease_s: float = Field(10.0, gt=0, le=600)
    optimise_every_s: float = Field(120.0, gt=0)
    drain_timeout_s: float = Field(600.0, gt=0)
    automatic: bool = Field(True, description="apply plans that pass the gate; false leaves every plan to a person")
    nightly_at: str = Field("", pattern=r"^$|^([01]\d|2[0-3]):[0-5]\d$", description="HH:MM in UTC; empty leaves the nightly job to cron")
    node_python: str = Field("", description="interpreter that nodes are started with; the machine image's own where empty")
    node_dir: str = Field("", description="folder on the machine below which a node keeps its files; /tmp where empty")

    @property
    def holder(self) -> str:
        """Name of this process in the leader's lease."""
        return f"{socket.gethostname()}:{os.getpid()}"

    @property
    def url(self) -> str:
        """Where this control plane answers."""
        return self.public_url or f"http://{self.host}:{self.port}"

    @property
    def edge_folder(self) -> Path:
        return self.edge_dir or self.data_dir / "edge"

    @property
    def edge_needs_keys(self) -> bool:
        return self.edge_keys or self.edge_host not in (LOOPBACK, "localhost", "::1")

    @property
    def signing_key_file(self) -> Path:
        return self.edge_signing_key or self.data_dir / "client-keys.pem"

    @property
    def front_doors_token_file(self) -> Path:
        return self.edge_token_file or self.data_dir / "edge-token"

    @property
    def on_loopback(self) -> bool:
        return self.host in (LOOPBACK, "localhost", "::1")


def load_settings(config: Path | None = None, **overrides: object) -> Settings:
    """Read the file (if any), the environment, then the overrides of the command line.

    Raises:
        InvalidInputError: naming the field, the value and the remedy.
    """
    path = config or (Path(os.environ["HEADRACE_CONFIG"]) if os.environ.get("HEADRACE_CONFIG") else None)
    given: dict[str, object] = {}
    if path is not None:
        given = _read(path)
    environment = {name.removeprefix("HEADRACE_").lower() for name in os.environ if name.startswith("HEADRACE_")}
    merged = {name: value for name, value in given.items() if name not in environment}
    merged |= {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**merged)  # type: ignore[arg-type]
    except ValidationError as error:
        detail = error.errors()[0]
        field = ".".join(str(part) for part in detail["loc"])
        raise InvalidInputError(field, _hidden(field, detail.get("input")), detail["msg"], "Correct the setting.") from error


def _read(path: Path) -> dict[str, object]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise InvalidInputError("config", str(path), error.strerror or "cannot be read", "Name a readable YAML file.") from error
    except yaml.YAMLError as error:
        raise InvalidInputError("config", str(path), f"is not YAML: {error}", "Correct the file.") from error
    if not isinstance(document, dict):
        raise InvalidInputError("config", str(path), "holds no mapping of settings", "Write `name: value` lines.")
    unknown = sorted(set(document) - set(Settings.model_fields))
    if unknown:
        raise InvalidInputError(unknown[0], document[unknown[0]], "unknown setting", f"Known: {', '.join(sorted(Settings.model_fields))}.")
    return document


def _hidden(field: str, value: object) -> object:
    """A database URL may hold a password."""
    return re.sub(r"//[^@/]*@", "//***@", str(value)) if "url" in field.lower() else value
