"""What each step of a transfer found, in a line or two with the figures that matter."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tools.rules.money import format_minor

Found = Mapping[str, Any]


def described(name: str, found: Found) -> list[str]:
    """Lines about what the node `name` returned; none if there is nothing to say of it."""
    describe = _STEPS.get(name)
    return describe(found) if describe and found else []


def of_release(facts: Found) -> Iterator[tuple[str, list[str]]]:
    """What an operator sees of a transfer that waits to be released, by its name."""
    yield "why", [reason["text"] for reason in facts["reasons"]]
    yield "payer", [f"{facts['payer']['name']}, identity {facts['payer']['kyc_status']}"]
    yield "payee", _payee(facts)
    yield "limits", _limits(facts)
    yield "sanctions", _sanctions(facts)
    yield "fraud", _fraud(facts)
    yield "policy", [facts["policy_version"]]


def _identity(found: Found) -> list[str]:
    payer, payee = found["identity"]["payer"], found["identity"]["payee"]
    if payer is None:
        return ["nobody who may pay"]
    return [f"{payer['name']}, {payer['kyc_status']}, pays {payee['stated_name'] or 'an account without a name'}"]


def _limits(found: Found) -> list[str]:
    limits = found["limits"]
    most, currency = limits["limits"], limits["limits"]["currency"]
    used, daily = (format_minor(minor, currency) for minor in (limits["used"]["today_minor"], most["daily_minor"]))
    available = format_minor(limits["available_minor"], currency)
    return [f"{limits['tier']} customer: {used} of {daily} today", f"available {available}"]


def _payee(found: Found) -> list[str]:
    return [f"name confirmed by the bank: {found['payee']['confirmation'].replace('_', ' ')}"]


def _sanctions(found: Found) -> list[str]:
    screened = found["sanctions"]["screened"]
    hits = sum(len(one["hits"]) for one in screened)
    return [f"{' and '.join(one['name'] for one in screened)}: {hits or 'no'} hits"]


def _fraud(found: Found) -> list[str]:
    fraud = found["fraud"]
    texts = [reason["text"] for one in fraud["scorers"] for reason in one["reasons"]]
    return [f"{fraud['band']}, {fraud['score']} of 1000" + (f": {'; '.join(texts[:2])}" if texts else "")]


def _decision(found: Found) -> list[str]:
    decided = found["decision"]
    people = decided["approvals"]
    headings = {
        "straight_through": "APPROVED, straight through",
        "review": f"REFERRED to {people} {'person' if people == 1 else 'people'}",
        "refuse": "DECLINED",
    }
    return [headings[decided["outcome"]], *(reason["text"] for reason in decided["reasons"])]


def _hold(found: Found) -> list[str]:
    held = found.get("hold")
    return (
        [f"{format_minor(held['amount_minor'], held['currency'])} set aside, once: {held['hold_id']}"] if held else []
    )


def _capture(found: Found) -> list[str]:
    if "capture" not in found:
        return ["the bank refused"]
    return [f"paid, once: {found['capture']['transfer_id']}"]


_STEPS: dict[str, Callable[[Found], list[str]]] = {
    "identity": _identity,
    "limits": _limits,
    "payee_checks": _payee,
    "sanctions_agent": _sanctions,
    "fraud_agent": _fraud,
    "decision": _decision,
    "hold": _hold,
    "release": lambda found: ["answered"],
    "released": lambda found: ["refused" if "refused_for" in found else "as shown, in the operator's name"],
    "capture": _capture,
    "settle": lambda found: [f"the bank says: {found['settlement']['status']}; receipt written"],
}
