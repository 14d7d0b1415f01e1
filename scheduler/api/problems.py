"""Errors as RFC 9457 problem documents: every one says what is wrong, with what, and what to do."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from scheduler.api.schema import InvalidInputErrors, explain, field_path
from scheduler.domain.errors import ConflictError, FencedError, HeadraceError, InfeasibleError, InvalidInputError, NoSuchError

MEDIA_TYPE = "application/problem+json"


def problem(status: int, title: str, detail: str, **more: Any) -> JSONResponse:
    """One problem document."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    return JSONResponse(body, status, media_type=MEDIA_TYPE)


def _field(error: InvalidInputError) -> dict[str, Any]:
    value = error.value if isinstance(error.value, str | int | float | bool | type(None)) else repr(error.value)[:200]
    return {"field": error.field, "value": value, "problem": error.problem, "remedy": error.remedy}


def install(app: FastAPI) -> None:
    """Map the domain's errors, and the framework's own, to problem documents."""

    @app.exception_handler(InvalidInputError)
    async def invalid(_: Request, error: InvalidInputError) -> JSONResponse:
        every = error.errors if isinstance(error, InvalidInputErrors) else (error,)
        return problem(422, "Invalid input", str(error), errors=[_field(each) for each in every])

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        every = [explain(detail) for detail in error.errors()]
        return problem(422, "Invalid input", "; ".join(map(str, every)), errors=[_field(each) for each in every])

    @app.exception_handler(ValidationError)
    async def unreadable(_: Request, error: ValidationError) -> JSONResponse:
        every = [
            {"field": field_path(d["loc"]), "problem": d["msg"], "remedy": "Send what this version's protocol says."}
            for d in error.errors()
        ]
        return problem(422, "Invalid input", "; ".join(f"{each['field']}: {each['problem']}" for each in every), errors=every)

    @app.exception_handler(InfeasibleError)
    async def infeasible(_: Request, error: InfeasibleError) -> JSONResponse:
        return problem(409, "Infeasible", str(error), conflicts=list(error.conflicts), remedies=list(error.remedies))

    @app.exception_handler(NoSuchError)
    async def missing(_: Request, error: NoSuchError) -> JSONResponse:
        return problem(404, "Not found", str(error))

    @app.exception_handler(ConflictError)
    async def conflict(_: Request, error: ConflictError) -> JSONResponse:
        return problem(409, "Conflict", str(error))

    @app.exception_handler(FencedError)
    async def fenced(_: Request, error: FencedError) -> JSONResponse:
        return problem(409, "Conflict", str(error))

    @app.exception_handler(HeadraceError)
    async def other(_: Request, error: HeadraceError) -> JSONResponse:
        return problem(503, "Unavailable", str(error))

    @app.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> JSONResponse:
        # A bug: the trace goes to the log (the framework raises it again), never to the client.
        return problem(500, "Internal error", "The control plane failed on this request; its log tells where.")

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, str(error.detail), str(error.detail))
