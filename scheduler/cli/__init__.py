"""The command line: a thin client of the REST API, and the roles a process can take. Decides nothing itself."""

from scheduler.cli.main import main

__all__ = ["main"]
