"""One request to an OpenAI-compatible endpoint, through LangChain's `ChatOpenAI`; every way to fail is a `ModelFault`.

LangChain's client takes seconds to import, so that only a process that asks a model imports it, beside its event loop.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from db.errors import CountersignError

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI

OPENAI = "https://api.openai.com/v1"
LONGEST_ANSWER = 20_000
"""Characters; a model that says more is cut off."""
Message = dict[str, Any]
"""As OpenAI's protocol writes it: `role`, `content`, and what belongs to tools."""


class ModelFault(CountersignError):
    """The endpoint gave no answer. `transient`: it may give one later. `status` is HTTP's, if there was one."""

    def __init__(
        self, code: str, detail: str, *, transient: bool, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.transient = transient
        self.status = status
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool's call as the model made it: `arguments` are None if they were no JSON object."""

    call_id: str
    name: str
    arguments: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Said:
    """What the model answered. Tokens are the endpoint's count; None: it told none."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    refusal: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    message_id: str | None = None
    """Under which its tokens were told to whoever watches."""


@dataclass(slots=True)
class ModelClient:
    name: str
    base_url: str | None
    api_key: str
    timeout_s: float
    _chat: "ChatOpenAI | None" = None
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def ask(self, talk: Sequence[Message], asked: Mapping[str, Any], *, streams: bool, counts: bool) -> Said:
        """`asked` are more parameters of the request: `max_tokens`, `tools`, `response_format`. Whoever watches a run
        is told the answer's tokens as they come if it `streams`, and otherwise nothing. The endpoint is asked for its
        count of tokens if it `counts`. Raises ModelFault."""
        chat = await self._opened()
        sending = {"extra_body": dict(asked), "stream_usage": counts}
        quiet: Any = None if streams else {"callbacks": [], "tags": ["nostream"]}
        from httpx2 import HTTPError
        from openai import OpenAIError

        try:
            async with asyncio.timeout(self.timeout_s):
                return await _streamed(chat, talk, quiet, sending)
        except TimeoutError as exc:
            raise ModelFault("timeout", f"no answer within {self.timeout_s:g} s", transient=True) from exc
        except OpenAIError as exc:
            raise _fault(exc) from exc
        except (HTTPError, ValueError, KeyError, TypeError, AttributeError, IndexError) as exc:
            raise ModelFault("unreadable", f"no answer as the protocol has it ({exc!r:.200})", transient=True) from exc

    async def aclose(self) -> None:
        if self._chat is not None:
            await self._chat.root_async_client.close()

    async def _opened(self) -> "ChatOpenAI":
        async with self._opening:
            if self._chat is None:
                self._chat = await asyncio.to_thread(self._make)
            return self._chat

    def _make(self) -> "ChatOpenAI":
        from openai import DefaultAsyncHttpxClient

        from tools.model_chat import LinklessChat

        return LinklessChat(
            model=self.name,
            # Always said: LangChain would look for it in OPENAI_API_BASE, and at LANGSMITH_GATEWAY.
            base_url=self.base_url or OPENAI,
            api_key=lambda: self.api_key,
            timeout=self.timeout_s,
            max_retries=0,
            # Its own one is the whole process's, and whoever closes that closes everybody's.
            http_async_client=DefaultAsyncHttpxClient(timeout=self.timeout_s),
            use_responses_api=False,
        )


async def _streamed(chat: "ChatOpenAI", talk: Sequence[Message], quiet: Any, sending: Mapping[str, Any]) -> Said:
    """Streamed always, so that an answer without end is cut off, and one without its end is known to be none."""
    chunks: list[Any] = []
    length = 0
    async for chunk in chat.astream(list(talk), quiet, told=quiet is None, **sending):
        length += len(chunk.text) + sum(len(each.get("args") or "") for each in getattr(chunk, "tool_call_chunks", ()))
        if length > LONGEST_ANSWER:
            raise ModelFault("unreadable", f"an answer of more than {LONGEST_ANSWER} characters", transient=False)
        chunks.append(chunk)
    # All at once: one by one takes the square of their number.
    whole = chunks[0] + chunks[1:] if chunks else None
    if whole is None or not whole.response_metadata.get("finish_reason"):
        raise ModelFault("truncated", "the answer ended in the middle", transient=True)
    usage = whole.usage_metadata or {}
    return Said(
        text=whole.text,
        calls=(
            *(ToolCall(call["id"] or "", call["name"], call["args"]) for call in whole.tool_calls),
            *(ToolCall(call["id"] or "", call["name"] or "", None) for call in whole.invalid_tool_calls),
        ),
        refusal=None if whole.text or whole.tool_calls or whole.invalid_tool_calls else "an empty answer",
        input_tokens=usage.get("input_tokens"),
        output_tokens=usage.get("output_tokens"),
        message_id=whole.id,
    )


def _fault(exc: Exception) -> ModelFault:
    from openai import APIConnectionError, APIStatusError, APITimeoutError

    if isinstance(exc, APITimeoutError):
        return ModelFault("timeout", "no answer in time", transient=True)
    if isinstance(exc, APIConnectionError):
        return ModelFault("unavailable", "the endpoint cannot be reached", transient=True)
    if isinstance(exc, APIStatusError):
        status = exc.status_code
        transient = status in (408, 409, 429) or status >= 500
        code = "unavailable" if transient else "rejected"
        seconds = _seconds(exc.response.headers.get("retry-after"))
        return ModelFault(code, f"HTTP {status}", transient=transient, status=status, retry_after_s=seconds)
    return ModelFault("unreadable", f"no answer as the protocol has it ({exc!r:.200})", transient=True)


def _seconds(retry_after: str | None) -> float | None:
    """None for a date, which no endpoint of this protocol sends."""
    return float(retry_after) if retry_after is not None and retry_after.isascii() and retry_after.isdigit() else None
