"""The background of a payment: what the bank booked on both accounts, and what we know of payments ourselves."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from psycopg.rows import class_row

from db.errors import NotFound
from tools.bank_activity import Entry, activity
from tools.context import Context
from tools.rules.fraud_signals.background import HISTORY_DAYS, Background, Movement, Use
from tools.rules.payment import Payment

BOOKED_WITHIN = timedelta(days=7)
"""A payment that was judged and the booking that it led to lie no further apart."""
GIVEN_BACK = ("rejected", "returned")


async def background(context: Context, payment: Payment) -> Background:
    """An account that the bank does not know has moved what went through us. Raises BankUnavailable."""
    since = payment.at - timedelta(days=HISTORY_DAYS)
    ours = await _judged(context, payment, since)
    booked, at_payee = await asyncio.gather(
        _booked(context, payment, payment.account, since), _booked(context, payment, payment.payee, since)
    )
    from_account = [judged for judged in ours if judged.account == payment.account]
    to_payee = [judged for judged in ours if judged.payee == payment.payee]
    return Background(
        payment=payment,
        own=_merged([judged.paid() for judged in from_account], booked),
        payee=_merged([judged.received() for judged in to_payee], at_payee),
        uses=tuple(Use(judged.at, judged.channel, judged.device) for judged in from_account),
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    """A payment that came through us; `is_open`: what becomes of it is not decided, so the bank may not know it."""

    payment_id: str
    at: datetime
    account: str
    payee: str
    amount_minor: int
    channel: str
    device: str | None
    fraud: bool
    is_open: bool

    def paid(self) -> "_Ours":
        return _Ours(Movement(self.at, -self.amount_minor, self.payee, self.payment_id, self.fraud), self.is_open)

    def received(self) -> "_Ours":
        return _Ours(Movement(self.at, self.amount_minor, self.account, self.payment_id, self.fraud), self.is_open)


@dataclass(frozen=True, slots=True)
class _Ours:
    move: Movement
    is_open: bool


async def _judged(context: Context, payment: Payment, since: datetime) -> list[_Judged]:
    async with context.pool.connection() as conn, conn.cursor(row_factory=class_row(_Judged)) as cur:
        await cur.execute(
            """
            SELECT p.payment_id, p.at, p.account, p.payee, p.amount_minor, p.channel, p.device,
                   coalesce(l.fraud, false) AS fraud, t.outcome IS NULL AS is_open
            FROM fraud_payments p JOIN threads t ON t.thread_id = p.thread_id
            LEFT JOIN fraud_labels l ON l.tenant_id = p.tenant_id AND l.payment_id = p.payment_id
            WHERE p.tenant_id = %(tenant_id)s AND (p.account = %(account)s OR p.payee = %(payee)s)
              AND p.at >= %(since)s AND p.at < %(until)s AND p.currency = %(currency)s
              AND p.payment_id <> %(payment_id)s
            ORDER BY p.at
            """,
            {
                "tenant_id": context.tenant_id,
                "account": payment.account,
                "payee": payment.payee,
                "since": since,
                "until": payment.at,
                "currency": payment.currency,
                "payment_id": payment.payment_id,
            },
        )
        return await cur.fetchall()


async def _booked(context: Context, payment: Payment, account: str, since: datetime) -> list[Movement] | None:
    """What the bank booked on the account before the payment; None if it does not know the account."""
    try:
        entries = await activity(context.bank, account, since, payment.at)
    except NotFound:
        return None
    counted = [
        entry
        for entry in entries
        if entry.currency == payment.currency
        and entry.transfer_status not in GIVEN_BACK
        and entry.transfer_id != payment.payment_id
    ]
    lenders = await _own_loans(context, {entry.counterparty for entry in counted if entry.amount_minor > 0})
    return [_movement(entry, payment.payee, lenders) for entry in counted]


def _movement(entry: Entry, payee: str, lenders: set[str]) -> Movement:
    """A loan that was paid out comes from nobody who could be a victim."""
    sender = entry.counterparty
    if sender in lenders:
        sender = None
    elif payee == entry.counterparty_number:
        sender = payee
    return Movement(entry.at, entry.amount_minor, sender, entry.transfer_id)


async def _own_loans(context: Context, senders: Iterable[str | None]) -> set[str]:
    async with context.pool.connection() as conn:
        cur = await conn.execute(
            """
            SELECT loan_account_id FROM loans
            WHERE tenant_id = %(tenant_id)s AND loan_account_id = ANY(%(senders)s)
            """,
            {"tenant_id": context.tenant_id, "senders": [sender for sender in senders if sender]},
        )
        return {row["loan_account_id"] for row in await cur.fetchall()}


def _merged(ours: Sequence[_Ours], booked: Sequence[Movement] | None) -> tuple[Movement, ...]:
    """The bank's bookings, with what we know of them; and our payments that it has not booked yet, or will not, if they
    are fraud. If the bank knows nothing of the account, ours are all there are."""
    if booked is None:
        return tuple(each.move for each in ours)
    moves = list(booked)
    by_id = {move.payment_id: at for at, move in enumerate(moves)} | {None: None}
    alike: dict[tuple[str | None, int], deque[int]] = defaultdict(deque)
    for at, move in enumerate(moves):
        alike[move.counterparty, move.amount_minor].append(at)
    for each in ours:
        found = by_id.get(each.move.payment_id)
        if found is None:
            found = _taken(alike[each.move.counterparty, each.move.amount_minor], moves, each.move.at)
        if found is not None:
            moves[found] = replace(moves[found], fraud=each.move.fraud)
        elif each.is_open or each.move.fraud:
            moves.append(each.move)
    return tuple(sorted(moves, key=lambda move: move.at))


def _taken(alike: deque[int], moves: Sequence[Movement], judged_at: datetime) -> int | None:
    """The first booking of this payee and amount after a payment was judged; each is taken by one payment only."""
    while alike and moves[alike[0]].at < judged_at:
        alike.popleft()
    if alike and moves[alike[0]].at <= judged_at + BOOKED_WITHIN:
        return alike.popleft()
    return None
