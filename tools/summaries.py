"""What an adviser reads first: a case's facts summed up by the explanation agent, beside what they decide on.

Facts are spelled as for people, and none of them was written by others: a market event's headline is, and is left out.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from tools.context import Context
from tools.explanation import explain
from tools.letter_parts import NO_BREAK
from tools.portfolio_report_words import percent, signed_percent
from tools.rules.money import format_minor

MODEL_OFF = {"model": "off"}
WARNS = ("block", "warn")


async def of_portfolio(context: Context, state: Mapping[str, Any]) -> dict[str, Any]:
    facts = portfolio_facts(state)
    return await explain(context, "summary", facts, in_sentences(facts), [state["client"]["full_name"]])


async def of_follow_up(context: Context, state: Mapping[str, Any]) -> dict[str, Any]:
    facts = follow_up_facts(state["about"])
    return await explain(context, "summary", facts, in_sentences(facts), [state["about"]["full_name"]])


def portfolio_facts(state: Mapping[str, Any]) -> dict[str, Any]:
    """Of a portfolio review, once it is examined."""
    figures, made = state["measured"], state["measured"]["performance"]
    said = {
        "risk profile": _words(f"{state['profile']['risk_profile']}, {state['profile']['state']}"),
        "value": format_minor(figures["total_minor"], figures["currency"]),
        "period": f"{made['start_on']} to {made['end_on']}",
        "gained or lost": format_minor(made["result_minor"], figures["currency"]),
        "time-weighted return": _plain(signed_percent(made["time_weighted_bps"])),
        "classes": [_words(f"{each['asset_class']} {percent(each['weight_bps'])}") for each in figures["classes"]],
        "warnings": [_words(each["text"]) for each in state["findings"] if each["verdict"] in WARNS],
        "recommended": [_words(why) for each in state["proposed"] for why in each["because"]],
    }
    drift = figures["drift_bps"]
    return said if drift is None else said | {"drift from the model": _plain(percent(drift))}


def follow_up_facts(about: Mapping[str, Any]) -> dict[str, Any]:
    """Of a market event and what a client has in what it concerns."""
    exposure, event = about["exposure"], about["event"]["event"]
    said = {_words(name): _words(str(value)) for name, value in event.items() if not name.endswith("_bps")}
    if "move_bps" in event:
        said["move"] = _plain(signed_percent(event["move_bps"]))
    return {
        **said,
        "exposed": format_minor(exposure["value_minor"], exposure["currency"]),
        "share of the portfolio": _plain(percent(about["exposure_bps"])),
        "positions": [f"{each['quantity']} {each['instrument_id']}" for each in exposure["positions"]],
    }


def in_sentences(facts: Mapping[str, Any]) -> str:
    """The template: each fact by its name."""
    return " ".join(f"{name[:1].upper()}{name[1:]}: {said}." for name, said in _said(facts))


def _said(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        text = value if isinstance(value, str) else "; ".join(each.rstrip(".") for each in value)
        if text:
            yield name, text


def _words(text: str) -> str:
    """Codes such as `self_declared` as words."""
    return _plain(text).replace("_", " ")


def _plain(text: str) -> str:
    return text.replace(NO_BREAK, " ")
