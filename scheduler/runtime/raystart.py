"""Ray's command line without Ray Serve: ``python -m scheduler.runtime.raystart --head ...`` is ``ray start --head ...``.

Ray's command module imports Serve, and with it pandas, only to offer ``serve`` as a subcommand, and goes on without it.
Leaving it out saves 3 of the 5 CPU seconds that each start takes, which counts when a demo starts seven at once.
"""

from __future__ import annotations

import runpy
import sys


def main() -> None:
    """Become ``ray start`` with this process's arguments."""
    sys.modules["ray.serve"] = None  # type: ignore[assignment]  # None makes the import fail, as Python documents
    sys.argv = ["ray", "start", *sys.argv[1:]]
    runpy.run_module("ray.scripts.scripts", run_name="__main__", alter_sys=False)


if __name__ == "__main__":
    main()
