"""What an application still lacks: asked of its applicant in a form of exactly that, and put into it when answered."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, get_args

from pydantic import BaseModel

from tools.loan_request import (
    LARGEST,
    MOST_OBLIGATIONS,
    PROOF,
    CoApplicant,
    Employment,
    Housing,
    ShortApplication,
    StatedObligation,
)
from tools.rules.affordability import HousingStatus, ObligationKind
from tools.rules.completeness import Gap

CLOSED = "closed"
LAPSED, WITHDRAWN = {CLOSED: "lapsed"}, {CLOSED: "withdrawn"}
"""In place of an answer. Not in the form, so that only we say so."""

_AMOUNT = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": LARGEST},
        {"type": "string", "pattern": r"^(0|[1-9][0-9]{0,6})(\.[0-9]{1,2})?$"},
    ],
    "description": 'In major units, such as 6500 or "6500.00".',
}
_INCOME = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": LARGEST},
        {"type": "string", "pattern": r"^[1-9][0-9]{0,6}(\.[0-9]{1,2})?$"},
    ],
    "description": 'A month before tax, in major units, such as 6500 or "6500.00".',
}
_DAY = {"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}


def _object(required: Sequence[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_EMPLOYMENTS = get_args(Employment.model_fields["status"].annotation)
_FORMS: Mapping[str, Mapping[str, Any]] = {
    "income": _INCOME,
    "employment": _object(("status",), status={"enum": list(_EMPLOYMENTS)}, since=_DAY),
    "housing": _object(
        ("status", "monthly_cost"), status={"enum": list(get_args(HousingStatus))}, monthly_cost=_AMOUNT
    ),
    "obligations": {
        "type": "array",
        "maxItems": MOST_OBLIGATIONS,
        "items": _object(
            ("kind", "monthly_payment"),
            kind={"enum": list(get_args(ObligationKind))},
            monthly_payment=_AMOUNT,
            balance=_AMOUNT,
        ),
    },
    "proof_of_income": {"type": "string", "pattern": PROOF},
}


def form(gaps: Sequence[Gap]) -> dict[str, Any]:
    """JSON schema of the answer: one field for each gap, with its reason."""
    fields = {gap.field: {"title": gap.told("applicant"), **_FORMS[gap.asked]} for gap in gaps}
    return _object(list(fields), **fields)


def completed(request: Mapping[str, Any], answers: Sequence[Mapping[str, Any]]) -> ShortApplication:
    """The application as it was sent, with what was answered since in the place of what it said.

    A form has checked each answer; what of it cannot be is found when it is taken in again, and asked again.
    """
    application = ShortApplication.model_validate(request)
    for answer in answers:
        own = {name: value for name, value in answer.items() if not name.startswith("co_applicant_")}
        others = {name.removeprefix("co_applicant_"): answer[name] for name in answer if name not in own}
        application = application.model_copy(update=_read(own))
        if others and application.co_applicant is not None:
            co_applicant: CoApplicant = application.co_applicant.model_copy(update=_read(others))
            application = application.model_copy(update={"co_applicant": co_applicant})
    return application


def _read(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _READERS[name](value) for name, value in answer.items()}


def _employment(value: Mapping[str, Any]) -> BaseModel:
    since = value.get("since")
    return Employment.model_construct(status=value["status"], since=date.fromisoformat(since) if since else None)


def _obligations(value: Sequence[Mapping[str, Any]]) -> list[StatedObligation]:
    return [StatedObligation.model_validate(owed) for owed in value]


_READERS: Mapping[str, Any] = {
    "income": lambda value: Decimal(str(value)),
    "employment": _employment,
    "housing": Housing.model_validate,
    "obligations": _obligations,
    "proof_of_income": str,
}
