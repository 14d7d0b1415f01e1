"""Where one deployment would go, answered at once beside the last decision. Keeps that decision ready; decides nothing about the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from scheduler.domain.snapshot import Snapshot
from scheduler.optimizer import with_modelled_shapes

if TYPE_CHECKING:
    from scheduler.optimizer.decompose.online import Standby
    from scheduler.optimizer.decompose.solve import Decomposed


class Desk:
    """Holds the standby of the last decision, or of the present fleet where none is kept.

    Args:
        solved: the last decision on a large fleet, None where there is none.
    """

    def __init__(self, solved: Callable[[], Decomposed | None] = lambda: None) -> None:
        self._solved = solved
        self._kept: tuple[Hashable, Standby] | None = None
        self._lock = threading.Lock()

    @property
    def decided(self) -> bool:
        """True where a decision is kept: its snapshot is then used instead of a fresh one."""
        return self._solved() is not None

    def standby(self, snapshot: Snapshot | None) -> Standby:
        """Ready for questions. ``snapshot`` is the present world, needed where no decision is kept."""
        # Compiled code is loaded only where somebody asks.
        from scheduler.optimizer.decompose.online import Standby

        solved = self._solved()
        key: Hashable = ("decided", id(solved)) if solved is not None else ("present", snapshot.version if snapshot else 0)
        with self._lock:
            if self._kept is None or self._kept[0] != key:
                assert solved is not None or snapshot is not None
                made = Standby.after(solved) if solved is not None else Standby.of(with_modelled_shapes(snapshot))  # type: ignore[arg-type]
                self._kept = (key, made)
            return self._kept[1]
