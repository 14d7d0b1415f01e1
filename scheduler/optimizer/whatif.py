"""Applies what-if questions to a snapshot. The changed snapshot is planned like any other; nothing in the world changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

from scheduler.domain.offer import InstanceType
from scheduler.domain.snapshot import LaunchCap, Snapshot
from scheduler.domain.units import micro_usd
from scheduler.optimizer.conflict import relaxed, rules_of
from scheduler.optimizer.loss import lose
from scheduler.optimizer.problem import UNCAPPED
from scheduler.optimizer.question import RELAXABLE, USAGE, Amount, AmountKind, Question, parse

RESIDENCY = frozenset({"jurisdictions", "demand residency"})
"""Where a deployment may run and where its demand may be served: people call both its residency."""


def what_if(snapshot: Snapshot, questions: Sequence[str], field: str = "what_if") -> Snapshot:
    """The snapshot after all questions, each applied to what the ones before it left.

    Raises:
        InvalidInputError: a question cannot be read, or names what the snapshot does not have; its field is ``what_if[0]`` and so on.
    """
    for asked in [parse(text, f"{field}[{index}]") for index, text in enumerate(questions)]:
        snapshot = _EFFECTS[asked.verb](snapshot, asked)
    return snapshot


def _price(snapshot: Snapshot, asked: Question) -> Snapshot:
    """Offers and the nodes that run from them; what reservations have sunk is paid in any case."""
    amount = _amount(asked)

    def new(price: int) -> int:
        return micro_usd(amount.value) if amount.kind is AmountKind.NEW else _scaled(price, amount.value)

    hit = _priced(snapshot, asked)
    return replace(
        snapshot,
        offers=tuple(
            replace(offer, price_micro_usd_per_h=new(offer.price_micro_usd_per_h)) if hit(offer.id, offer.instance_type) else offer
            for offer in snapshot.offers
        ),
        nodes=tuple(
            replace(node, price_micro_usd_per_h=new(node.price_micro_usd_per_h)) if hit(node.offer_id, node.instance_type) else node
            for node in snapshot.nodes
        ),
    )


def _priced(snapshot: Snapshot, asked: Question) -> Callable[[str, InstanceType], bool]:
    """Whether an offer id of an instance type is meant. ``h100`` means every accelerator key of that family, or of what follows it."""
    kind, colon, name = asked.subject.partition(":")
    sold = [(offer.id, offer.instance_type) for offer in snapshot.offers]
    sold += [(node.offer_id, node.instance_type) for node in snapshot.nodes]
    if not colon:
        family = kind.lower()
        _known(asked, "accelerator", family, {of.accelerator.lower() for _, of in sold}, "-")
        return lambda _, of: _within(of.accelerator.lower(), family, "-")
    if kind == "provider":
        _known(asked, "provider", name, {of.provider for _, of in sold})
        return lambda _, of: of.provider == name
    if kind == "offer":
        _known(asked, "offer", name, {identity for identity, _ in sold}, "/")
        return lambda identity, _: _within(identity, name, "/")
    raise asked.wrong(f"{kind!r} is nothing that has a price", f"Write {USAGE['price']}.")


def _scaled(price: int, factor: Decimal) -> int:
    return int((price * factor).to_integral_value(rounding=ROUND_HALF_UP))


def _quota(snapshot: Snapshot, asked: Question) -> Snapshot:
    _known(asked, "quota", asked.subject, {quota.id for quota in snapshot.quotas}, "/")
    return replace(
        snapshot,
        quotas=tuple(
            replace(quota, limit=_counted(quota.limit, asked)) if _within(quota.id, asked.subject, "/") else quota
            for quota in snapshot.quotas
        ),
    )


def _stock(snapshot: Snapshot, asked: Question) -> Snapshot:
    """An offer of which no cap is known has what the optimizer takes it to have without evidence."""
    meant = [offer.id for offer in snapshot.offers if _within(offer.id, asked.subject, "/")]
    _known(asked, "offer", asked.subject, {offer.id for offer in snapshot.offers}, "/")

    def cap(identity: str) -> LaunchCap:
        before = snapshot.caps.get(identity)
        return LaunchCap(_counted(UNCAPPED if before is None else before.nodes, asked), 1.0, f"what if: {asked.text}")

    return replace(snapshot, caps={**snapshot.caps, **{identity: cap(identity) for identity in meant}})


def _demand(snapshot: Snapshot, asked: Question) -> Snapshot:
    """A name means the deployment of that id where there is one, else all deployments of that model; ``*`` means all."""
    ids, models = {d.id for d in snapshot.deployments}, {d.model for d in snapshot.deployments}
    name, factor = asked.subject, float(_amount(asked).value)
    if name != "*" and name not in ids:
        _known(asked, "deployment or model", name, ids | models)
    meant = {d.id for d in snapshot.deployments if name in ("*", d.id) or (name not in ids and name == d.model)}
    return replace(
        snapshot,
        deployments=tuple(
            replace(d, demand=tuple(replace(each, tokens_per_s=each.tokens_per_s * factor) for each in d.demand)) if d.id in meant else d
            for d in snapshot.deployments
        ),
    )


def _without(snapshot: Snapshot, asked: Question) -> Snapshot:
    found = {d.id: d for d in snapshot.deployments}
    _known(asked, "deployment", asked.subject, found)
    deployment = found[asked.subject]
    stated = rules_of(deployment)
    off = (RESIDENCY if asked.rule == "residency" else {asked.rule}) & set(stated)
    if not off:
        have = [rule for rule in RELAXABLE if rule in stated or (rule == "residency" and RESIDENCY & set(stated))]
        raise asked.wrong(f"deployment {deployment.id} states no {asked.rule}", f"It states {', '.join(have)}.")
    changed = relaxed(deployment, off)
    return replace(snapshot, deployments=tuple(changed if d.id == changed.id else d for d in snapshot.deployments))


_EFFECTS: Mapping[str, Callable[[Snapshot, Question], Snapshot]] = {
    "lose": lose,
    "price": _price,
    "quota": _quota,
    "stock": _stock,
    "demand": _demand,
    "without": _without,
}


def _amount(asked: Question) -> Amount:
    if asked.amount is None:
        raise asked.wrong("does not say by how much", f"Write {USAGE[asked.verb]}.")
    return asked.amount


def _counted(before: int, asked: Question) -> int:
    """A whole number after the change, never below zero."""
    amount = _amount(asked)
    return max(0, int(amount.value) + (before if amount.kind is AmountKind.ADDED else 0))


def _within(name: str, prefix: str, separator: str) -> bool:
    """True where the prefix is the name, or ends at one of its separators: ``europe-west1`` is no part of ``europe-west12``."""
    return name == prefix or name.startswith(prefix.rstrip(separator) + separator)


def _known(asked: Question, kind: str, name: str, names: Iterable[str], separator: str = "") -> None:
    """Raises InvalidInputError where no name is meant; near matches are as long as what was written."""
    every = set(names)
    if any(each == name or (separator and _within(each, name, separator)) for each in every):
        return
    parts = len(name.rstrip(separator).split(separator)) if separator else 0
    raise asked.unknown(kind, name, {separator.join(each.split(separator)[:parts]) for each in every} if separator else every)
