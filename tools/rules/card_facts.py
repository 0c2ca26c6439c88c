"""An application's facts as a scorecard wants them: by name where it knows our names, else as its policy maps them."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict

from tools.rules.affordability import Means
from tools.rules.card_mapping import CATEGORIES, COUNTS, CardMapping, Characteristic
from tools.rules.findings import CreditFacts
from tools.rules.policy_document import Policy
from tools.rules.pricing import LoanRequest
from tools.rules.scorecard import Score, ScorecardFacts, Value, score_values
from tools.rules.scorecard_document import Attribute, CategoricalAttribute, NumericAttribute, Scorecard

Facts = Mapping[str, Value]
Fault = tuple[str, str]


def facts_of(file: ScorecardFacts | None, request: LoanRequest, means: Means, purpose: str | None) -> dict[str, Value]:
    """All that a card may score of an application, by name; None where it is not known."""
    return asdict(file or ScorecardFacts()) | {
        "amount_minor": request.principal_minor,
        "term_months": request.term_months,
        "monthly_income_minor": means.monthly_income_minor,
        "monthly_obligations_minor": means.monthly_obligations_minor,
        "monthly_housing_minor": means.monthly_housing_minor,
        "purpose": purpose,
    }


def facts_scored(facts: CreditFacts) -> dict[str, Value]:
    """The same of facts that were decided on."""
    return facts_of(facts.file, facts.request, facts.means, facts.purpose)


def score_for(policy: Policy, card: Scorecard, facts: Facts) -> Score:
    """The score by the card as this policy reads the facts for it. ValueError for a fact that the card cannot score."""
    return score_values(values_for(policy, card, facts), card)


def values_for(policy: Policy, card: Scorecard, facts: Facts) -> dict[str, Value]:
    """What the card scores, in its own units and words. ValueError where a characteristic is no fact."""
    said = _characteristics(policy, card)
    values: dict[str, Value] = {}
    for attribute in card.attributes:
        each = said.get(attribute.name) or Characteristic(attribute.name, attribute.name)
        values[attribute.name] = _read(each, attribute, facts[each.fact])
    return values


def fault_of(policy: Policy, card: Scorecard) -> Fault | None:
    """Where the policy does not say how the card is to be read, and why; None if any application can be scored."""
    at = next((at for at, each in enumerate(policy.mappings) if each.scorecard == card.version), None)
    attributes = {each.name: each for each in card.attributes}
    mapping = CardMapping(card.version, ()) if at is None else policy.mappings[at]
    for number, each in enumerate(mapping.characteristics):
        if each.name not in attributes:
            return f"mappings[{at}].characteristics[{number}].name", f"is none of the card's: {', '.join(attributes)}"
        if (fault := next(_faults(each, attributes[each.name]), None)) is not None:
            return f"mappings[{at}].characteristics[{number}]{fault[0]}", fault[1]
    mapped = {each.name for each in mapping.characteristics}
    field = "mappings" if at is None else f"mappings[{at}].characteristics"
    for name, attribute in attributes.items():
        if name in mapped:
            continue
        if name not in (*COUNTS, *CATEGORIES):
            return field, f"must say which fact of an application {name} is, of scorecard {card.version}"
        if (fault := next(_faults(Characteristic(name, name), attribute), None)) is not None:
            return field, f"{name} of scorecard {card.version}: {fault[1]}"
    return None


def _characteristics(policy: Policy, card: Scorecard) -> dict[str, Characteristic]:
    mapping = next((each for each in policy.mappings if each.scorecard == card.version), None)
    return {each.name: each for each in mapping.characteristics} if mapping else {}


def _read(said: Characteristic, attribute: Attribute, value: Value) -> Value:
    if value is None:
        return said.unknown
    if isinstance(attribute, NumericAttribute):
        # Downwards, as the card's training data was read: bins end at whole numbers, so that no bin is missed.
        up = attribute.decimals - said.decimals
        return value if type(value) is not int else value * 10**up if up >= 0 else value // 10**-up
    return next((each.called for each in said.values if each.value == value), value)


def _faults(said: Characteristic, attribute: Attribute) -> Iterator[Fault]:
    """Fields below the characteristic's, and what is wrong with them."""
    if isinstance(attribute, NumericAttribute):
        yield from _number_faults(said, attribute)
    else:
        yield from _category_faults(said, attribute)


def _number_faults(said: Characteristic, attribute: NumericAttribute) -> Iterator[Fault]:
    if said.fact not in COUNTS:
        yield ".fact", f"{said.fact} is no number, which {attribute.name} is"
    codes = [each.code for each in attribute.special]
    if said.unknown is not None and said.unknown not in codes:
        there_are = ", ".join(map(str, codes)) or "it has none"
        yield ".unknown", f"must be null or one of the card's special codes: {there_are}"
    if any(code >= 0 for code in codes):
        # A quantity that happens to equal a code would be given the code's points and the code's reason.
        yield ".name", f"{attribute.name} has a special code from 0 up, which a quantity may equal; train it below 0"


def _category_faults(said: Characteristic, attribute: CategoricalAttribute) -> Iterator[Fault]:
    if said.fact not in CATEGORIES:
        yield ".fact", f"{said.fact} is a number, which {attribute.name} is not"
        return
    known = [value for each in attribute.categories for value in each.values]
    if said.unknown is not None and said.unknown not in known:
        yield ".unknown", f"must be null or one of the card's: {', '.join(known)}"
    called = {each.value: each.called for each in said.values}
    for at, each in enumerate(said.values):
        if each.called not in known:
            yield f".values[{at}].called", f"is none of the card's: {', '.join(known)}"
    if nowhere := [value for value in CATEGORIES[said.fact] if called.get(value, value) not in known]:
        yield ".values", f"have no place for {', '.join(nowhere)}; the card knows {', '.join(known)}"
