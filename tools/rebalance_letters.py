"""The letter that confirms a rebalance: what was sold and bought, for how much, and what the portfolio is now."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from tools.letter_parts import Figures, Heading, Paragraph, Part, Points
from tools.letter_words import spell_amount
from tools.rebalance_letter_facts import ClassShare, FilledOrder, RebalancedClient, RebalanceFacts

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


def compose(facts: RebalanceFacts) -> tuple[str, tuple[Part, ...]]:
    """Subject and body."""
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
