"""What endpoints are asked to hold an answer to: within what their strict modes and grammars take."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field

from tools.copilot_talk import Summary
from tools.explanation import Prose
from tools.intake_agent import Reading
from tools.model_client import OPENAI, ModelClient
from tools.model_schema import strict, unbounded


class Lax(BaseModel):
    people: int = 3


def objects(schema: Any) -> list[dict[str, Any]]:
    inside = [each for value in schema.values() for each in objects(value)] if isinstance(schema, dict) else []
    inside += [each for value in schema for each in objects(value)] if isinstance(schema, list) else []
    return [schema, *inside] if isinstance(schema, dict) and "properties" in schema else inside


@pytest.mark.parametrize(
    ("shape", "right"),
    [
        (Prose, {"text": "x" * 20}),
        (Summary, {"summary": "x"}),
        (Reading, {"found": [{"field": "amount", "quote": "5", "value": None}]}),
    ],
)
def test_every_shape_that_is_asked_for_fits_strict_mode(shape: type[BaseModel], right: Any) -> None:
    asked = strict(shape.model_json_schema())

    for each in objects(asked):
        assert each["additionalProperties"] is False and each["required"] == list(each["properties"])
    said = json.dumps(asked)
    assert not [word for word in ("oneOf", "maxLength", "minLength", "maxItems", "default") if f'"{word}"' in said]
    assert Draft202012Validator(asked).is_valid(right)
    assert shape.model_validate(right)


def test_field_that_nobody_could_leave_out_is_a_fault_of_the_shape() -> None:
    with pytest.raises(ValueError, match=r"Lax\.people"):
        strict(Lax.model_json_schema())


def test_names_of_fields_are_no_keywords() -> None:
    class Town(BaseModel):
        most: str = Field(alias="maxLength", max_length=9)

    assert unbounded(Town.model_json_schema())["properties"] == {"maxLength": {"title": "Maxlength", "type": "string"}}


def test_no_other_variable_sends_questions_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_BASE", "OPENAI_BASE_URL", "LANGSMITH_GATEWAY"):
        monkeypatch.setenv(name, "https://elsewhere.example/v1")

    chat = ModelClient("m-1", None, "key", timeout_s=1)._make()

    assert str(chat.root_async_client.base_url).rstrip("/") == OPENAI
