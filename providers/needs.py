"""How an adapter says what it needs. Light on purpose: every adapter's entry module imports it."""

from __future__ import annotations

from scheduler.domain.ports import Need, NeededTo, NeedFrom

SIGN_IN, READ, LAUNCH = NeededTo.SIGN_IN, NeededTo.READ, NeededTo.LAUNCH


def variable(name: str, meaning: str, required: NeededTo = NeededTo.OPTIONAL, *, instead: tuple[str, ...] = (), named_by: str = "") -> Need:
    """An environment variable."""
    return Need(name, NeedFrom.ENVIRONMENT, meaning, required, instead, named_by)


def key(name: str, meaning: str, required: NeededTo = READ, *, named_by: str = "api_key_env") -> Need:
    """An API key in an environment variable, or in the one that an option names."""
    return variable(name, meaning, required, named_by=named_by)


def option(name: str, meaning: str, required: NeededTo = NeededTo.OPTIONAL, *, instead: tuple[str, ...] = ()) -> Need:
    """A setting of the provider, below ``options``."""
    return Need(name, NeedFrom.OPTION, meaning, required, instead)


def regions(meaning: str, required: NeededTo = NeededTo.OPTIONAL) -> Need:
    """The regions to read."""
    return Need("regions", NeedFrom.REGIONS, meaning, required)


REGIONS = regions("regions to read; all without it")
TIMEOUT = option("timeout_s", "seconds that one call may take, 30 without it")
