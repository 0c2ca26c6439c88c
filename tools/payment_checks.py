"""What is asked of the bank, of our own rows and of the sanctions list about a transfer, before it is decided."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from db.errors import NotFound
from tools import bank_payments, payment_limits, payments
from tools.bank_payments import Order, SavedPayee
from tools.bank_records import Account, Customer
from tools.context import Context
from tools.payment_facts import order_of
from tools.rules import sanctions
from tools.rules.dates import whole_months_between
from tools.rules.plain import to_plain
from tools.rules.sanctions import Hit, ScreeningIndex, Subject
from tools.rules.transfer_policy import Payee, Reason, policy_in_force

State = Mapping[str, Any]


async def identify(context: Context, state: State) -> dict[str, Any]:
    """Who pays and who is paid, as the bank knows them, and what about them forbids the transfer.

    `payer` is None if nobody can be said to pay; then nothing else is worth checking.
    """
    order = order_of(state)
    source = await _account(context, order.source_account)
    if source is None or source.customer_id is None:
        return _nobody("unknown_account", f"We have no customer's account {order.source_account}")
    if state["transfer"]["customer_id"] not in (None, source.customer_id):
        return _nobody("not_account_owner", f"{order.source_account} is not this customer's account")
    payer = await context.bank.customer(source.customer_id)
    destination = await _account(context, order.destination_account)
    faults = [*_payer_faults(order, source, payer), *_destination_faults(order, destination)]
    saved = await _saved_payee(context, payer, order)
    holder = None
    if destination is not None and destination.customer_id is not None:
        holder = (await context.bank.customer(destination.customer_id)).full_name
    names = (order.creditor_name, saved.name if saved else None, holder)
    return {
        "faults": to_plain(faults),
        "payer": {
            "customer_id": payer.customer_id,
            "name": payer.full_name,
            "address": [payer.address.street, f"{payer.address.city} {payer.address.postcode}", payer.address.country],
            "born": payer.date_of_birth.isoformat(),
            "kyc_status": payer.kyc_status,
            "customer_months": whole_months_between(payer.customer_since, context.now().date()),
        },
        "payee": {
            "stated_name": order.creditor_name or (saved.name if saved else None),
            "names": list(dict.fromkeys(filter(None, names))),
            "is_own_account": destination is not None and destination.customer_id == payer.customer_id,
            "saved_at": saved.created_at.isoformat() if saved else None,
        },
    }


async def check_limits(context: Context, state: State) -> dict[str, Any]:
    """Limits of the customer's tier, taken up if they allow it, and what the account has available."""
    order, payer = order_of(state), state["identity"]["payer"]
    balance = await context.bank.balance(order.source_account)
    found = await payment_limits.count(
        context, payer["customer_id"], payer["customer_months"], order.amount_minor, order.currency
    )
    found = found | {"available_minor": balance.available_minor}
    await payments.store_check(context, "limits", found["version"], found)
    return found


async def check_payee(context: Context, state: State) -> dict[str, Any]:
    plain = await known_payee(context, order_of(state), state["identity"]["payee"])
    await payments.store_check(context, "payee", plain["version"], plain)
    return plain


async def known_payee(context: Context, order: Order, payee: Mapping[str, Any]) -> dict[str, Any]:
    """What the payee's bank says of the name, and for how long the customer has had this payee."""
    policy, now = policy_in_force(context.now().date()), context.now()
    confirmation, right_name = "unnamed", None
    if payee["is_own_account"]:
        confirmation = "match"
    elif payee["stated_name"] is not None:
        confirmed = await bank_payments.confirm_payee(context.bank, order, payee["stated_name"])
        confirmation, right_name = confirmed.confirmation, confirmed.name
    first_paid, lately_minor = await payment_limits.paid_to(context, order, timedelta(hours=policy.cooling_off_hours))
    saved_at = datetime.fromisoformat(payee["saved_at"]) if payee["saved_at"] else None
    since = min(filter(None, (first_paid, saved_at)), default=None)
    found = Payee(
        is_own_account=payee["is_own_account"],
        confirmation=confirmation,  # type: ignore[arg-type]  # one of its literals, as the bank's answer was read
        known_hours=None if since is None else max(int((now - since).total_seconds() // 3600), 0),
        paid_lately_minor=lately_minor,
    )
    plain: dict[str, Any] = to_plain(found)
    return plain | {"right_name": right_name, "version": policy.version}


async def screen(context: Context, state: State) -> dict[str, Any]:
    """Payer and payee against the sanctions list. In a thread: some names take longer than a loop may stand still."""
    found = await asyncio.to_thread(screened, context.screening, state["identity"])
    await payments.store_check(context, "sanctions", found["version"], found)
    return found


def screened(index: ScreeningIndex, identity: State) -> dict[str, Any]:
    """Every name that somebody gave for the two, with the evidence."""
    payer = identity["payer"]
    subjects = [Subject(payer["name"], "person", datetime.fromisoformat(payer["born"]).date())]
    subjects += [Subject(name) for name in identity["payee"]["names"] if name != payer["name"]]
    screenings = [sanctions.screen(subject, index) for subject in subjects]
    hits = [[_hit(hit) for hit in screening.hits] for screening in screenings]
    first = screenings[0]
    return {
        "version": f"{first.rule_version}, list {first.list_version}",
        "list_sha256": first.list_sha256,
        "threshold_bps": round(first.threshold * 10_000),
        "score_bps": max((hit["score_bps"] for of_name in hits for hit in of_name), default=0),
        "screened": [{"name": subject.name, "hits": of_name} for subject, of_name in zip(subjects, hits, strict=True)],
    }


def _nobody(code: str, text: str) -> dict[str, Any]:
    return {"faults": to_plain([Reason(code, text)]), "payer": None, "payee": None}


async def _account(context: Context, account_id: str | None) -> Account | None:
    """None for an account that this bank does not have: it may be another bank's."""
    try:
        return None if account_id is None else await context.bank.account(account_id)
    except NotFound:
        return None


def _payer_faults(order: Order, source: Account, payer: Customer) -> list[Reason]:
    faults = []
    if source.kind not in ("current", "savings"):
        faults.append(Reason("account_kind_not_allowed", f"{source.account_id} is a {source.kind} account"))
    if source.state != "open":
        faults.append(Reason(f"account_{source.state}", f"{source.account_id} is {source.state}"))
    if source.currency != order.currency:
        faults.append(Reason("currency_mismatch", f"{source.account_id} is an account in {source.currency}"))
    if payer.kyc_status == "blocked":
        faults.append(Reason("customer_blocked", "The customer is blocked", disclosed=False))
    return faults


def _destination_faults(order: Order, destination: Account | None) -> list[Reason]:
    if destination is None:
        return []
    faults = []
    if destination.kind not in ("current", "savings") or destination.state != "open":
        faults.append(Reason("payee_account_closed", f"{destination.account_id} takes no transfers"))
    if destination.currency != order.currency:
        faults.append(
            Reason("payee_currency_mismatch", f"{destination.account_id} is an account in {destination.currency}")
        )
    return faults


async def _saved_payee(context: Context, payer: Customer, order: Order) -> SavedPayee | None:
    """The customer's own payee with this account; the one saved first, if there are several."""
    for saved in await bank_payments.saved_payees(context.bank, payer.customer_id):
        if order.payee in saved.names():
            return saved
    return None


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "score_bps": round(hit.score * 10_000),
        "uid": hit.uid,
        "listed_name": hit.listed_name,
        "matched_name": hit.matched_name,
        "programmes": list(hit.programmes),
        "remarks": list(hit.remarks),
    }
