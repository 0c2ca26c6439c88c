"""Whether an answer fits the form that its review shows."""

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema

from db.errors import InvalidInput

_LONGEST_REASON = 300


def check_form(form: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Raises InvalidInput for the worst fault: what was not asked; then what is missing or wrong, the nearest to the
    top first; at last what the form only asks if another field says so, since that one may be what is wrong."""

    def order(error: jsonschema.ValidationError) -> tuple[bool, bool, int]:
        return "then" in error.schema_path, error.validator != "additionalProperties", len(error.absolute_path)

    if errors := list(_validator(form).iter_errors(answer)):
        worst = min(errors, key=order)
        raise InvalidInput(".".join(["answer", *_faulty(worst)]), worst.message[:_LONGEST_REASON])


def _validator(form: Mapping[str, Any]) -> jsonschema.Draft202012Validator:
    """Days are real ones: the calendar is no pattern."""
    return jsonschema.Draft202012Validator(form, format_checker=jsonschema.FormatChecker(["date"]))


def _faulty(error: Any) -> Iterator[str]:
    """The way to the field that jsonschema found wrong; one that is missing, or should be, is where it would be."""
    yield from (str(step) for step in error.absolute_path)
    if error.validator == "required":
        yield next(name for name in error.validator_value if name not in error.instance)
    elif error.validator == "additionalProperties":
        yield next(name for name in error.instance if name not in error.schema.get("properties", {}))
