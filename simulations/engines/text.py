"""What a scripted engine says: a pure function of a seed and everything said so far.

The next word depends only on the whole text before it, so that continuing from "prompt and text so far" gives exactly the
rest: a resumed stream can be compared word by word with one that never broke.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_TEXT = (
    "water falls over the wheel and turns it slowly while stones rest below green banks where reeds lean out to drink from "
    "a river that never asks who built the mill or why its channel runs so straight toward evening light"
)
_WORDS = _TEXT.split()


def words(seed: int, before: str) -> Iterator[str]:
    """Endless words after ``before``, each with the space that follows it: one word is one token."""
    state = zlib.crc32(before.encode(), seed)
    while True:
        word = _WORDS[(state * 2654435761 >> 7) % len(_WORDS)] + " "
        yield word
        state = zlib.crc32(word.encode(), state)


def chat_text(messages: Sequence[Mapping[str, Any]], *, continued: bool) -> str:
    """A conversation as the text that comes before the answer; ``continued`` leaves the last message open."""
    turns = [f"<{message.get('role', 'user')}> {message.get('content') or ''}" for message in messages]
    return "\n".join(turns) if continued else "\n".join([*turns, "<assistant> "])


def answer(seed: int, before: str, tokens: int) -> str:
    """The first ``tokens`` words after ``before``."""
    said = words(seed, before)
    return "".join(next(said) for _ in range(tokens))


def count(text: str) -> int:
    """Tokens of a text."""
    return len(text.split())
