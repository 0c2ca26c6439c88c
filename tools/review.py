"""How a gate node asks a person. The node asks and does nothing else: it runs again from its first line on resume."""

from dataclasses import asdict
from typing import TypeVar

import orjson
from langgraph.types import interrupt
from pydantic import BaseModel

from db.canonical import canonical_json
from db.reviews import Question

Form = TypeVar("Form", bound=BaseModel)


def ask(question: Question, form: type[Form]) -> Form:
    """Stops the run until the review is answered, then returns the answer as the form's model."""
    plain = orjson.loads(canonical_json(asdict(question)))
    answer = interrupt(plain, response_schema=form)
    return answer if isinstance(answer, form) else form.model_validate(answer)
