"""What a case waits for, as requests that a client puts before its user: a form for what the requester owes, and a link
for what a person must check, who answers there as themselves."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import orjson

from api.mcp.agent import Agent
from db.errors import InvalidInput
from db.reviews import AGENT_TASK, BANK, FRAUD_REVIEW, REQUESTER
from tools.case_operations import Asked, CaseView

_PRIMITIVES = frozenset({"string", "number", "integer", "boolean"})
_KEPT = ("type", "title", "description", "enum", "default", "minLength", "maxLength", "minimum", "maximum", "format")
_ELSEWHERE = "A person must decide this case; whoever may, does so there, with a key of their own."


def input_requests(agent: Agent, case: CaseView) -> dict[str, dict[str, Any]]:
    """By the key that the response comes back under, which names the question and the very payload that was shown."""
    requests = {_key(asked): _request(agent, asked) for asked in case.waiting}
    return {key: {"method": "elicitation/create", "params": found} for key, found in requests.items() if found}


def waits_for(case: CaseView) -> str | None:
    """In a sentence, for whoever reads the status."""
    asked = next(iter(case.waiting), None)
    if asked is None:
        return None
    if asked.waits_for == REQUESTER:
        return f"waits for whoever started the case, who answers here or with provide_input: {asked.question}"
    if asked.waits_for in (BANK, AGENT_TASK, FRAUD_REVIEW):
        return f"waits for the {asked.waits_for.replace('_', ' ')}"
    return "waits for a person who may decide it" + (f", with the role {asked.waits_for}" if asked.kind else "")


def review_of(key: str) -> tuple[UUID, str] | None:
    """The question and its payload's hash; None for a key that is none of ours."""
    review_id, _, payload_sha256 = key.partition(".")
    try:
        return UUID(review_id), payload_sha256
    except ValueError:
        return None


def answer_of(asked: Asked, response: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the form was filled with; None if it was not: a dialogue that is closed is no answer.

    A field that may be null and was left empty is null. Raises InvalidInput.
    """
    if response.get("action") != "accept":
        return None
    content = response.get("content")
    if not isinstance(content, Mapping):
        raise InvalidInput("content", "is missing: it has what the form asks for")
    form = asked.form or {}
    empty = [name for name in form.get("required", ()) if _is_nullable(form["properties"][name])]
    return dict.fromkeys(empty) | _nested(content)


def flat_form(form: Mapping[str, Any]) -> dict[str, Any] | None:
    """The form in the few words that clients show: fields side by side, each a text, a number or a choice; those of a
    form within it as `employment.since`.

    None if it says more than that; then it is answered through `provide_input`.
    """
    fields: dict[str, dict[str, Any]] = {}
    required = list(_flattened(form, form.get("$defs", {}), "", fields))
    is_flat = bool(fields) and all(field for field in fields.values())
    return {"type": "object", "properties": fields, "required": required} if is_flat else None


def _flattened(
    form: Mapping[str, Any], defs: Mapping[str, Any], within: str, fields: dict[str, dict[str, Any]]
) -> Iterator[str]:
    """Adds the fields, an empty one for what is not flat, and gives the names of those that are required."""
    for name, schema in form.get("properties", {}).items():
        found, is_required = _resolved(schema, defs), name in form.get("required", ()) and not _is_nullable(schema)
        if found.get("type") == "object" and "properties" in found:
            inner = list(_flattened(found, defs, f"{within}{name}.", fields))
            yield from inner if is_required else ()
        else:
            fields[within + name] = {k: found[k] for k in _KEPT if found.get(k) is not None} if _is_plain(found) else {}
            if is_required:
                yield within + name


def _request(agent: Agent, asked: Asked) -> dict[str, Any] | None:
    """None: this client cannot put it before its user, or nobody is asked."""
    if asked.waits_for == REQUESTER:
        form = flat_form(asked.form or {})
        if not (agent.fills_forms and asked.is_yours and form):
            return None
        shown = orjson.dumps({"facts": asked.facts, "payload": asked.payload}, option=orjson.OPT_INDENT_2).decode()
        return {"mode": "form", "message": f"{asked.question}\n\n{shown}", "requestedSchema": form}
    if asked.waits_for in (BANK, AGENT_TASK, FRAUD_REVIEW) or not agent.opens_urls:
        return None
    message = f"{asked.question}\n{_ELSEWHERE}" if asked.question else _ELSEWHERE
    return {"mode": "url", "message": message, "url": agent.review_url(asked.review_id)}


def _key(asked: Asked) -> str:
    return f"{asked.review_id}.{asked.payload_sha256}" if asked.payload_sha256 else str(asked.review_id)


def _resolved(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without a reference, without null, and a constant as a choice of one."""
    if "$ref" in schema:
        return _resolved({**defs[schema["$ref"].rpartition("/")[2]], **_without(schema, "$ref")}, defs)
    kinds = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if len(kinds) == 1:
        return _resolved({**kinds[0], **_without(schema, "anyOf")}, defs)
    return {**schema, "type": "string", "enum": [schema["const"]]} if isinstance(schema.get("const"), str) else schema


def _without(schema: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != name}


def _is_plain(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") in _PRIMITIVES


def _nested(content: Mapping[str, Any]) -> dict[str, Any]:
    """`employment.since` back within its form."""
    whole: dict[str, Any] = {}
    for name, value in content.items():
        *within, last = name.split(".")
        at = whole
        for step in within:
            at = at.setdefault(step, {})
            if not isinstance(at, dict):
                raise InvalidInput(name, f"{step} is given as a whole, too")
        at[last] = value
    return whole


def _is_nullable(schema: Mapping[str, Any]) -> bool:
    return any(one.get("type") == "null" for one in schema.get("anyOf", ()))
