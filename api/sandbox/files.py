"""Files that customers keep at the bank: bills, notices. Whoever wrote them, the bank only keeps them."""

from typing import Any

from fastapi import APIRouter, Request

from api.sandbox.access import needs
from api.sandbox.problems import unknown
from api.sandbox.records import customer
from api.sandbox.teller import TellerRoute

router = APIRouter(route_class=TellerRoute, dependencies=[needs("read")])


@router.get("/customers/{customer_id}/files")
async def files(customer_id: str, request: Request) -> dict[str, Any]:
    await customer(customer_id, request)
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            "SELECT path, length(content) AS characters FROM files WHERE customer_id = %(id)s ORDER BY path",
            {"id": customer_id},
        )
        return {"files": await cur.fetchall()}


@router.get("/customers/{customer_id}/files/{path:path}")
async def file(customer_id: str, path: str, request: Request) -> dict[str, Any]:
    await customer(customer_id, request)
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            "SELECT path, content FROM files WHERE customer_id = %(id)s AND path = %(path)s",
            {"id": customer_id, "path": path.replace("\x00", "")},
        )
        row = await cur.fetchone()
    if row is None:
        raise unknown("file", path)
    return dict(row)
