"""What a problem document must hold beyond its form: every id once, every reference to something, no rules that contradict one another.

All errors are found before any is told; each names the field, the value and a remedy.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import get_args

from pydantic import BaseModel, ValidationError

from scheduler.api import placement_form as form
from scheduler.api.schema import InvalidInputErrors, check_accelerator, field_path
from scheduler.domain.errors import InvalidInputError
from scheduler.domain.jurisdiction import within
from scheduler.domain.offer import CapacityType, offer_id

ENDPOINT = "endpoint:"
"""What the provider, cluster, accelerator and shapes of an external endpoint begin with."""

ERRORS_MAX = 50
"""Errors told at once; more of them have the same cause."""

VALUE_MAX = 200
"""Characters of a wrong value that are worth repeating."""

UNITS = {
    "tokens_per_s": "It is in output tokens per second.",
    "tokens_per_s_max": "It is in output tokens per second.",
    "memory_gib": "It is in GiB.",
    "parameters_b": "It is in billions of parameters.",
    "latency_ms_max": "It is in milliseconds.",
}


def checked(text: str | bytes) -> form.ProblemDoc:
    """The document, if nothing is wrong with it.

    Raises:
        InvalidInputErrors: every wrong field with its value and a remedy.
    """
    try:
        doc = form.ProblemDoc.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise InvalidInputErrors([_explained(detail) for detail in error.errors()[:ERRORS_MAX]]) from error
    errors = list(islice(_found(doc), ERRORS_MAX))
    if errors:
        raise InvalidInputErrors(errors)
    return doc


def _explained(detail: object) -> InvalidInputError:
    """One detail of pydantic as a sentence with a remedy."""
    assert isinstance(detail, dict)
    path, value, kind = field_path(detail["loc"]), detail.get("input"), detail["type"]
    last = next((str(part) for part in reversed(detail["loc"]) if isinstance(part, str)), "")
    message = str(detail["msg"])
    message = message[:1].lower() + message[1:]
    if isinstance(value, dict | list | str) and len(str(value)) > VALUE_MAX:
        value = None
    if kind == "json_invalid":
        return InvalidInputError("document", None, message, "Write a JSON object; `headrace optimize --schema` prints its form.")
    if kind == "missing":
        return InvalidInputError(path, None, "missing", "Add it.")
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(last, _siblings(detail["loc"]), 1)
        return InvalidInputError(path, value, "unknown field", f"Did you mean {near[0]}?" if near else "Remove it.")
    if kind in ("enum", "literal_error"):
        return InvalidInputError(path, value, "not one of the allowed values", f"Use {detail['ctx']['expected']}.")
    unit = "It is in micro-USD; one USD is 1,000,000." if "micro_usd" in path else UNITS.get(_unit_field(detail["loc"]), "")
    return InvalidInputError(path, value, message, f"Correct the value. {unit}".strip())


def _unit_field(location: Sequence[str | int]) -> str:
    """The innermost field with a unit: rates lie under their bucket's name."""
    return next((part for part in reversed(location) if part in UNITS), "") if location else ""


def _siblings(location: Sequence[str | int]) -> list[str]:
    """Fields that the form has where an unknown one was found."""
    form_here: type[BaseModel] = form.ProblemDoc
    for part in location[:-1]:
        named = {field.alias or name: field for name, field in form_here.model_fields.items()}
        inner = list(_inside(named[part].annotation)) if part in named else []
        form_here = inner[0] if inner else form_here
    return sorted(field.alias or name for name, field in form_here.model_fields.items())


