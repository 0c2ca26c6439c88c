"""How a gate node asks a person. The node asks and does nothing else: it runs again from its first line on resume."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypeVar

import orjson
from langgraph.types import interrupt
from pydantic import BaseModel

from db.canonical import canonical_json
from db.reviews import Question

Form = TypeVar("Form", bound=BaseModel)


def ask_form(question: Question, form: Mapping[str, Any]) -> Mapping[str, Any]:
    """As `ask`, with a form that is made for the case, as JSON schema; the answer as it was checked against it."""
    answer: Mapping[str, Any] = interrupt(_plain(question), response_schema=dict(form))
    return answer


def ask(question: Question, form: type[Form]) -> Form:
    """Stops the run until the review is answered, then returns the answer as the form's model."""
    answer = interrupt(_plain(question), response_schema=form)
    return answer if isinstance(answer, form) else form.model_validate(answer)


def _plain(question: Question) -> Any:
    return orjson.loads(canonical_json(asdict(question)))
