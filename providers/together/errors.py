"""What Together's errors mean: its statuses say everything that a reader needs. Source: FACTS.md."""

from __future__ import annotations

from providers.errors import ErrorTable

PROVIDER = "together"
ERRORS = ErrorTable(PROVIDER)
