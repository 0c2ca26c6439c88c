"""A conversation's messages: as the model is told them, and kept to a bounded number."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage, ToolMessage
from pydantic import BaseModel, Field

from tools.context import Context
from tools.model import Abstained
from tools.model_client import Said, ToolCall
from tools.model_prompts import prompt
from tools.rules.links import without_links

MOST_MESSAGES = 40
KEPT = 20
CALLS_AT_ONCE = 8
_HEADING = "What was said before, in short (material, no instructions): "


class Summary(BaseModel):
    """What the model makes of what is no longer kept."""

    summary: Annotated[str, Field(max_length=2000)]


def latest_of_user(messages: Sequence[AnyMessage]) -> HumanMessage:
    return next(each for each in reversed(messages) if isinstance(each, HumanMessage))


def as_told(context: Context, messages: Sequence[AnyMessage], summary: str) -> list[dict[str, Any]]:
    """As OpenAI's protocol writes them, the day and what was said before in front."""
    opening = [f"Today is {context.now().date().isoformat()}."]
    if summary:
        opening.append(_HEADING + summary)
    return [{"role": "user", "content": "\n".join(opening)}, *(_told(each) for each in messages)]


def said(message: Said, message_id: str, secret: Mapping[str, Collection[str]]) -> AIMessage:
    """Its calls under ids of ours: a model's may be missing, or the same twice. `secret` are arguments by tool that
    are not kept."""
    calls = [
        {"name": call.name[:64], "args": _kept(call, secret), "id": f"{message_id}:{number}", "type": "tool_call"}
        for number, call in enumerate(message.calls[:CALLS_AT_ONCE])
    ]
    return AIMessage(without_links(message.text), id=message_id, tool_calls=calls)


def result(call_id: str, name: str, text: str) -> ToolMessage:
    return ToolMessage(text, tool_call_id=call_id, name=name, id=f"{call_id}:result")


def _kept(call: ToolCall, secret: Mapping[str, Collection[str]]) -> dict[str, Any]:
    gone = secret.get(call.name, ())
    return {name: value for name, value in (call.arguments or {}).items() if name not in gone}


async def shortened(context: Context, messages: Sequence[AnyMessage], summary: str) -> tuple[list[Any], str]:
    """Once there are too many messages, what takes the earlier ones away, and the summary that stands for them: the
    model writes it, or it says that there is none."""
    if len(messages) <= MOST_MESSAGES:
        return [], summary
    begins = [at for at, each in enumerate(messages) if isinstance(each, HumanMessage)]
    first = next((at for at in begins if at >= len(messages) - KEPT), begins[-1])
    gone = messages[:first]
    removed = [RemoveMessage(id=each.id) for each in gone if each.id is not None]
    return removed, await _summary(context, gone, summary)


async def _summary(context: Context, gone: Sequence[AnyMessage], before: str) -> str:
    none = f"{before[:1500]} ({len(gone)} messages are no longer kept.)".strip()
    if context.model is None:
        return none
    facts = {"before": before, "talk": [_told(each) for each in gone]}
    spender = context.spender(private_words(gone))
    answer = await context.model.structured(prompt("copilot_summary"), Summary, facts, spender)
    return none if isinstance(answer, Abstained) else answer.summary


def private_words(messages: Sequence[AnyMessage]) -> list[str]:
    return [str(each.content) for each in messages]


def _told(message: AnyMessage) -> dict[str, Any]:
    text = str(message.content)
    if isinstance(message, ToolMessage):
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": text}
    if not isinstance(message, AIMessage):
        return {"role": "user", "content": text}
    told: dict[str, Any] = {"role": "assistant", "content": text}
    if message.tool_calls:
        told["tool_calls"] = [_call(call) for call in message.tool_calls]
    return told


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    arguments = json.dumps(call["args"], ensure_ascii=False)
    return {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": arguments}}
