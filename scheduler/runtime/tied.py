"""Run a program that dies with its parent: ``python -m scheduler.runtime.tied PARENT_PID PROGRAM [ARGUMENT ...]``.

The tie is made in a fresh process instead of a ``preexec_fn``, which may deadlock in a parent that has threads. The
process id stays the same, because the program replaces this one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from scheduler.runtime.tree import die_with_parent


def tied_command(argv: Sequence[str], parent: int) -> list[str]:
    """The command that runs ``argv`` tied to the process ``parent``, which must be the one that starts it."""
    return [sys.executable, "-m", "scheduler.runtime.tied", str(parent), *argv]


def main(arguments: Sequence[str]) -> None:
    """Tie this process to the parent, then become the program."""
    try:
        die_with_parent(int(arguments[0]))
    except ProcessLookupError as error:
        raise SystemExit(str(error)) from error
    program = list(arguments[1:])
    os.execvp(program[0], program)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
