"""Documents that decide, by their kind: read strictly, and compared field by field."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tools.rules import scorecard_json
from tools.rules.card_mapping import CATEGORIES, COUNTS
from tools.rules.plain import Misfit, OutOfRange, from_plain, to_plain
from tools.rules.policy_document import Policy, check_version
from tools.rules.reg_b import C1
from tools.rules.scorecard_document import CategoricalAttribute, Scorecard, reasons_of
from tools.rules.untrusted import visible

Kind = Literal["credit_policy", "scorecard"]

MAX_REASON = 200


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs; None where a document has no such field."""

    field: str
    before: Any
    after: Any


def read_policy(plain: Any) -> Policy:
    """Raises Misfit, which names the field."""
    return from_plain(Policy, plain)


def read_scorecard(plain: Any) -> Scorecard:
    """A card set by hand, or one that `countersign scorecard fit` trained. Raises Misfit, which names the field."""
    if isinstance(plain, dict) and "format" in plain:
        card = scorecard_json.read(plain).card
    else:
        card = from_plain(Scorecard, plain)
    try:
        check_version("version", card.version)
        if "format" not in plain:
            _check_own(card)
        _check_reasons(card)
    except OutOfRange as exc:
        raise Misfit("Scorecard", exc.field, exc.fault) from exc
    return card


def whole(kind: Kind, plain: Any) -> Any:
    """The document with all that it says and leaves to a default, which is what is stored and approved."""
    if kind == "credit_policy":
        return to_plain(read_policy(plain))
    card = read_scorecard(plain)
    return plain if "format" in plain else to_plain(card)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """What differs, in the order of `after`. Prices, attributes and challengers go by their band or name."""
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    names = [*new, *(name for name in old if name not in new)]
    return tuple(Change(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name))


def _check_own(card: Scorecard) -> None:
    """Its attributes are facts of an application, and every applicant has a place in it."""
    for at, attribute in enumerate(card.attributes):
        if attribute.name not in (*COUNTS, *CATEGORIES):
            there_are = ", ".join(sorted((*COUNTS, *CATEGORIES)))
            raise OutOfRange(f"attributes[{at}].name", f"is none of what we know: {there_are}")
        if isinstance(attribute, CategoricalAttribute) != (attribute.name in CATEGORIES):
            raise OutOfRange(f"attributes[{at}].name", "is a number where a category belongs, or the other way round")
        if isinstance(attribute, CategoricalAttribute):
            _check_categories(at, attribute)


def _check_reasons(card: Scorecard) -> None:
    """Each is a phrase of form C-1, and a text that a letter can print."""
    for attribute in card.attributes:
        for why in reasons_of(attribute):
            if why.wording not in tuple(C1):
                raise OutOfRange(f"{attribute.name}: reason {why.code}", "has a wording that form C-1 does not have")
            if not 0 < len(why.text) <= MAX_REASON or visible(why.text) != why.text or why.text == C1.OTHER:
                fault = f"needs a text of {MAX_REASON} visible characters at most that says why"
                raise OutOfRange(f"{attribute.name}: reason {why.code}", fault)


def _check_categories(at: int, attribute: CategoricalAttribute) -> None:
    known = {value for each in attribute.categories for value in each.values}
    if unknown := set(CATEGORIES[attribute.name]) - known:
        raise OutOfRange(f"attributes[{at}].categories", f"have no place for {', '.join(sorted(unknown))}")


def _leaves(value: Any, path: str) -> list[tuple[str, Any]]:
    """Every value that holds no other, with its path; lists of plain values are one value."""
    if isinstance(value, Mapping):
        steps = [(f"{path}.{name}" if path else name, item) for name, item in value.items()]
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        steps = [(f"{path}[{_called(item, at)}]", item) for at, item in enumerate(value)]
    else:
        return [(path, value)]
    return [leaf for step, item in steps for leaf in _leaves(item, step)]


def _called(item: Mapping[str, Any], at: int) -> str:
    return str(item.get("band") or item.get("name") or at)
