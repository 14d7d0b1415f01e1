"""Adds to each edge configuration who may come in: the public key, the revoked keys and the tenants' limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scheduler.domain.ports import Clock, EdgePublisher
from scheduler.domain.routing import EdgeConfig, EdgeKeys, EdgeLimit
from scheduler.domain.stores import KeyStore
from scheduler.edge.signing import VALID_FOR, KeySigner


class Admission:
    """What the edge must know of tenants at this moment; nothing where no keys are asked for."""

    def __init__(self, keys: KeyStore, clock: Clock, signer: KeySigner | None, limits: tuple[EdgeLimit, ...] = ()) -> None:
        self._keys, self._clock, self._signer, self._limits = keys, clock, signer, limits

    async def complete(self, config: EdgeConfig) -> EdgeConfig:
        """The configuration with keys and limits. A revoked key that has run out is refused anyway, and is left out."""
        if self._signer is None:
            return config
        since = self._clock() - VALID_FOR
        rows = await self._keys.keys()
        revoked = tuple(sorted(k.id for k in rows if k.role == "client" and k.revoked_at is not None and k.created_at > since))
        return replace(config, keys=EdgeKeys(self._signer.jwks, revoked), limits=self._limits)


class Publishers:
    """Hands the completed configuration to every kind of front door. Implements ``domain.ports.EdgePublisher``."""

    def __init__(self, admission: Admission, publishers: Sequence[EdgePublisher]) -> None:
        self._admission, self._publishers = admission, publishers

    async def publish(self, config: EdgeConfig) -> bool:
        """Make it take effect everywhere; False where nothing changed anywhere."""
        whole = await self._admission.complete(config)
        return any([await publisher.publish(whole) for publisher in self._publishers])
