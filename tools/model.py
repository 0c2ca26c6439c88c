"""The language model, at arm's length: useful, optional, untrusted.

What it says is data, validated into a typed answer by whoever asks; it decides nothing, and no transaction is open
while it is asked. Every request is reserved in the run's and the day's budget first, and kept with its
prompt's version, its redacted text, cost and latency. Whatever goes wrong is `Abstained` with its reason, never an
exception: callers have an answer of their own without a model.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import uniform
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from tools import model_calls
from tools.model_breaker import Breaker
from tools.model_calls import Conclusion, Limits, Mode, NewCall, Spender, Spent
from tools.model_client import Message, ModelClient, ModelFault, Said
from tools.model_prompts import Prompt
from tools.model_redaction import redacted
from tools.model_schema import strict, unbounded
from tools.model_words import complaint, opening, plain_tools, read, tools_in_words

ANSWER_TOKENS = 2_000
ATTEMPTS = 2
"""Of one request; the second only after a fault that may pass."""
BACKOFF_S = (0.25, 0.75)
LONGEST_PAUSE_S = 5.0
"""An endpoint that asks us to wait longer is not waited for."""

Shape = TypeVar("Shape", bound=BaseModel)
Check = Callable[[Any], str | None]
"""What is wrong with an answer of the right shape, in words for the model; None: nothing."""


@dataclass(frozen=True, slots=True)
class Abstained:
    """There is no answer. `reason`: off, budget, open_circuit, timeout, unavailable, rejected, truncated, unreadable,
    refused, or invalid; `detail` says it to a person."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


OFF = Abstained("off", "no model is configured (COUNTERSIGN_MODEL)")


