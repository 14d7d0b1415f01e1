"""How a person names offers and machines: a glob over the whole name, or a part of it. Knows nothing of either."""

from __future__ import annotations

from fnmatch import fnmatchcase


def matches(pattern: str, *names: str) -> bool:
    """True where the pattern fits one of the names: as a glob if it has ``*``, ``?`` or ``[``, otherwise as a part of it."""
    if any(sign in pattern for sign in "*?["):
        return any(fnmatchcase(name, pattern) for name in names if name)
    return any(pattern in name for name in names if name)
