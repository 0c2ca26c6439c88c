"""Documents that decide, by their kind: read strictly, and compared field by field."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from tools.rules.affordability import HousingStatus
from tools.rules.plain import Misfit, OutOfRange, from_plain
from tools.rules.policy_document import Policy, check_version
from tools.rules.scorecard import ScorecardFacts
from tools.rules.scorecard_document import CategoricalAttribute, Scorecard

Kind = Literal["credit_policy", "scorecard"]

SCORED = frozenset(field.name for field in fields(ScorecardFacts))
ALWAYS_SCORED: dict[str, tuple[str, ...]] = {
    "employment_status": ("employed", "self_employed", "retired", "unemployed"),
    "housing_status": get_args(HousingStatus),
}
"""What an application may say: a card that does not know one of these would fail that applicant's case."""


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
    """Raises Misfit, which names the field."""
    card = from_plain(Scorecard, plain)
    try:
        check_version("version", card.version)
        for at, attribute in enumerate(card.attributes):
            if attribute.name not in SCORED:
                raise OutOfRange(f"attributes[{at}].name", f"is none of what we know: {', '.join(sorted(SCORED))}")
            if isinstance(attribute, CategoricalAttribute):
                _check_categories(at, attribute)
    except OutOfRange as exc:
        raise Misfit("Scorecard", exc.field, exc.fault) from exc
    return card


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """What differs, in the order of `after`. Prices, attributes and challengers go by their band or name."""
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    names = [*new, *(name for name in old if name not in new)]
    return tuple(Change(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name))


def _check_categories(at: int, attribute: CategoricalAttribute) -> None:
    known = {value for each in attribute.categories for value in each.values}
    if unknown := set(ALWAYS_SCORED.get(attribute.name, ())) - known:
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