def _inside(annotation: object) -> Iterator[type[BaseModel]]:
    """Forms in an annotation such as ``list[ShapeDoc]`` or ``CapDoc | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _inside(part)


def _found(doc: form.ProblemDoc) -> Iterator[InvalidInputError]:
    yield from _duplicates(doc)
    yield from _market(doc)
    yield from _fleet(doc)
    yield from _served(doc)
    for index, deployment in enumerate(doc.deployments):
        yield from _rules(f"deployments[{index}]", deployment, doc)


def _duplicates(doc: form.ProblemDoc) -> Iterator[InvalidInputError]:
    """Ids that appear twice; a quota is known by all that says what it covers."""
    lists: dict[str, Iterable[str]] = {
        "instance_types": (_type_name(each) for each in doc.instance_types),
        "offers": (_offer_name(each) for each in doc.offers),
        "quotas": (_quota_name(each) for each in doc.quotas),
        "egress_micro_usd_per_gb": (f"{each.source} to {each.to}" for each in doc.egress_micro_usd_per_gb),
        "latency_ms": (f"{each.origin} to {each.place}" for each in doc.latency_ms),
    }
    for name in ("reservations", "clusters", "nodes", "replicas", "models", "shapes", "deployments", "endpoints"):
        lists[name] = (each.id for each in getattr(doc, name))
    for name, ids in lists.items():
        first: dict[str, int] = {}
        for index, identity in enumerate(ids):
            if identity in first:
                yield InvalidInputError(f"{name}[{index}]", identity, f"is a duplicate of {name}[{first[identity]}]", "Remove one of them.")
            first.setdefault(identity, index)


def _type_name(each: form.InstanceTypeDoc) -> str:
    return f"{each.provider}/{each.name}"


def _offer_name(each: form.OfferDoc) -> str:
    provider, _, name = each.type.partition("/")
    return offer_id(provider, each.account, each.region, each.zone, name, each.capacity_type)


def _quota_name(each: form.QuotaDoc) -> str:
    kinds = "+".join(sorted(kind.value for kind in each.capacity_types))
    return f"{each.provider}/{each.account}/{each.region or '*'}/{each.family}/{kinds}"


def _dangling(field: str, value: str, known: Iterable[str], what: str) -> Iterator[InvalidInputError]:
    known = known if isinstance(known, frozenset | dict) else frozenset(known)
    if value not in known:
        near = difflib.get_close_matches(value, known, 1)
        yield InvalidInputError(
            field, value, f"no such {what}", f"Did you mean {near[0]}?" if near else f"Add the {what}, or correct the name."
        )


def _market(doc: form.ProblemDoc) -> Iterator[InvalidInputError]:
    types = frozenset(_type_name(each) for each in doc.instance_types)
    for index, kind in enumerate(doc.instance_types):
        yield from _accelerator(f"instance_types[{index}].accelerator", kind.accelerator)
    for name in ("instance_types", "clusters", "shapes"):
        for index, each in enumerate(getattr(doc, name)):
            field = "provider" if name == "instance_types" else "id"
            if getattr(each, field).startswith(ENDPOINT):
                yield InvalidInputError(f"{name}[{index}].{field}", getattr(each, field), "is kept for external endpoints", "Rename it.")
    for name in ("offers", "nodes"):
        for index, each in enumerate(getattr(doc, name)):
            if each.capacity_type is CapacityType.ENDPOINT:
                remedy = "Declare external endpoints under endpoints."
                yield InvalidInputError(f"{name}[{index}].capacity_type", "endpoint", "is no capacity that can be launched", remedy)
    for index, offer in enumerate(doc.offers):
        yield from _dangling(f"offers[{index}].type", offer.type, types, "instance type")
    for index, held in enumerate(doc.reservations):
        yield from _dangling(f"reservations[{index}].instance_type", f"{held.provider}/{held.instance_type}", types, "instance type")
        if held.starts_at is not None and held.ends_at is not None and held.starts_at >= held.ends_at:
            problem = f"does not follow starts_at {held.starts_at}"
            yield InvalidInputError(f"reservations[{index}].ends_at", str(held.ends_at), problem, "Exchange the two.")


def _accelerator(field: str, key: str) -> Iterator[InvalidInputError]:
    try:
        check_accelerator(field, key)
    except InvalidInputError as error:
        yield error


def _fleet(doc: form.ProblemDoc) -> Iterator[InvalidInputError]:
    types = frozenset(_type_name(each) for each in doc.instance_types)
    clusters = {each.id: each for each in doc.clusters}
    nodes = {each.id: each for each in doc.nodes}
    shapes, deployments = {each.id: each for each in doc.shapes}, {each.id: each for each in doc.deployments}
    for index, node in enumerate(doc.nodes):
        yield from _dangling(f"nodes[{index}].cluster", node.cluster, clusters, "cluster")
        yield from _dangling(f"nodes[{index}].instance_type", node.instance_type, types, "instance type")
    for index, replica in enumerate(doc.replicas):
        at = f"replicas[{index}]"
        yield from _dangling(f"{at}.deployment", replica.deployment, deployments, "deployment")
        yield from _dangling(f"{at}.shape", replica.shape, shapes, "shape")
        yield from _dangling(f"{at}.cluster", replica.cluster, clusters, "cluster")
        for place, identity in enumerate(replica.nodes):
            yield from _dangling(f"{at}.nodes[{place}]", identity, nodes, "node")
            node_cluster = nodes[identity].cluster if identity in nodes else replica.cluster
            if node_cluster != replica.cluster:
                problem = f"lies in cluster {node_cluster}, the replica in {replica.cluster}"
                yield InvalidInputError(f"{at}.nodes[{place}]", identity, problem, "Name a node of the replica's cluster.")


def _served(doc: form.ProblemDoc) -> Iterator[InvalidInputError]:
    models = frozenset(each.id for each in doc.models)
    for index, shape in enumerate(doc.shapes):
        yield from _dangling(f"shapes[{index}].model", shape.model, models, "model")
        yield from _accelerator(f"shapes[{index}].accelerator", shape.accelerator)
    for index, endpoint in enumerate(doc.endpoints):
        yield from _dangling(f"endpoints[{index}].model", endpoint.model, models, "model")
    for index, deployment in enumerate(doc.deployments):
        yield from _dangling(f"deployments[{index}].model", deployment.model, models, "model")


def _rules(at: str, deployment: form.DeploymentDoc, doc: form.ProblemDoc) -> Iterator[InvalidInputError]:
    rules = deployment.rules
    if deployment.min_replicas > deployment.max_replicas:
        problem = f"exceeds max_replicas {deployment.max_replicas}"
        yield InvalidInputError(f"{at}.min_replicas", deployment.min_replicas, problem, "Raise max_replicas or lower min_replicas.")
    if rules.capacity_types == [CapacityType.SPOT] and rules.spot_ceiling < 1:
        remedy = "Raise it to 1, or allow on-demand in capacity_types."
        yield InvalidInputError(
            f"{at}.rules.spot_ceiling", rules.spot_ceiling, "contradicts capacity_types, which allows only spot", remedy
        )
    external = frozenset(f"{ENDPOINT}{each.id}" for each in doc.endpoints)
    clusters = frozenset(each.id for each in doc.clusters) | external
    for field in ("clusters", "pins"):
        for index, name in enumerate(getattr(rules, field)):
            yield from _dangling(f"{at}.rules.{field}[{index}]", name, clusters, "cluster")
    for index, name in enumerate(rules.pins):
        if rules.clusters and name not in rules.clusters:
            yield InvalidInputError(f"{at}.rules.pins[{index}]", name, "contradicts rules.clusters, which leaves it out", "Add it there.")
    for index, key in enumerate(rules.accelerators):
        if key not in external:
            yield from _accelerator(f"{at}.rules.accelerators[{index}]", key)
    yield from _residency(at, deployment)


def _residency(at: str, deployment: form.DeploymentDoc) -> Iterator[InvalidInputError]:
    """Demand that no place may serve which the deployment's own rules allow."""
    allowed = deployment.rules.jurisdictions
    for index, demand in enumerate(deployment.demand):
        here = demand.jurisdictions
        if allowed and here and not any(within(place, here) for place in allowed) and not any(within(place, allowed) for place in here):
            problem = f"contradicts rules.jurisdictions {', '.join(allowed)}: no place satisfies both"
            yield InvalidInputError(f"{at}.demand[{index}].jurisdictions", here, problem, "Let the two overlap.")
