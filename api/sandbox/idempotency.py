"""One answer per Idempotency-Key: the effect, its answer and its log line commit together or not at all."""

import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse, Response
from psycopg.types.json import Json

from api.sandbox import request_log
from api.sandbox.database import Connection
from api.sandbox.misbehaviour import refusal_by_switch
from api.sandbox.problems import Refused, problem_json

Execute = Callable[[Connection], Awaitable[dict[str, Any]]]
"""Raises Refused before it writes anything, since a refusal commits."""

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    key: str
    key_id: str
    method: str
    path: str
    body: bytes
    refused_by_switch: bool

    def sha256(self) -> str:
        """Of the body as canonical JSON: keys sorted, no blanks, UTF-8; 125.50 is 125.5."""
        body = json.loads(self.body or b"null", parse_float=_exact_number)
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


async def answer_once(request: Request, keyed: KeyedRequest, execute: Execute) -> Response:
    """Executes the request unless its key has an answer already. A refusal is an answer: final, stored, replayed.

    Two at once with one key: the second waits at the INSERT until the first has committed or failed.
    """
    async with request.state.pool.connection() as conn, conn.transaction():
        if await _claim(conn, keyed):
            answer = await _execute(conn, keyed, execute)
            await _store(conn, keyed, answer)
        else:
            answer = await _stored_answer(conn, keyed)
            await request_log.write(conn, keyed.path, keyed.key, answer.status, replayed=answer.replayed)
    request.state.logged = True
    headers = {"Idempotent-Replayed": "true"} if answer.replayed else {}
    if answer.status >= 400:
        return problem_json(answer.status, answer.body, headers)
    return JSONResponse(answer.body, answer.status, headers)


async def find(conn: Connection, key: str) -> dict[str, Any] | None:
    """What became of a key; None if no request with it was ever answered."""
    cur = await conn.execute(
        """
        SELECT idempotency_key, method, path, request_sha256, status, response FROM requests
        WHERE idempotency_key = %(key)s
        """,
        {"key": key},
    )
    return await cur.fetchone()


def _exact_number(written: str) -> float | str:
    """A number that a float would change stays as written, so that it cannot pass for another one."""
    number = float(written)
    return number if Decimal(repr(number)) == Decimal(written) else written


async def _keyed_request(request: Request, idempotency_key: Annotated[str | None, Header()] = None) -> KeyedRequest:
    if idempotency_key is None:
        detail = "this call moves money and needs an Idempotency-Key header"
        raise Refused(400, "idempotency_key_required", detail, "Idempotency-Key")
    if not _KEY.fullmatch(idempotency_key):
        detail = "an Idempotency-Key is 1 to 255 visible ASCII characters"
        raise Refused(400, "idempotency_key_invalid", detail, "Idempotency-Key")
    return KeyedRequest(
        key=idempotency_key,
        key_id=request.state.caller.key_id,
        method=request.method,
        path=request.url.path,
        body=await request.body(),
        refused_by_switch=request.state.switched_to_refuse,
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: dict[str, Any]
    replayed: bool = False


Keyed = Annotated[KeyedRequest, Depends(_keyed_request)]


async def _claim(conn: Connection, request: KeyedRequest) -> bool:
    cur = await conn.execute(
        """
        INSERT INTO requests (idempotency_key, key_id, method, path, request_sha256)
        VALUES (%(key)s, %(key_id)s, %(method)s, %(path)s, %(sha256)s) ON CONFLICT (idempotency_key) DO NOTHING
        """,
        {
            "key": request.key,
            "key_id": request.key_id,
            "method": request.method,
            "path": request.path,
            "sha256": request.sha256(),
        },
    )
    return cur.rowcount == 1


async def _execute(conn: Connection, request: KeyedRequest, execute: Execute) -> _Answer:
    try:
        if request.refused_by_switch:
            raise refusal_by_switch()
        return _Answer(201, await execute(conn))
    except Refused as refusal:
        return _Answer(refusal.status, refusal.problem())


async def _store(conn: Connection, request: KeyedRequest, answer: _Answer) -> None:
    await conn.execute(
        """
        WITH answered AS (
            UPDATE requests SET status = %(status)s, response = %(response)s WHERE idempotency_key = %(key)s
        )
        INSERT INTO request_log (method, path, idempotency_key, status, replayed)
        VALUES (%(method)s, %(path)s, %(key)s, %(status)s, false)
        """,
        {
            "status": answer.status,
            "response": Json(answer.body),
            "key": request.key,
            "method": request.method,
            "path": request.path,
        },
    )


async def _stored_answer(conn: Connection, request: KeyedRequest) -> _Answer:
    stored = await find(conn, request.key)
    assert stored is not None
    asked = (request.method, request.path, request.sha256())
    if asked != (stored["method"], stored["path"], stored["request_sha256"]):
        mismatch = Refused(409, "idempotency_mismatch", f"key {request.key} was used with another request")
        return _Answer(mismatch.status, mismatch.problem())
    return _Answer(stored["status"], stored["response"], replayed=True)
