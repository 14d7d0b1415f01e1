"""``python -m scheduler.cli``: the same as ``headrace``, for whoever starts processes by interpreter."""

from scheduler.cli.main import main

main()
