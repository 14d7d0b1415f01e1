"""Structured logs: past-tense events with ids, JSON on stderr, readable where a person watches."""

from __future__ import annotations

import logging
import os
import sys

import structlog


def configure_logging(default: str = "info") -> None:
    """``HEADRACE_LOG`` sets the level; JSON unless stderr is a terminal. Never on stdout: that belongs to answers."""
    level = getattr(logging, os.environ.get("HEADRACE_LOG", default).upper(), logging.INFO)
    renderer: structlog.typing.Processor = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
