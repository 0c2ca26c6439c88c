"""Letters about a rebalance: what was sold and bought, and what the portfolio is now; or why nothing was done."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from tools.letter_parts import Figures, Heading, Paragraph, Part, Points
from tools.letter_words import spell_amount
from tools.rebalance_letter_facts import (
    ClassShare,
    FilledOrder,
    NotRebalancedFacts,
    RebalancedClient,
    RebalanceFacts,
    RebalanceLetterFacts,
)

State = Mapping[str, Any]


def confirmation(state: State, reference: str, today: date) -> RebalanceFacts:
    confirmed, proposed = state["confirmation"], state["proposal"]
    before = {row["asset_class"]: row["weight_bps"] for row in state["holdings"]["drift"]}
    return RebalanceFacts(
        dated=today.isoformat(),
        application=RebalancedClient(reference, state["client"]["full_name"], state["client"]["client_id"]),
        orders=tuple(_filled(row) for row in confirmed["orders"]),
        shares=tuple(
            ClassShare(row["asset_class"], before.get(row["asset_class"], 0), row["weight_bps"], row["target_bps"])
            for row in confirmed["drift"]
        ),
        tax_minor=proposed["figures"]["tax_minor"],
        tax_currency=state["holdings"]["currency"],
    )


def not_made(state: State, reference: str, today: date) -> NotRebalancedFacts:
    client = RebalancedClient(reference, state["client"]["full_name"], state["client"]["client_id"])
    return NotRebalancedFacts(today.isoformat(), client, state["because"])


def compose(facts: RebalanceLetterFacts) -> tuple[str, tuple[Part, ...]]:
    """Subject and body."""
    if isinstance(facts, NotRebalancedFacts):
        return "Your portfolio has not been rebalanced", tuple(_why_not(facts))
    return "Your portfolio has been rebalanced", tuple(_body(facts))


def _body(facts: RebalanceFacts) -> Iterator[Part]:
    yield Paragraph("We have brought your portfolio closer to what suits your investor profile. This is what was done:")
    yield Points(tuple(_told(order) for order in facts.orders))
    if any(order.filled != order.quantity for order in facts.orders):
        yield Paragraph(
            "Not every order could be carried out in full. What was not carried out has been cancelled: nothing more"
            " will be sold or bought for it unless you hear from us. Your adviser has been told."
        )
    yield Heading("Your portfolio before and now")
    yield Figures(tuple((_name(one), _shares(one)) for one in facts.shares))
    if facts.tax_minor > 0:
        yield Paragraph(
            f"We estimate the tax on gains that were realised at {spell_amount(facts.tax_minor, facts.tax_currency)}."
            " Your tax adviser can tell you what you owe."
        )
    yield Paragraph("If anything above is not as you agreed with us, tell us at once.")


def _why_not(facts: NotRebalancedFacts) -> Iterator[Part]:
    yield Paragraph(
        "We looked at whether your portfolio should be brought closer to what suits your investor profile. Nothing was"
        " sold and nothing was bought, for this reason:"
    )
    yield Paragraph(REASONS.get(facts.because, REASONS[""]))
    yield Paragraph("If you would like to talk about it, or to have it looked at again, tell us.")


REASONS = {
    "": "What we would have needed in order to do so could not be had at the time.",
    "declined": "Your adviser looked at the trades that were proposed, and decided not to make them.",
    "stopped": "No trades keep to everything that your profile and our limits ask for, and your adviser loosened none.",
    "not_answered": "It was not approved in time, and without an approval we trade nothing.",
    "approval_void": "Prices or holdings changed each time before the trades that were approved could be made.",
    "account_not_open": "An account is not open for trading.",
    "account_of_another": "An account is somebody else's, and they have to agree through an adviser.",
    "pending_orders": "Other orders are still open. Once they are carried out or cancelled, it can be looked at again.",
    "stale_price": "An up-to-date price was missing for something that you hold or would have bought.",
    "no_fx_rate": "An exchange rate was missing for something that you hold.",
    "no_price_history": "Too little is known of how the price of something that you hold moves.",
    "unknown_instrument": "You hold something that we cannot judge.",
    "nothing_suits": "Among what we offer nothing suits what you asked us to observe.",
    "nothing_held": "The accounts hold nothing.",
    "not_enough_held": "The cash that was to be raised is more than everything that the accounts hold.",
    "not_enough_cash": "The cash that was to be invested is more than the cash that is there.",
}
"""What a client may be told, by code: nothing of others' accounts or orders, nor what advisers say among themselves."""


def _told(order: FilledOrder) -> str:
    verb = "Bought" if order.side == "buy" else "Sold"
    if order.filled == "0":
        return f"Not carried out: {order.side} {order.quantity} {order.name} in {order.custody_account_id}"
    part = order.filled if order.filled == order.quantity else f"{order.filled} of {order.quantity}"
    fee = spell_amount(order.fee_minor, order.currency)
    amount = spell_amount(order.amount_minor, order.currency)
    return f"{verb} {part} {order.name} in {order.custody_account_id} for {amount}, fee {fee}"


def _name(share: ClassShare) -> str:
    return share.asset_class.replace("_", " ").capitalize()


def _shares(share: ClassShare) -> str:
    before, after, target = (f"{bps / 100:.1f} %" for bps in (share.before_bps, share.after_bps, share.target_bps))
    return f"{before} before, {after} now; the target is {target}"


def _filled(row: Mapping[str, Any]) -> FilledOrder:
    return FilledOrder(
        side=row["side"],
        name=row["name"],
        custody_account_id=row["custody_account_id"],
        quantity=row["quantity"],
        filled=row["filled_quantity"],
        amount_minor=row["amount_minor"],
        fee_minor=row["fee_minor"],
        currency=row["currency"],
    )
