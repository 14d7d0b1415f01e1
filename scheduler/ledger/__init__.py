"""Money: what every deployment costs minute by minute, what it earns, and the margin between. Pure; the store keeps the rows."""

from scheduler.ledger.margin import margins
from scheduler.ledger.meter import NodeMeter

__all__ = ["NodeMeter", "margins"]
