"""Interruption warnings and rebalance recommendations that EventBridge puts into an SQS queue of the account.

Source: EC2 user guide, "Spot Instance interruption notices" and "EC2 instance rebalance recommendations".
A message is deleted at the reading after the one that told it, when the caller has stored it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import structlog

from providers.aws.errors import PROVIDER
from providers.aws.parse import NOTICE_S
from providers.aws.transport import AwsApi, Row
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.events import EventKind, Notice

KINDS = {
    "EC2 Spot Instance Interruption Warning": EventKind.INTERRUPTION_NOTICE,
    "EC2 Instance Rebalance Recommendation": EventKind.REBALANCE_RECOMMENDATION,
}
WAIT_S = 10
"""Long polling: a call waits this long for a message, so that an idle queue costs six calls a minute."""
AT_ONCE = 10

log = structlog.get_logger(__name__)


class AwsNotices:
    """Implements ``NoticeSource`` on one queue."""

    def __init__(self, queue_url: str, api: AwsApi) -> None:
        """Raises InvalidInputError: not the URL of an SQS queue."""
        self._queue_url, self._region, self._api = queue_url, region_of(queue_url), api
        self._told: list[Row] = []

    async def read_notices(self) -> Sequence[tuple[str, Notice]]:
        """Wait for messages, up to ``WAIT_S``. Raises the ProviderError family."""
        if self._told:
            await self._api.delete_messages(self._region, self._queue_url, self._told)
            self._told = []
        messages = await self._api.messages(self._region, self._queue_url, AT_ONCE, WAIT_S)
        self._told = [{"Id": str(index), "ReceiptHandle": each["ReceiptHandle"]} for index, each in enumerate(messages)]
        return [found for each in messages if (found := notice(each.get("Body", ""))) is not None]


def region_of(queue_url: str) -> str:
    """The region in ``https://sqs.<region>.amazonaws.com/<account>/<name>``.

    Raises:
        InvalidInputError: another form.
    """
    host = (urlsplit(queue_url).hostname or "").split(".")
    if len(host) < 4 or host[0] != "sqs":
        remedy = "Write https://sqs.REGION.amazonaws.com/ACCOUNT/QUEUE."
        raise InvalidInputError("options.notice_queue_url", queue_url, "not the URL of an SQS queue", remedy)
    return host[1]


def notice(body: str) -> tuple[str, Notice] | None:
    """The machine and the notice of one EventBridge event; None for what is no notice, which is logged."""
    try:
        event: Mapping[str, Any] = json.loads(body)
        kind, machine = KINDS.get(str(event["detail-type"])), str(event["detail"]["instance-id"])
        at = datetime.fromisoformat(str(event["time"]))
    except (KeyError, TypeError, ValueError) as error:
        log.warning("notice_not_understood", provider=PROVIDER, error=repr(error), body=body[:200])
        return None
    if kind is None:
        return None
    deadline = at + timedelta(seconds=NOTICE_S) if kind is EventKind.INTERRUPTION_NOTICE else None
    return machine, Notice("", kind, deadline, str(event["detail-type"]), at)
