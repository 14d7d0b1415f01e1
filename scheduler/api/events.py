"""Events as a list and as a live stream (server-sent events)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from scheduler.api.auth import Viewer
from scheduler.api.services import Services, Use
from scheduler.domain.events import Event

router = APIRouter(prefix="/v1", tags=["events"])

KEEPALIVE_S = 10.0
BATCH = 200


@dataclass(frozen=True, slots=True)
class EventOut:
    """An event with its place in the log."""

    sequence: int
    kind: str
    at: datetime
    subject: str
    message: str
    data: dict[str, Any]

    @staticmethod
    def of(sequence: int, event: Event) -> EventOut:
        return EventOut(sequence, event.kind.value, event.at, event.subject, event.message, dict(event.data))


@router.get("/events")
async def events(
    _: Viewer, use: Use, after: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[EventOut]:
    """Events after a sequence number in order; without one, the latest, newest first."""
    found = await use.stores.events.after(after, limit) if after else await use.stores.events.latest(limit)
    return [EventOut.of(sequence, event) for sequence, event in found]


@router.get("/events/stream", response_class=StreamingResponse)
async def stream(request: Request, _: Viewer, use: Use, last_event_id: Annotated[str | None, Header()] = None) -> StreamingResponse:
    """Server-sent events, resumable by Last-Event-ID; a comment every 10 seconds keeps proxies awake."""
    known = last_event_id or ""
    # Only what a sequence number can be: digits of other scripts and numbers beyond the column are nobody's last event.
    start = int(known) if known.isascii() and known.isdecimal() and len(known) < 19 else None
    return StreamingResponse(_follow(request, use, start), media_type="text/event-stream", headers={"cache-control": "no-store"})


async def _follow(request: Request, use: Services, start: int | None) -> AsyncIterator[bytes]:
    if start is None:
        latest = await use.stores.events.latest(1)
        start = latest[0][0] if latest else 0
    yield b": following\n\n"
    while not await request.is_disconnected():
        if not await use.stores.events.wait(start, KEEPALIVE_S):
            yield b": alive\n\n"
            continue
        for sequence, event in await use.stores.events.after(start, BATCH):
            start = sequence
            body = {
                "kind": event.kind.value,
                "at": event.at.isoformat(),
                "subject": event.subject,
                "message": event.message,
                "data": dict(event.data),
            }
            yield f"id: {sequence}\nevent: {event.kind.value}\ndata: {json.dumps(body)}\n\n".encode()