@dataclass(frozen=True, slots=True)
class Prices:
    """In US dollars for a million tokens, so in millionths of a dollar for one. Zero: unknown."""

    input: float = 0.0
    output: float = 0.0

    def cost_micros(self, input_tokens: int, output_tokens: int) -> int:
        return -int(-(self.input * input_tokens + self.output * output_tokens) // 1)


class Model(Protocol):
    """What callers may rely on; `Context.model` is None if there is none."""

    @property
    def name(self) -> str: ...

    @property
    def writes_letters(self) -> bool:
        """Whether customers are sent paragraphs of its making, which nobody but a program has read."""
        ...

    async def structured(
        self, prompt: Prompt, shape: type[Shape], facts: Mapping[str, Any], spender: Spender, check: Check | None = None
    ) -> Shape | Abstained:
        """The answer as this shape, after at most one repair. `facts` are JSON; what of them others wrote is text."""
        ...

    async def converse(
        self, prompt: Prompt, talk: Sequence[Message], tools: Sequence[Mapping[str, Any]], spender: Spender
    ) -> Said | Abstained:
        """The next message of a talk: text, or calls of `tools` (OpenAI's form), which the caller validates and makes
        or not. Its tokens are told to whoever watches the run in mode `messages`."""
        ...


@dataclass(slots=True)
class OpenAIModel:
    """A model behind any endpoint that speaks OpenAI's protocol. What the endpoint does not know is found out once."""

    client: ModelClient
    per_run: Limits
    per_day: Limits
    prices: Prices = field(default_factory=Prices)
    breaker: Breaker = field(default_factory=Breaker)
    writes_letters: bool = False
    knows_schemas: bool = True
    knows_tools: bool = True
    counts: bool = True

    @property
    def name(self) -> str:
        return self.client.name

    async def structured(
        self, prompt: Prompt, shape: type[Shape], facts: Mapping[str, Any], spender: Spender, check: Check | None = None
    ) -> Shape | Abstained:
        found: list[Shape] = []

        def judge(said: Said) -> str | None:
            answer, fault = read(said, shape)
            if answer is not None and check is not None:
                fault = check(answer)
            if answer is not None and fault is None:
                found.append(answer)
            return fault

        asking = _Asking(self, prompt, spender, strict(shape.model_json_schema()), judge=judge)
        talk = opening(prompt, facts)
        reason = "invalid"
        for _ in ("the answer", "its repair"):
            said = await asking.answer(talk)
            if isinstance(said, Abstained):
                return said
            if found:
                return found[0]
            reason = "refused" if said.refusal else "invalid"
            talk = [*talk, *complaint(said, asking.fault, asking.schema)]
        return Abstained(reason, asking.fault)

    async def converse(
        self, prompt: Prompt, talk: Sequence[Message], tools: Sequence[Mapping[str, Any]], spender: Spender
    ) -> Said | Abstained:
        asking = _Asking(self, prompt, spender, tools=unbounded(tools), judge=lambda said: said.refusal)
        said = await asking.answer([{"role": "system", "content": prompt.text}, *talk])
        if isinstance(said, Said) and said.refusal:
            return Abstained("refused", said.refusal)
        return said


@dataclass(slots=True)
class _Asking:
    """One question, over its attempts; `fault` is what was wrong with the last answer. `plain`: the endpoint refused
    what it may not know, and is asked in words; `uncounted`: nor is it asked for its count of tokens any more."""

    model: OpenAIModel
    prompt: Prompt
    spender: Spender
    schema: dict[str, Any] | None = None
    tools: Sequence[Mapping[str, Any]] = ()
    judge: Callable[[Said], str | None] = lambda said: None
    fault: str = ""
    plain: bool = False
    uncounted: bool = False

    async def answer(self, talk: Sequence[Message]) -> Said | Abstained:
        attempt = 0
        while True:
            mode = self._mode()
            got = await self._request(talk, mode)
            if not isinstance(got, ModelFault):
                return got
            if mode != "plain" and got.status in (400, 404, 415, 422, 501):
                self.plain = True
                continue
            if got.status in (400, 422) and self.model.counts and not self.uncounted:
                self.uncounted = True
                continue
            attempt += 1
            pause = _pause(got, attempt)
            if attempt == ATTEMPTS or pause is None:
                return Abstained(got.code, str(got))
            await asyncio.sleep(pause)

    async def _request(self, talk: Sequence[Message], mode: Mode) -> Said | Abstained | ModelFault:
        model, spender = self.model, self.spender
        sent = self._in_words(talk) if mode == "plain" else list(talk)
        reserved = self._estimate(sent, mode)
        call = NewCall(self.prompt, model.name, mode, redacted(sent, spender.private), reserved)
        if not model.breaker.lets_through(time.monotonic()):
            await model_calls.refuse(spender, call)
            return Abstained("open_circuit", "the model failed several times in a row and is left alone for a while")
        day = datetime.now(UTC).date().isoformat()
        call_id = await model_calls.reserve(spender, day, (model.per_run, model.per_day), call)
        if call_id is None:
            return Abstained("budget", "the calls, tokens or money that may be spent on a model are spent")
        began, got = time.monotonic(), await self._sent(sent, mode)
        latency_ms = int((time.monotonic() - began) * 1000)
        came_to = self._judged(got, replace(reserved, latency_ms=latency_ms), mode)
        await model_calls.conclude(spender, day, call_id, reserved, came_to)
        return got

    async def _sent(self, sent: Sequence[Message], mode: Mode) -> Said | ModelFault:
        in_words = mode == "plain" and bool(self.tools)
        streams = self.schema is None and not in_words
        try:
            counts = self.model.counts and not self.uncounted
            said = await self.model.client.ask(sent, self._parameters(mode), streams=streams, counts=counts)
        except ModelFault as fault:
            if fault.transient:
                self.model.breaker.failed(time.monotonic())
            return fault
        self.model.breaker.succeeded()
        if self.plain:
            self._remember_plain()
        self.model.counts &= counts
        return plain_tools(said) if in_words else said

    def _judged(self, got: Said | ModelFault, spent: Spent, mode: Mode) -> Conclusion:
        if isinstance(got, ModelFault):
            nothing = replace(spent, input_tokens=0, output_tokens=0, cost_micros=0)
            # Of an answer that never came we do not know what it cost.
            return Conclusion("failed", str(got), None, nothing if got.status is not None else spent)
        self.fault = self.judge(got) or ""
        if mode == "schema" and self.fault and "{" not in got.text and not got.refusal:
            # Whoever knows schemas sends JSON, right or wrong.
            self._remember_plain()
        counted = self._counted(got, spent)
        answered = redacted(got.text or [[call.name, call.arguments] for call in got.calls], self.spender.private)
        fault = redacted(self.fault, self.spender.private) or None
        return Conclusion("not_taken" if self.fault else "taken", fault, str(answered), counted)

    def _mode(self) -> Mode:
        if self.schema is not None:
            return "schema" if self.model.knows_schemas and not self.plain else "plain"
        return "tools" if (self.model.knows_tools and not self.plain) or not self.tools else "plain"

    def _remember_plain(self) -> None:
        if self.schema is not None:
            self.model.knows_schemas = False
        else:
            self.model.knows_tools = False

    def _in_words(self, talk: Sequence[Message]) -> list[Message]:
        return tools_in_words(talk, self.tools, self.schema)

    def _parameters(self, mode: Mode) -> dict[str, Any]:
        if mode == "plain":
            return {"max_tokens": ANSWER_TOKENS}
        asked: dict[str, Any] = {"max_completion_tokens": ANSWER_TOKENS}
        if self.tools:
            asked["tools"] = list(self.tools)
        if self.schema is not None:
            named = {"name": self.schema.get("title", "Answer"), "schema": self.schema, "strict": True}
            asked["response_format"] = {"type": "json_schema", "json_schema": named}
        return asked

    def _estimate(self, sent: Sequence[Message], mode: Mode) -> Spent:
        """No tokeniser makes more of a text than a token for two bytes, as good as never."""
        size = len(str(sent).encode()) + len(str(self._parameters(mode)).encode())
        tokens = size // 2 + 1
        return Spent(tokens, ANSWER_TOKENS, self.model.prices.cost_micros(tokens, ANSWER_TOKENS), 0)

    def _counted(self, said: Said, estimated: Spent) -> Spent:
        """As the endpoint counts; where it does not, or counts nonsense, what was reserved."""
        if said.input_tokens is None or said.output_tokens is None:
            return estimated
        asked, answered = (min(max(tokens, 0), 10_000_000) for tokens in (said.input_tokens, said.output_tokens))
        return Spent(asked, answered, self.model.prices.cost_micros(asked, answered), estimated.latency_ms)


def _pause(fault: ModelFault, attempt: int) -> float | None:
    """Until the next attempt; None: there is none. What took its whole time already is not tried again."""
    if not fault.transient or fault.code == "timeout":
        return None
    pause = fault.retry_after_s if fault.retry_after_s is not None else uniform(*BACKOFF_S) * attempt
    return pause if pause <= LONGEST_PAUSE_S else None
