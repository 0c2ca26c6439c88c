"""How a model is spoken to and its answer read: shapes and tools as parameters, or in words for plain servers."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tools.model_client import Message, Said, ToolCall
from tools.model_json import json_object
from tools.model_prompts import Prompt

LONGEST_FAULT = 800
Shape = TypeVar("Shape", bound=BaseModel)
_ONE_OBJECT = "Answer with one JSON object and nothing else, of this JSON schema:\n"
_TOOLS = (
    'You may call these tools. To call one, answer with nothing but {"tool": its name, "arguments": {…}}. Otherwise'
    " answer in plain text.\n"
)


def opening(prompt: Prompt, facts: Mapping[str, Any]) -> list[Message]:
    said = json.dumps(facts, ensure_ascii=False, sort_keys=True)
    return [{"role": "system", "content": prompt.text}, {"role": "user", "content": said}]


def complaint(said: Said, fault: str, schema: Mapping[str, Any] | None) -> list[Message]:
    """What was wrong with an answer, and what would be right, for the one repair."""
    asked = f"That answer is not accepted: {fault[:LONGEST_FAULT]}\n{_ONE_OBJECT}{json.dumps(schema)}"
    return [{"role": "assistant", "content": said.text or "(nothing)"}, {"role": "user", "content": asked}]


def read(said: Said, shape: type[Shape]) -> tuple[Shape | None, str | None]:
    """The answer, or what is wrong with it."""
    if said.refusal:
        return None, f"the model refused: {said.refusal[:LONGEST_FAULT]}"
    value = json_object(said.text)
    if value is None:
        return None, "there is no JSON object in it"
    try:
        return shape.model_validate(value), None
    except ValidationError as exc:
        faults = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in exc.errors(include_input=False))
        return None, "; ".join(faults)[:LONGEST_FAULT]


def tools_in_words(
    talk: Sequence[Message], tools: Sequence[Mapping[str, Any]], schema: Mapping[str, Any] | None
) -> list[Message]:
    """The talk for a server that takes neither tools nor schemas; calls and their results become text."""
    asked = _ONE_OBJECT + json.dumps(schema) if schema is not None else ""
    if tools:
        asked = _TOOLS + json.dumps([tool["function"] for tool in tools])
    words = [_in_words(message) for message in talk]
    if not asked:
        return words
    first, *rest = words
    return [{**first, "content": f"{first['content']}\n\n{asked}"}, *rest]


def plain_tools(said: Said) -> Said:
    """The call that a plain server's answer is, if it is one."""
    value = json_object(said.text) if said.text.lstrip().startswith(("{", "```")) else None
    if value is None or not isinstance(value.get("tool"), str):
        return said
    arguments = value.get("arguments")
    call = ToolCall("call_0", value["tool"], arguments if isinstance(arguments, dict) else None)
    return Said("", (call,), None, said.input_tokens, said.output_tokens)


def _in_words(message: Message) -> Message:
    if message["role"] == "tool":
        return {"role": "user", "content": f"Result of the tool: {message['content']}"}
    if message.get("tool_calls"):
        called = [
            {"tool": call["function"]["name"], "arguments": call["function"]["arguments"]}
            for call in message["tool_calls"]
        ]
        return {"role": "assistant", "content": json.dumps(called[0])}
    return message
