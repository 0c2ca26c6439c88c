"""What all accounts in custody hold, page by page: for whoever keeps a view of many."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from api.sandbox.access import needs
from api.sandbox.custody_market import plain
from api.sandbox.records import Limit
from api.sandbox.teller import TellerRoute

AccountsAfter = Annotated[str, Query(pattern=r"^[A-Za-z0-9_-]{0,60}$")]

router = APIRouter(route_class=TellerRoute, dependencies=[needs("custody")])


@router.get("/custody-positions")
async def positions(request: Request, after: AccountsAfter = "", limit: Limit = 100) -> dict[str, Any]:
    """Quantities by instrument, of the accounts whose id comes `after`, in their order; without cash and lots.
    `next_after` asks for the page after; null on the last one."""
    async with request.state.pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT custody_account_id, customer_id, currency, state, now() AS as_of, coalesce((
                       SELECT json_agg(json_build_object('instrument_id', instrument_id, 'quantity', quantity::text)
                                       ORDER BY instrument_id)
                       FROM positions
                       WHERE positions.custody_account_id = custody_accounts.custody_account_id AND quantity > 0
                   ), '[]') AS positions
            FROM custody_accounts WHERE custody_account_id > %(after)s ORDER BY custody_account_id LIMIT %(most)s
            """,
            {"after": after, "most": limit + 1},
        )
        rows = [plain(row) for row in await cur.fetchall()]
    page = rows[:limit]
    return {"custody_positions": page, "next_after": page[-1]["custody_account_id"] if len(rows) > limit else None}
