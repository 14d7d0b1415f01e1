"""Signature Version 4 by botocore, with a clock that is given: botocore's own signer reads the machine's.

AWS refuses requests whose time is some minutes off, and tells its own time in the answer's ``Date``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from functools import cache
from typing import TYPE_CHECKING, Any

from providers.signing import TheirTime
from scheduler.domain.ports import Clock

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest
    from botocore.client import BaseClient

SIGNATURE = "headrace-v4"
STAMP = "headrace-stamp"
UNTIMELY = (
    "RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure",
)  # fmt: skip
"""Refusals that may be about the time."""


class AwsTime(TheirTime):
    """The time that requests of one account carry."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        _registered()

    def carried_by(self, client: BaseClient) -> None:
        """Have a client's requests carry it."""
        service = client.meta.service_model.service_id.hyphenize()
        chosen: Any = _signature
        client.meta.events.register(f"choose-signer.{service}", chosen)
        client.meta.events.register(f"before-sign.{service}", self._stamp)

    def refused(self, answer: Mapping[str, Any]) -> bool:
        """Whether a refusal shows that the request's time was off; the next one is signed for AWS's time then."""
        told = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return answer.get("Error", {}).get("Code") in UNTIMELY and self.corrected(told.get("date", ""), self.now())

    def _stamp(self, request: AWSRequest, **_: Any) -> None:
        request.context[STAMP] = self.now().astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _signature(**_: Any) -> str:
    return SIGNATURE


@cache
def _registered() -> None:
    """Make the signature known to botocore, which looks signers up by name."""
    from botocore.auth import AUTH_TYPE_MAPS, SigV4Auth

    class Signer(SigV4Auth):
        """botocore's, for the time that the request carries."""

        def _modify_request_before_signing(self, request: Any) -> None:
            request.context["timestamp"] = request.context[STAMP]
            super()._modify_request_before_signing(request)  # type: ignore[misc]

    AUTH_TYPE_MAPS[SIGNATURE] = Signer
