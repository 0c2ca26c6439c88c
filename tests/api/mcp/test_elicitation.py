"""Which questions a client can put before its user, in the few words that it knows."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel

from api.mcp.elicitation import answer_of, flat_form, review_of
from api.mcp.tasks import detailed
from db.errors import InvalidInput
from tools.case_operations import Asked, CaseLine, CaseView
from tools.fraud_questions import InformationAnswer
from tools.loan_reviews import CoolingOffAnswer, OfferAnswer

ID = UUID("019a0000-0000-7000-8000-000000000001")
NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


class Level(BaseModel):
    level: Literal["low"] | None = None
    years: int


class Nested(BaseModel):
    answers: dict[str, Level]


class Within(BaseModel):
    employment: Level
    former: Level | None = None


@pytest.mark.parametrize(
    ("form", "properties", "required"),
    [
        (OfferAnswer, {"accepted": {"type": "boolean"}}, ["accepted"]),
        (CoolingOffAnswer, {"decision": {"type": "string", "enum": ["cancel", "disburse"]}}, ["decision"]),
        (InformationAnswer, {"text": {"type": "string", "maxLength": 4000}}, []),
        (
            Within,
            {
                f"{name}.{field}": schema
                for name in ("employment", "former")
                for field, schema in (("level", {"type": "string", "enum": ["low"]}), ("years", {"type": "integer"}))
            },
            ["employment.years"],
        ),
        (Level, {"level": {"type": "string", "enum": ["low"]}, "years": {"type": "integer"}}, ["years"]),
    ],
)
def test_a_form_of_plain_fields_is_flat(form: type[BaseModel], properties: Any, required: list[str]) -> None:
    flat = flat_form(form.model_json_schema())

    assert flat is not None
    untitled = {name: {k: v for k, v in one.items() if k != "title"} for name, one in flat["properties"].items()}
    assert (flat["type"], untitled, flat["required"]) == ("object", properties, required)


def test_what_a_form_has_within_is_put_back_there() -> None:
    asked = Asked(ID, ID, "requester", is_yours=True, form=Within.model_json_schema())
    content = {"employment.level": "low", "employment.years": 3}

    given = answer_of(asked, {"action": "accept", "content": content})

    assert given == {"employment": {"level": "low", "years": 3}}


def test_a_form_of_any_number_of_fields_is_not_flat() -> None:
    assert flat_form(Nested.model_json_schema()) is None
    assert flat_form({}) is None


@pytest.mark.parametrize(
    ("response", "given"),
    [
        ({"action": "accept", "content": {"text": "a gift"}}, {"text": "a gift"}),
        ({"action": "accept", "content": {}}, {"text": None}),
        ({"action": "decline"}, None),
        ({"action": "cancel", "content": {"text": "a gift"}}, None),
        ({}, None),
    ],
)
def test_a_dialogue_that_is_closed_is_no_answer(response: Mapping[str, Any], given: dict[str, Any] | None) -> None:
    asked = Asked(ID, ID, "requester", is_yours=True, form=InformationAnswer.model_json_schema())

    assert answer_of(asked, response) == given


def test_an_answer_without_its_content_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="content: is missing"):
        answer_of(Asked(ID, ID, "requester", is_yours=True, form={}), {"action": "accept"})


def test_a_key_names_the_question_and_the_payload() -> None:
    assert review_of(f"{ID}.{'a' * 64}") == (ID, "a" * 64)
    assert review_of("name") is None


@pytest.mark.parametrize(
    ("waits_for", "message"),
    [("bank", "waits for the bank"), ("internal", "waits for a person who may decide it")],
)
def test_a_task_that_its_client_can_do_nothing_for_is_working(waits_for: str, message: str) -> None:
    asked = Asked(ID, ID, waits_for, is_yours=False)

    told = detailed({}, CaseView(CaseLine(ID, "transfer", "input_required", None, NOW, NOW), None, {}, [asked], []))

    said, on_cancelling = told["statusMessage"].split("; ")
    assert (told["status"], said, told["pollIntervalMs"]) == ("working", message, 5000)
    assert on_cancelling.startswith("it cannot be cancelled")


def test_a_case_that_met_a_fault_is_a_task_that_failed() -> None:
    fault = {"type": "Error", "detail": "this case met a fault; staff see which"}

    told = detailed({}, CaseView(CaseLine(ID, "transfer", "failed", None, NOW, NOW), fault, {}, [], []))

    assert (told["status"], told["error"]["code"], told["error"]["data"]) == ("failed", -32603, fault)
    assert (told["createdAt"], told["ttlMs"]) == ("2026-11-02T09:30:00Z", None)
