"""The one place that knows HTTP statuses: every error becomes RFC 9457 problem JSON that names what to mend."""

import http
import logging
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import procrastinate
import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
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
AWAY = (psycopg.OperationalError, psycopg.InterfaceError, procrastinate.exceptions.ConnectorException)
"""What drivers raise with the database away, shutting down, out of connections, or rolling us back for others."""

_MOST_FIELDS = 20
_LONGEST_SHOWN = 60
_log = logging.getLogger(__name__)


class InvalidRequest(Exception):
    """A request that is wrong as such, whatever its route makes of it."""

    def __init__(self, status: int, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.status = status
        self.field = field
        self.reason = reason


class FieldError(BaseModel):
    field: str
    reason: str


class Fault(BaseModel):
    """Why a part of a request was refused: what its problem would say, had it been sent alone."""

    status: int
    detail: str
    errors: list[FieldError]


class Problem(BaseModel):
    """RFC 9457, with the faulty fields beside it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldError]


def install(app: FastAPI) -> None:
    """Registers a handler for everything that can go wrong behind `app`."""
    app.add_exception_handler(InvalidRequest, _invalid_request)
    app.add_exception_handler(RequestValidationError, _invalid_fields)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(errors.CountersignError, _countersign)
    for kind in AWAY:
        app.add_exception_handler(kind, _database_away)
    app.add_exception_handler(Exception, _unforeseen)


def refuse(request: Request, exc: InvalidRequest) -> JSONResponse:
    return _problem(request, exc.status, str(exc), [(exc.field, exc.reason)], "InvalidRequest")


def fault_of(exc: errors.CountersignError | ValidationError) -> Fault:
    """Of one part of a request that has others. Raises what is nobody's fault but ours."""
    if isinstance(exc, ValidationError):
        fields = [(_field(("body", *error["loc"])), _reason(dict(error))) for error in exc.errors()[:_MOST_FIELDS]]
        status, detail = 422, "; ".join(f"{field}: {reason}" for field, reason in fields)
    else:
        known = _status_of(exc)
        if known is None:
            raise exc
        fields = [(exc.field, exc.reason)] if isinstance(exc, errors.InvalidInput) else []
        status, detail = known, str(exc)
    return Fault(
        status=status, detail=detail, errors=[FieldError(field=field, reason=reason) for field, reason in fields]
    )


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems a route may answer, for OpenAPI."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": http.HTTPStatus(status).phrase, "content": content} for status in statuses}


def schemas() -> dict[str, Any]:
    """What those responses refer to."""
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**problem.pop("$defs"), "Problem": problem}


def _problem(
    request: Request, status: int, detail: str, fields: Sequence[tuple[str, str]] = (), kind: str | None = None
) -> JSONResponse:
    body = Problem(
        type=f"urn:countersign:{kind}" if kind else "about:blank",
        title=http.HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=quote(request.url.path),
        errors=[FieldError(field=field, reason=reason) for field, reason in fields],
    )
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="countersign"'
    return JSONResponse(body.model_dump(), status, headers=headers, media_type=MEDIA_TYPE)


async def _invalid_request(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, InvalidRequest)
    return refuse(request, exc)


async def _invalid_fields(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, RequestValidationError)
    if (fault := exc.errors()[0])["type"] == "json_invalid":
        return refuse(request, InvalidRequest(400, "body", f"is not JSON: {fault['ctx']['error']}"))
    fields = [(_field(error["loc"]), _reason(error)) for error in exc.errors()[:_MOST_FIELDS]]
    return _problem(request, 422, "; ".join(f"{field}: {reason}" for field, reason in fields), fields, "InvalidInput")


async def _http(request: Request, exc: Exception) -> JSONResponse:
    """401, and what no route was found for."""
    assert isinstance(exc, HTTPException)
    detail = str(exc.detail)
    headers = dict(exc.headers or {})
    if exc.status_code == 404:
        detail = f"there is no {request.url.path} here; /docs lists what there is"
    if exc.status_code == 405:
        headers["Allow"] = _allowed(request, headers["Allow"])
        detail = f"{request.method} is not allowed here; allowed: {headers['Allow']}"
    answer = _problem(request, exc.status_code, detail)
    answer.headers.update(headers)
    return answer


async def _countersign(request: Request, exc: Exception) -> JSONResponse:
    status = _status_of(exc) or 500
    if status == 500:
        _log.error("%s %s", request.method, request.url.path, exc_info=exc)
    fields = [(exc.field, exc.reason)] if isinstance(exc, errors.InvalidInput) else []
    return _problem(request, status, str(exc), fields, type(exc).__name__)


async def _database_away(request: Request, exc: Exception) -> JSONResponse:
    _log.warning("database unavailable: %s", exc)
    detail = "the database is away; try again, with the same Idempotency-Key if you sent one"
    return _problem(request, 503, detail, kind=errors.DatabaseUnavailable.__name__)


async def _unforeseen(request: Request, exc: Exception) -> JSONResponse:
    _log.error("%s %s", request.method, request.url.path, exc_info=exc)
    return _problem(request, 500, "something unforeseen went wrong; it is in the log")


def _status_of(exc: Exception) -> int | None:
    return next((status for kind, status in STATUSES if isinstance(exc, kind)), None)


def _allowed(request: Request, of_first_route: str) -> str:
    """Of the path's most literal pattern: Starlette names the methods of the first route alone that has the path."""
    routes: list[APIRoute] = request.app.state.routes
    there = [route for route in routes if route.path_regex.match(request.url.path)]
    if not there:
        return of_first_route
    path = min(there, key=lambda route: len(route.param_convertors)).path
    return ", ".join(sorted({method for route in there if route.path == path for method in route.methods or ()}))


def _field(loc: Sequence[int | str]) -> str:
    """`body.amount` is the caller's `amount`; headers and parameters keep their own names."""
    steps = loc[1:] if loc[0] in ("body", "query", "path", "header") else loc
    name = ".".join(str(step) for step in steps) or str(loc[0])
    return name[:_LONGEST_SHOWN].encode(errors="backslashreplace").decode()


def _reason(error: dict[str, Any]) -> str:
    if error["type"] == "missing":
        return "is required"
    if error["type"] == "extra_forbidden":
        return "is not a field of this request"
    reason = str(error["msg"]).removeprefix("Value error, ")
    given = repr(error.get("input"))
    return reason if "input" not in error or len(given) > _LONGEST_SHOWN else f"{reason} (given: {given})"
