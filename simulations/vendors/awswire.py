"""AWS's wire: requests read by the input shapes of botocore's own models, answers written by the output shapes."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from simulations.vendors.answers import Answer, Asked

Row = dict[str, Any]

STATUSES = {
    "InsufficientInstanceCapacity": 500, "InternalError": 500, "RequestLimitExceeded": 503, "Unavailable": 503, "AuthFailure": 401,
    "RequestExpired": 400, "UnrecognizedClientException": 400, "InvalidSignatureException": 400,
}  # fmt: skip


class AwsError(Exception):
    """What AWS refuses; the fake words it in the protocol that was asked in."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


@cache
def model_of(service: str) -> Any:
    """botocore's own model of a service."""
    from botocore.session import get_session

    return get_session().get_service_model(service)


def refused(service: str, code: str, status: int = 0, message: str = "The server says no.") -> Answer:
    """A refusal in the protocol of the service."""
    status = status or STATUSES.get(code, 400)
    if service != "ec2":
        return Answer({"__type": code, "message": message}, status)
    error = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    return Answer(f"<Response><Errors><Error>{error}</Error></Errors><RequestID>r-1</RequestID></Response>", status)


def order_of(asked: Asked, shape: Any, service: str) -> Row:
    """The request by its input shape; what the shape does not know is refused."""
    from botocore.validate import ParamValidator

    if service != "ec2":
        order: Row = asked.body
        report = ParamValidator().validate(order, shape)
        if report.has_errors() or set(order) - set(shape.members):
            raise AwsError("InvalidParameterException", report.generate_report() or str(sorted(order)))
        return order
    fields = dict(parse_qsl(asked.raw.decode(), keep_blank_values=True))
    if fields.pop("Version", "") != model_of("ec2").api_version or not fields.pop("Action", ""):
        raise AwsError("InvalidAction", "The action is not valid for this web service.")
    order = _read(shape, fields, "") or {}
    if fields:
        raise AwsError("UnknownParameter", f"The parameter {min(fields)} is not recognized")
    return order


def _read(shape: Any, fields: dict[str, str], path: str) -> Any:
    """A value out of EC2's flat fields, taking what it uses; None where there is none."""
    if shape.type_name == "structure":
        found = {}
        for name, member in shape.members.items():
            wire = member.serialization.get("queryName") or member.serialization.get("name", name)
            wire = wire[0].upper() + wire[1:]
            inside = f"{path}.{wire}" if path else wire
            if any(field == inside or field.startswith(f"{inside}.") for field in fields):
                found[name] = _read(member, fields, inside)
        return found
    if shape.type_name == "list":
        values: list[Any] = []
        while any(field == f"{path}.{len(values) + 1}" or field.startswith(f"{path}.{len(values) + 1}.") for field in fields):
            values.append(_read(shape.member, fields, f"{path}.{len(values) + 1}"))
        return values
    text = fields.pop(path)
    match shape.type_name:
        case "integer" | "long":
            return int(text)
        case "boolean":
            return text == "true"
    return text


def as_xml(shape: Any, value: Any) -> str:
    """A value as EC2 writes it; a field that the shape lacks raises KeyError."""
    match shape.type_name:
        case "structure":
            parts = ((shape.members[name], name, each) for name, each in value.items())
            return "".join(_element(member.serialization.get("name", name), as_xml(member, each)) for member, name, each in parts)
        case "list":
            return "".join(_element(shape.member.serialization.get("name", "item"), as_xml(shape.member, each)) for each in value)
        case "timestamp":
            return str(value.strftime("%Y-%m-%dT%H:%M:%S.000Z"))
        case "boolean":
            return "true" if value else "false"
    return escape(str(value))


def _element(name: str, inside: str) -> str:
    return f"<{name}>{inside}</{name}>"


def as_json(shape: Any, value: Any) -> Any:
    match shape.type_name:
        case "structure":
            return {name: as_json(shape.members[name], each) for name, each in value.items()}
        case "list":
            return [as_json(shape.member, each) for each in value]
    return value
