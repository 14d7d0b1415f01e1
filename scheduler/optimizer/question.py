"""What-if questions as people write them: ``lose provider:aws``, ``price h100 +20%``, ``without chat: survivability``.

This is their grammar alone; what a question does to a snapshot is in ``whatif``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from scheduler.domain.errors import InvalidInputError

LARGEST_FACTOR = 1000
"""Most that a price or a demand is multiplied by; beyond it a question is a slip of the keyboard."""
LARGEST_COUNT = 1_000_000
LARGEST_USD = 1_000_000_000
NEAR = 3
"""Near matches named in an error."""

RELAXABLE = ("survivability", "spot_ceiling", "spread", "spot_loss_share", "budget", "residency", "max_replicas")

USAGE = {
    "lose": "lose provider:NAME, lose region:PROVIDER:REGION, lose zone:PROVIDER:REGION:ZONE or lose cluster:NAME",
    "price": "price GPU +20%, price provider:NAME -10%, price offer:ID x2 or price offer:ID 3.20",
    "quota": "quota PROVIDER/ACCOUNT/REGION/FAMILY +8 or quota ID =16",
    "stock": "stock PROVIDER/ACCOUNT/REGION/ZONE/TYPE =0 or stock OFFER +4",
    "demand": "demand DEPLOYMENT +50%, demand MODEL -20% or demand * x2",
    "without": f"without DEPLOYMENT: {'|'.join(RELAXABLE)}",
}

_NUMBER = r"\d{1,12}(?:\.\d{1,9})?"
_AMOUNT = re.compile(rf"(?P<change>[+-]{_NUMBER})(?P<percent>%?)|x(?P<times>{_NUMBER})|=?\$?(?P<new>{_NUMBER})", re.ASCII)


class AmountKind(StrEnum):
    ADDED = "added"
    TIMES = "times"
    NEW = "new"


_KINDS = {
    "price": (AmountKind.TIMES, AmountKind.NEW),
    "quota": (AmountKind.ADDED, AmountKind.NEW),
    "stock": (AmountKind.ADDED, AmountKind.NEW),
    "demand": (AmountKind.TIMES,),
}


@dataclass(frozen=True, slots=True)
class Amount:
    """How a figure changes: ``+8`` is added, ``+20%`` and ``x2`` multiply, ``=16`` and ``3.20`` replace."""

    kind: AmountKind
    value: Decimal


@dataclass(frozen=True, slots=True)
class Question:
    """One what-if.

    Attributes:
        field: where it was given, for errors. text: as it was written, with single spaces.
        subject: what changes, such as ``provider:aws``; for ``without`` the deployment.
        amount: how it changes, for price, quota, stock and demand. rule: what is left out, for ``without``.
    """

    field: str
    text: str
    verb: str
    subject: str
    amount: Amount | None = None
    rule: str = ""

    def wrong(self, problem: str, remedy: str) -> InvalidInputError:
        """The error that says so about this question."""
        return InvalidInputError(self.field, self.text, problem, remedy)

    def unknown(self, kind: str, name: str, known: Iterable[str]) -> InvalidInputError:
        """The error about a name that the snapshot does not have, with near matches or the names there are."""
        return self.wrong(f"the snapshot has no {kind} {name!r}", near(name, known) or f"It has no {kind} at all.")


def near(name: str, known: Iterable[str]) -> str:
    """Which known names may have been meant, as a sentence; "" where there are none at all."""
    names = sorted(set(known))
    lower = name.lower()
    close = difflib.get_close_matches(lower, [each.lower() for each in names], NEAR, 0.6)
    likely = [each for each in names if each.lower() in close or (lower and lower in each.lower())][:NEAR]
    if likely:
        return f"Did you mean {' or '.join(likely)}?"
    more = f" and {len(names) - 2 * NEAR} more" if len(names) > 2 * NEAR else ""
    return f"Known: {', '.join(names[: 2 * NEAR])}{more}." if names else ""


def parse(text: str, field: str = "what_if") -> Question:
    """Read one question.

    Raises:
        InvalidInputError: it is not in the grammar; the remedy is the form of what was probably meant.
    """
    shown = " ".join(text.split())
    verb, _, rest = shown.partition(" ")
    if verb not in USAGE:
        close = difflib.get_close_matches(verb.lower(), USAGE, 1)
        remedy = f"Write {USAGE[close[0]]}." if close else f"Begin with one of: {', '.join(USAGE)}."
        raise InvalidInputError(field, text[:200], "is no what-if", remedy)
    bare = Question(field, shown, verb, rest)
    if not rest:
        raise bare.wrong("does not say what changes", f"Write {USAGE[verb]}.")
    if verb == "lose":
        return bare
    return _without(bare) if verb == "without" else _with_amount(bare)


def _without(bare: Question) -> Question:
    name, colon, rule = (part.strip() for part in bare.subject.rpartition(":"))
    if not colon or not name:
        raise bare.wrong("does not name a deployment and a rule", f"Write {USAGE['without']}.")
    if rule not in RELAXABLE:
        raise bare.wrong(f"{rule!r} is no rule that a what-if can leave out", near(rule, RELAXABLE))
    return Question(bare.field, bare.text, bare.verb, name, rule=rule)


def _with_amount(bare: Question) -> Question:
    """The last word is the amount; what stands before it may have spaces, as vendors' quota names do."""
    subject, _, last = bare.subject.rpartition(" ")
    if not subject:
        raise bare.wrong("does not say by how much", f"Write {USAGE[bare.verb]}.")
    asked = Question(bare.field, bare.text, bare.verb, subject, _amount(bare, last))
    amount = asked.amount
    if amount is None or amount.kind not in _KINDS[bare.verb]:
        raise bare.wrong(f"{last!r} is no change of a {bare.verb}", f"Write {USAGE[bare.verb]}.")
    if bare.verb in ("quota", "stock") and amount.value != int(amount.value):
        raise bare.wrong(f"{last!r} is not a whole number", f"Write {USAGE[bare.verb]}.")
    if bare.verb == "price" and amount.kind is AmountKind.NEW and not subject.startswith("offer:"):
        raise bare.wrong("a price in dollars is that of a whole instance, so only offers can have it", f"Write {USAGE['price']}.")
    return asked


def _amount(bare: Question, word: str) -> Amount | None:
    found = _AMOUNT.fullmatch(word)
    if found is None:
        return None
    if found["times"] is not None:
        amount = Amount(AmountKind.TIMES, Decimal(found["times"]))
    elif found["new"] is not None:
        amount = Amount(AmountKind.NEW, Decimal(found["new"]))
    else:
        change = Decimal(found["change"])
        amount = Amount(AmountKind.TIMES, 1 + change / 100) if found["percent"] else Amount(AmountKind.ADDED, change)
    if amount.kind is AmountKind.TIMES and not 0 <= amount.value <= LARGEST_FACTOR:
        raise bare.wrong(f"{word!r} is out of range", f"Use at least -100% and at most x{LARGEST_FACTOR}.")
    most = LARGEST_USD if bare.verb == "price" else LARGEST_COUNT
    if amount.kind is not AmountKind.TIMES and abs(amount.value) > most:
        raise bare.wrong(f"{word!r} is out of range", f"Use at most {most}.")
    return amount
