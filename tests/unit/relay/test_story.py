"""The client sees one stream, whoever told it."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.relay.story import DONE, BrokenStreamError, Events, Story


def chunk(content: str = "", *, role: bool = False, name: str = "a", finish: str | None = None, **more: Any) -> bytes:
    delta: dict[str, Any] = ({"role": "assistant"} if role else {}) | ({"content": content} if content or role else {})
    return b"data: " + json.dumps({"id": name, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}).encode()


def text_of(passed: list[bytes]) -> str:
    said = ""
    for event in b"".join(passed).split(b"\n\n"):
        if event and event != DONE.strip():
            for choice in json.loads(event[5:])["choices"]:
                said += choice["delta"].get("content", "")
    return said


def usage(prompt: int, said: int) -> bytes:
    return b"data: " + json.dumps({"id": "b", "choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": said}}).encode()


def test_a_resumed_stream_keeps_its_id_and_role_and_its_usage_adds_up() -> None:
    story = Story(chat=True)
    passed = [story.hear(event) for event in (chunk(role=True), chunk("one "), chunk("two "))]
    story.resume(echo=False)
    passed += [story.hear(event) for event in (chunk(role=True, name="b"), chunk("three ", name="b"), usage(9, 1), b"data: [DONE]")]
    events = [json.loads(event[5:]) for event in b"".join(passed).split(b"\n\n") if event and b"[DONE]" not in event]
    assert {event["id"] for event in events} == {"a"}
    assert sum("role" in choice["delta"] for event in events for choice in event["choices"]) == 1
    assert events[-1]["usage"] == {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    assert (text_of(passed), story.done, passed[-1]) == ("one two three ", True, DONE)


@given(
    said=st.text("ab ", min_size=1, max_size=12), rest=st.text("ab ", min_size=1, max_size=8), cuts=st.lists(st.integers(0, 20), max_size=4)
)
def test_an_echo_is_taken_away_however_it_is_cut(said: str, rest: str, cuts: list[int]) -> None:
    story = Story(chat=True)
    story.hear(chunk(said))
    story.resume(echo=True)
    whole, places = said + rest, sorted({0, *(cut for cut in cuts if cut <= len(said + rest)), len(said + rest)})
    parts = [whole[a:b] for a, b in itertools.pairwise(places)]
    assert text_of([story.hear(chunk(part, name="b")) for part in parts]) == rest


@given(st.lists(st.text("xy", min_size=1, max_size=5), min_size=1, max_size=6), st.integers(1, 7))
def test_events_are_whole_however_the_bytes_arrive(contents: list[str], step: int) -> None:
    raw = b"".join(chunk(content) + b"\r\n\r\n" for content in contents)
    events, found = Events(), []
    for start in range(0, len(raw), step):
        found += events.feed(raw[start : start + step])
    assert found == [chunk(content) for content in contents]


@pytest.mark.parametrize("event", [b"data: \xff{garbage", b"data: {", b"data: [1]", b'data: {"error": {"message": "CUDA"}}'])
def test_what_is_not_an_event_of_this_api_ends_the_trust(event: bytes) -> None:
    with pytest.raises(BrokenStreamError):
        Story(chat=True).hear(event)


def test_comments_pass_unread() -> None:
    assert Story(chat=True).hear(b": keep-alive") == b": keep-alive\n\n"


@pytest.mark.parametrize("delta", [{"tool_calls": [{"index": 0}]}, {"reasoning_content": "hm"}])
def test_a_stream_that_turns_out_to_hold_more_than_text_cannot_be_continued(delta: dict[str, Any]) -> None:
    story = Story(chat=True)
    story.hear(b"data: " + json.dumps({"id": "a", "choices": [{"delta": delta}]}).encode())
    assert story.obstacle


def test_where_only_the_end_was_lost_the_relay_says_it() -> None:
    story = Story(chat=True)
    story.hear(chunk("one "))
    assert b'"finish_reason":"length"' in story.ending("length")
    finished = Story(chat=True)
    finished.hear(chunk("one ", finish="stop"))
    assert finished.ending() == DONE


def test_llamacpps_timings_add_up_too() -> None:
    story = Story(chat=True)
    for _ in range(4):
        story.hear(chunk("a "))
    story.resume(echo=False)
    told = json.loads(story.hear(chunk("b", name="b", timings={"prompt_n": 3, "cache_n": 8, "predicted_n": 2}))[5:])
    assert told["timings"] == {"prompt_n": 0, "cache_n": 7, "predicted_n": 6}
