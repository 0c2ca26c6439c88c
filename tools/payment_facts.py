"""From a validated request and the bank's records to the facts that the rules of transfers judge."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from db.errors import BankUnavailable, InvalidInput, NotFound
from tools import bank_payments, payment_limits, payments
from tools.bank import Bank
from tools.bank_payments import Order, SavedPayee
from tools.bank_records import Account, Customer
from tools.context import Context
from tools.fraud_request import request_of
from tools.payment_request import PaymentRequest
from tools.payments import NewTransfer
from tools.rules import sanctions
from tools.rules.dates import whole_months_between
from tools.rules.money import format_minor, to_minor
from tools.rules.payment import Payment
from tools.rules.plain import from_plain, to_plain
from tools.rules.sanctions import Hit, Subject
from tools.rules.transfer_policy import Payee, Reason, TransferFacts, policy_in_force

State = Mapping[str, Any]
_ORDER = ("source_account", "destination_account", "creditor_iban", "creditor_name")


async def payment_is_possible(request: PaymentRequest, bank: Bank) -> None:
    """Raises InvalidInput for a source account that the bank does not know, and for another customer's.

    A bank that is away is not asked twice: the case is accepted, and its run waits for the bank.
    """
    with suppress(BankUnavailable):
        try:
            source = await bank.account(request.source_account)
        except NotFound as exc:
            raise InvalidInput("source_account", f"the bank knows no account {exc.record_id}") from exc
        if request.customer_id not in (None, source.customer_id):
            raise InvalidInput("customer_id", f"{request.source_account} is not this customer's account")


def new_transfer(thread_id: UUID, request: Mapping[str, Any], task_id: str | None, agent_name: str) -> NewTransfer:
    """`request` is a PaymentRequest in JSON, without anything that defaults would not add."""
    asked = PaymentRequest.model_validate(request)
    order = Order(
        **{name: getattr(asked, name) for name in _ORDER},
        amount_minor=to_minor(asked.amount, asked.currency),
        currency=asked.currency,
        reference=asked.reference,
    )
    return NewTransfer(thread_id, task_id or str(thread_id), agent_name, order, request)


async def receive(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """The transfer in minor units, stored."""
    new = new_transfer(context.thread_id, request, None, payments.OWN_AGENT)
    async with context.pool.connection() as conn:
        await payments.store(conn, context.tenant_id, new)
    return {
        **to_plain(new.order),
        "reference_id": str(context.thread_id),
        "customer_id": request.get("customer_id"),
        "channel": request["channel"],
        "device": request.get("device"),
        "received_at": context.now().isoformat(),
    }


def order_of(state: State) -> Order:
    fields = Order.__dataclass_fields__
    return Order(**{name: state["transfer"][name] for name in fields})


def payload_of(order: Order, payee_name: str | None) -> dict[str, Any]:
    """Exactly what a person approves, and what the executor compares with what it is about to do."""
    return {
        "source_account": order.source_account,
        "payee_name": payee_name,
        "payee_account": order.destination_account or order.creditor_iban,
        "amount_minor": order.amount_minor,
        "amount": format_minor(order.amount_minor, order.currency),
        "currency": order.currency,
        "reference": order.reference,
    }


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
    return found | {"available_minor": balance.available_minor}


async def check_payee(context: Context, state: State) -> dict[str, Any]:
    """What the payee's bank says of the name, and for how long the customer has had this payee."""
    order, payee = order_of(state), state["identity"]["payee"]
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


def screen(context: Context, state: State) -> dict[str, Any]:
    """Payer and payee against the sanctions list: every name that somebody gave for them, with the evidence."""
    identity = state["identity"]
    payer = identity["payer"]
    subjects = [Subject(payer["name"], "person", datetime.fromisoformat(payer["born"]).date())]
    subjects += [Subject(name) for name in identity["payee"]["names"] if name != payer["name"]]
    screenings = [sanctions.screen(subject, context.screening) for subject in subjects]
    hits = [[_hit(hit) for hit in screening.hits] for screening in screenings]
    first = screenings[0]
    return {
        "version": f"{first.rule_version}, list {first.list_version}",
        "list_sha256": first.list_sha256,
        "threshold_bps": round(first.threshold * 10_000),
        "score_bps": max((hit["score_bps"] for of_name in hits for hit in of_name), default=0),
        "screened": [{"name": subject.name, "hits": of_name} for subject, of_name in zip(subjects, hits, strict=True)],
    }


def judged_payment(state: State) -> Payment:
    """As the fraud scorers see it; its id is the thread's, whoever judges it."""
    order, transfer = order_of(state), state["transfer"]
    return Payment(
        payment_id=transfer["reference_id"],
        at=datetime.fromisoformat(transfer["received_at"]),
        account=order.source_account,
        payee=order.destination_account or order.creditor_iban or "",
        payee_name=state["identity"]["payee"]["stated_name"],
        amount_minor=order.amount_minor,
        currency=order.currency,
        channel=transfer["channel"],
        device=transfer["device"],
    )


async def open_fraud_case(context: Context, state: State) -> None:
    request = request_of(judged_payment(state), order_of(state).reference, context.thread_id)
    await context.start("fraud_review", uuid5(context.thread_id, "fraud_review"), request)


def facts(state: State) -> TransferFacts:
    """All that the decision rests on, once every check has spoken."""
    order, identity = order_of(state), state["identity"]
    payee = state.get("payee")
    limits = state.get("limits", {})
    return TransferFacts(
        on=datetime.fromisoformat(state["transfer"]["received_at"]).date(),
        amount_minor=order.amount_minor,
        currency=order.currency,
        faults=_reasons(identity["faults"]),
        breaches=_reasons(limits.get("reasons", ())),
        kyc_verified=identity["payer"] is None or identity["payer"]["kyc_status"] == "verified",
        available_minor=limits.get("available_minor"),
        payee=None if payee is None else from_plain(Payee, {k: payee[k] for k in Payee.__dataclass_fields__}),
        sanctions_score_bps=state.get("sanctions", {}).get("score_bps", 0),
        fraud_band=state.get("fraud", {}).get("band", "release"),
    )


def for_reviewer(state: State) -> dict[str, Any]:
    """What happened and why: the decision's reasons, and what each check found, with its version."""
    return {
        "reasons": state["decision"]["reasons"],
        "payer": state["identity"]["payer"],
        "payee": state["identity"]["payee"] | state["payee"],
        "limits": state["limits"],
        "sanctions": state["sanctions"],
        "fraud": state["fraud"],
        "policy_version": state["decision"]["policy_version"],
        "hold": {name: state["hold"][name] for name in ("hold_id", "expires_at")},
    }


def payload(state: State) -> dict[str, Any]:
    return payload_of(order_of(state), state["identity"]["payee"]["stated_name"])


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
        if (order.destination_account or order.creditor_iban) in (saved.account, saved.iban):
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


def _reasons(plain: Any) -> tuple[Reason, ...]:
    return tuple(from_plain(Reason, reason) for reason in plain)
