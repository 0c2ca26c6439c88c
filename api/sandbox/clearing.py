"""What becomes of payments to other banks: each is one step further when its time has come."""

from typing import Any

from api.sandbox.database import Connection
from api.sandbox.ledger import Posting, book
from api.sandbox.transfer_records import COLUMNS, answer
from api.sandbox.webhooks import tell


async def step_one(conn: Connection, settlement_s: float) -> bool:
    """Takes the next step of one transfer whose last was `settlement_s` ago; False if there is none."""
    async with conn.transaction():
        cur = await conn.execute(
            f"""
            SELECT {COLUMNS}, expects, external_account FROM transfers
            WHERE expects IS NOT NULL AND step_at <= now() - make_interval(secs => %(settlement_s)s)
            ORDER BY step_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
            """.encode(),
            {"settlement_s": settlement_s},
        )
        transfer = await cur.fetchone()
        if transfer is None:
            return False
        fate = await _fate(conn, transfer["external_account"])
        transaction_id = await _move(conn, transfer, fate["reason"])
        stepped = await _record(conn, transfer, fate, transaction_id)
        await tell(conn, f"transfer.{stepped['status']}", stepped)
    return True


async def _fate(conn: Connection, external_account: str | None) -> dict[str, Any]:
    """An IBAN that nobody here has heard of takes its money."""
    cur = await conn.execute(
        "SELECT outcome, reason FROM external_accounts WHERE account_id = %(id)s", {"id": external_account}
    )
    return await cur.fetchone() or {"outcome": "settled", "reason": None}


async def _move(conn: Connection, transfer: dict[str, Any], reason: str | None) -> int:
    """From the clearing account to the other bank or back to the payer; a return comes from the other bank."""
    clearing, cash = (f"BANK-{kind}-{transfer['currency']}" for kind in ("CLEARING", "CASH"))
    payer, said = transfer["source_account"], transfer["reference"] or "transfer"
    match transfer["expects"]:
        case "settled":
            giver, taker, reference = clearing, cash, said
        case "rejected":
            giver, taker, reference = clearing, payer, f"rejected {reason}: {said}"
        case _:
            giver, taker, reference = cash, payer, f"returned {reason}: {said}"
    amount_minor = transfer["amount_minor"]
    postings = (Posting(giver, -amount_minor), Posting(taker, amount_minor))
    return await book(conn, transfer["currency"], reference, postings)


async def _record(
    conn: Connection, transfer: dict[str, Any], fate: dict[str, Any], transaction_id: int
) -> dict[str, Any]:
    status = transfer["expects"]
    comes_back = status == "settled" and fate["outcome"] == "returned"
    cur = await conn.execute(
        f"""
        WITH stepped AS (
            INSERT INTO transfer_steps (transfer_id, status, transaction_id, reason)
            VALUES (%(transfer_id)s, %(status)s, %(transaction_id)s, %(reason)s)
        )
        UPDATE transfers SET status = %(status)s, expects = %(expects)s, reason = %(reason)s, step_at = now()
        WHERE transfer_id = %(transfer_id)s RETURNING {COLUMNS}
        """.encode(),
        {
            "transfer_id": transfer["transfer_id"],
            "status": status,
            "expects": "returned" if comes_back else None,
            "reason": None if status == "settled" else fate["reason"],
            "transaction_id": transaction_id,
        },
    )
    row = await cur.fetchone()
    assert row is not None
    return answer(row)
