"""Everything the bank says no with: RFC 9457 problem JSON with a `code`."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg import OperationalError
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException

_CODE_OF_STATUS = {400: "malformed_body", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


@dataclass
class Refused(Exception):
    """The bank's no. `field` names the part of the request that is wrong, where there is one."""

    status: int
    code: str
    detail: str
    field: str | None = None
    headers: dict[str, str] | None = None

    def problem(self) -> dict[str, Any]:
        named = {} if self.field is None else {"field": self.field}
        return _problem(self.status, self.code, self.detail) | named


PROBLEMS = (Refused, RequestValidationError, HTTPException, OperationalError, PoolTimeout)


def unknown(record: str, record_id: str, code: str | None = None) -> Refused:
    return Refused(404, code or f"unknown_{record}", f"no {record.replace('_', ' ')} {record_id}")


def problem_response(exc: Exception) -> JSONResponse:
    """`exc` is one of PROBLEMS."""
    match exc:
        case Refused():
            return problem_json(exc.status, exc.problem(), exc.headers)
        case RequestValidationError():
            return problem_json(422, _invalid(exc))
        case HTTPException():
            code = _CODE_OF_STATUS.get(exc.status_code, "http_error")
            return problem_json(exc.status_code, _problem(exc.status_code, code, str(exc.detail)))
        case _:
            unavailable = _problem(503, "ledger_unavailable", "the bank cannot reach its ledger")
            return problem_json(503, unavailable, {"Retry-After": "1"})


def problem_json(status: int, problem: dict[str, Any], headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(problem, status, headers, media_type="application/problem+json")


async def answer_problem(request: Request, exc: Exception) -> JSONResponse:
    return problem_response(exc)


def _invalid(exc: RequestValidationError) -> dict[str, Any]:
    found = exc.errors()
    if found[0]["type"] == "json_invalid":
        return _problem(422, "malformed_body", f"the body is not JSON: {found[0]['ctx']['error']}") | {"field": "body"}
    errors = [{"field": _field(error["loc"]), "reason": _reason(error)} for error in found]
    detail = f"{errors[0]['field']}: {errors[0]['reason']}"
    return _problem(422, "invalid_request", detail) | {"field": errors[0]["field"], "errors": errors}


def _field(location: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in location[1:]) or str(location[0])


def _reason(error: dict[str, Any]) -> str:
    return str(error["msg"]).removeprefix("Value error, ")


def _problem(status: int, code: str, detail: str) -> dict[str, Any]:
    return {
        "type": f"urn:sandbox-bank:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
