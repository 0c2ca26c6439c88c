"""The one place that knows HTTP statuses: every error becomes RFC 9457 problem JSON that names what to mend."""

import http
import logging
from collections.abc import Sequence
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from db import errors

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2
STATUSES: tuple[tuple[type[errors.CountersignError], int], ...] = (
    (errors.InvalidInput, 422),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.Forbidden, 403),
    (errors.Unavailable, 503),
    (errors.BankRefused, 502),
    (errors.SchemaMismatch, 503),
)
_log = logging.getLogger(__name__)


class FieldError(BaseModel):
    field: str
    reason: str


class Problem(BaseModel):
    """RFC 9457, with the faulty fields beside it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldError] = []


def problem(
    request: Request, status: int, detail: str, fields: Sequence[FieldError] = (), kind: str = "about:blank"
) -> JSONResponse:
    body = Problem(
        type=kind,
        title=http.HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=request.url.path,
        errors=list(fields),
    )
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="countersign"'
    return JSONResponse(body.model_dump(), status, headers=headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Registers a handler for everything that can go wrong behind `app`."""
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(errors.CountersignError, _countersign)
    app.add_exception_handler(psycopg.OperationalError, _database_away)
    app.add_exception_handler(Exception, _unforeseen)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems a route may answer, for OpenAPI."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": http.HTTPStatus(status).phrase, "content": content, "model": Problem}
        for status in statuses
    }


async def _invalid_request(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, RequestValidationError)
    found = exc.errors()
    if any(error["type"] == "json_invalid" for error in found):
        reason = found[0].get("ctx", {}).get("error", "it cannot be parsed")
        at = found[0]["loc"][-1]
        return problem(request, 400, f"the body is not JSON: {reason} at character {at}")
    fields = [FieldError(field=_field(error["loc"]), reason=_reason(error)) for error in found]
    return problem(request, 422, "; ".join(f"{f.field}: {f.reason}" for f in fields), fields)


async def _http(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, HTTPException)
    answer = problem(request, exc.status_code, str(exc.detail))
    answer.headers.update(exc.headers or {})
    return answer


async def _countersign(request: Request, exc: Exception) -> JSONResponse:
    status = next((status for kind, status in STATUSES if isinstance(exc, kind)), 500)
    if status == 500:
        _log.error("%s %s", request.method, request.url.path, exc_info=exc)
    fields = [FieldError(field=exc.field, reason=exc.reason)] if isinstance(exc, errors.InvalidInput) else []
    return problem(request, status, str(exc), fields, kind=f"urn:countersign:{type(exc).__name__}")


async def _database_away(request: Request, exc: Exception) -> JSONResponse:
    _log.warning("database unavailable: %s", exc)
    return problem(
        request, 503, "the database is away; nothing was written, try again", kind="urn:countersign:DatabaseUnavailable"
    )


async def _unforeseen(request: Request, exc: Exception) -> JSONResponse:
    _log.error("%s %s", request.method, request.url.path, exc_info=exc)
    return problem(request, 500, "something unforeseen went wrong; it is in the log")


def _field(loc: Sequence[int | str]) -> str:
    """`body.amount` is the caller's `amount`; headers and parameters keep their own names."""
    steps = [str(step) for step in loc if step not in ("body", "query", "path", "header")]
    return ".".join(steps) or "body"


def _reason(error: dict[str, Any]) -> str:
    reason = str(error["msg"]).removeprefix("Value error, ")
    given = repr(error.get("input"))
    return reason if error["type"] == "missing" or len(given) > 60 else f"{reason} (given: {given})"
