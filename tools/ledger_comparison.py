"""Our effects against the bank's books: what is unexplained there, what became of open effects, what differs."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TypeVar

from db import effects
from db.canonical import sha256_hex
from db.errors import BankRefused, NeedsReconcile
from tools import bank_ledger, effect_movements, reconciliation
from tools.bank import Bank
from tools.bank_ledger import BankRequest, Statement
from tools.context import Context
from tools.effect_movements import COMPARED, Found
from tools.reconciliation import LedgerEffect
from tools.rules.ledger_differences import CAME_BACK, Chain, Movement, OurEffect, Unexplained

CALLS_AT_ONCE = 8
LOOKS = 3
"""At an account whose balance moves while its statement is written."""
LONGEST_STATEMENT = timedelta(days=360)

NEVER_SENT = {"code": "never_sent", "detail": "the case ended, and the bank never saw the request"}

_From = TypeVar("_From")
_To = TypeVar("_To")


@dataclass(frozen=True, slots=True)
class Compared:
    pairs: list[tuple[OurEffect, Movement | None]]
    chains: list[Chain]


async def unexplained(context: Context, since: datetime, until: datetime) -> tuple[int, list[Unexplained]]:
    """How many of the bank's answers under our key concern this tenant, and those that no effect explains.

    The latter are the deployment's own tenant's to see. An intent commits before its request is sent, so whatever the
    bank has seen has its effect by now.
    """
    seen, found = 0, []
    async for page in bank_ledger.requests(context.bank, since, until):
        tenants = await reconciliation.tenants_of(context, [request.idempotency_key for request in page])
        seen += sum(tenants.get(request.idempotency_key) == context.tenant_id for request in page)
        if context.tenant_id == context.home_tenant:
            found += [_unexplained(one) for one in page if one.idempotency_key not in tenants and one.status < 400]
    return seen, found


async def resolve(context: Context, open_effects: Iterable[LedgerEffect]) -> dict[str, list[str]]:
    """Asks the bank, by key, what became of effects that nobody is working on; keys by what came out.

    One that the bank never saw stays intended while its case may still send it.
    """
    came_out: dict[str, list[str]] = {"done": [], "failed": [], "never_sent": [], "not_sent": [], "contradicted": []}
    for effect in open_effects:
        came_out[await _resolve(context, effect)].append(effect.key)
    return came_out


async def compare(context: Context, compared: Sequence[LedgerEffect], known_by: datetime, today: date) -> Compared:
    """Each effect beside what the bank has of it, and the statements of the accounts they moved money on."""

    async def look(effect: LedgerEffect) -> tuple[LedgerEffect, Found | None]:
        return effect, await _found(context.bank, effect, known_by)

    looked = await _each(compared, look)
    accounts = sorted({found.record.account for _, found in looked if found and found.record and found.record.account})
    first = min((effect.created_at.date() for effect in compared), default=today) - timedelta(days=1)
    first = max(first, today - LONGEST_STATEMENT)

    async def account(account_id: str) -> tuple[Statement, Chain]:
        # Tomorrow is part of it: midnight may pass meanwhile.
        return await _account(context.bank, account_id, first, today + timedelta(days=1))

    written = await _each(accounts, account)
    statements = {statement.account_id: statement for statement, _ in written}
    pairs = [_pair(effect, found, statements, first) for effect, found in looked]
    return Compared(pairs, [chain for _, chain in written])


def _unexplained(request: BankRequest) -> Unexplained:
    terms = effect_movements.stated(request.response)
    return Unexplained(request.idempotency_key, request.path, request.received_at.isoformat(), terms)


async def _resolve(context: Context, effect: LedgerEffect) -> str:
    try:
        answer = await context.bank.outcome(effect.key, effect_movements.body(effect.kind, effect.request))
    except BankRefused as exc:
        await effects.conclude(context.pool, effect.stored, "failed", {"code": exc.code, "detail": exc.detail})
        return "failed"
    except NeedsReconcile as exc:
        await effects.contradict(context.pool, effect.stored, str(exc))
        return "contradicted"
    if answer is not None:
        await effects.conclude(context.pool, effect.stored, "done", answer)
        return "done"
    if effect.outcome is None:
        return "not_sent"
    await effects.conclude(context.pool, effect.stored, "failed", NEVER_SENT)
    return "never_sent"


async def _found(bank: Bank, effect: LedgerEffect, known_by: datetime) -> Found | None:
    answer = await bank.request_by_key(effect.key)
    if answer is None:
        return None
    found = await effect_movements.found(bank, effect.kind, answer, known_by)
    if found is None:
        return None
    movement = replace(
        found.movement,
        same_request=answer.request_sha256 == sha256_hex(effect_movements.body(effect.kind, effect.request))
        and effect.request_sha256 == sha256_hex(effect.request),
        same_answer=effect.status != "done" or answer.response == effect.response,
    )
    return replace(found, movement=movement)


def _pair(
    effect: LedgerEffect, found: Found | None, statements: Mapping[str, Statement], first: date
) -> tuple[OurEffect, Movement | None]:
    """What was booked before the statements begin is not looked for in them."""
    movement = None if found is None else found.movement
    if found is not None and found.record is not None and effect.created_at.date() > first:
        statement = statements.get(found.record.account or "")
        movement = movement if statement is None else found.booked_in(statement)
    currency = None if movement is None else movement.terms.currency
    ours = OurEffect(
        key=effect.key,
        kind=effect.kind,
        status=effect.status,
        terms=effect_movements.asked(effect.kind, effect.request, currency),
        contradiction=effect.contradiction,
        case_over=effect.outcome is not None,
        return_noticed=effect.outcome in CAME_BACK or effect.waits_for_bank,
        settled_states=COMPARED[effect.kind].states if effect.kind in COMPARED else None,
    )
    return ours, movement


async def _account(bank: Bank, account_id: str, first: date, last: date) -> tuple[Statement, Chain]:
    """The balance is compared only with a statement that nothing was booked beside."""
    for _ in range(LOOKS):
        before = (await bank.balance(account_id)).booked_minor
        statement = await bank_ledger.statement(bank, account_id, first, last)
        still = (await bank.balance(account_id)).booked_minor == before
        if still:
            break
    chain = Chain(
        account=account_id,
        opening_minor=statement.opening_booked_minor,
        entries_minor=sum(entry.amount_minor for entry in statement.entries),
        closing_minor=statement.closing_booked_minor,
        balance_minor=before if still else None,
    )
    return statement, chain


async def _each(values: Iterable[_From], act: Callable[[_From], Awaitable[_To]]) -> list[_To]:
    """In order, a few at once; the first that fails ends the others."""
    hands = asyncio.Semaphore(CALLS_AT_ONCE)

    async def one(value: _From) -> _To:
        async with hands:
            return await act(value)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(value)) for value in values]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [task.result() for task in tasks]
