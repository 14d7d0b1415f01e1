"""The nightly job: a better placement for the whole fleet, found at a quiet hour and handed to the leader.

Idempotent per date, resumable at every step, one process at a time. Triggered by cron, a systemd timer, a CronJob or by hand.
"""

from scheduler.nightly.rebalance import EXIT_DONE, EXIT_FAILED, EXIT_LOCKED, Rebalance, Report

__all__ = ["EXIT_DONE", "EXIT_FAILED", "EXIT_LOCKED", "Rebalance", "Report"]
