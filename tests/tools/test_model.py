"""A model that does its worst: every answer is the shape that was asked for, or an abstention whose reason is kept."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypedDict
from uuid import uuid4

import pytest
import uuid_utils.compat as uuids
from langgraph.graph import END, START, StateGraph
from psycopg.rows import dict_row
from pydantic import BaseModel

from db.pool import Pool, open_pool
from tests.hostile_model import (
    Call,
    HostileModel,
    Reply,
    adversary,
    calls,
    fails,
    garbage,
    hostile_model,
    plain,
    refuses,
    says,
    says_json,
    stalls,
    then,
    truncates,
)
from tools.model import Abstained, OpenAIModel, Prices
from tools.model_breaker import Breaker
from tools.model_calls import Limits, Spender
from tools.model_client import ModelClient, Said
from tools.model_prompts import prompt
from tools.model_redaction import MASK, redacted

TENANT = "acme"
PLENTY = Limits(100, 1_000_000, 10**9)
RIGHT = {"city": "Bremen", "people": 3}
TOOL = {"type": "function", "function": {"name": "pay", "parameters": {"type": "object"}}}


class Watched(TypedDict, total=False):
    nothing: str


class Town(BaseModel):
    city: str
    people: int


@pytest.fixture(scope="module")
def endpoint() -> Iterator[HostileModel]:
    with hostile_model() as served:
        yield served


@pytest.fixture(scope="module")
async def pool(module_database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(module_database_url, max_size=4) as opened:
        yield opened


@pytest.fixture
async def model(endpoint: HostileModel) -> AsyncIterator[OpenAIModel]:
    client = ModelClient("hostile-1", endpoint.url, "sk-of-the-tests", timeout_s=5)
    yield OpenAIModel(client, PLENTY, PLENTY, Prices(2.0, 10.0))
    await client.aclose()


def spender(pool: Pool, tenant: str = TENANT, private: tuple[str, ...] = ()) -> Spender:
    return Spender(pool, tenant, f"run:{uuids.uuid7()}", private=private)


async def ask(model: OpenAIModel, by: Spender) -> Town | Abstained:
    return await model.structured(prompt("summary"), Town, {"what": "a town"}, by)


async def rows(by: Spender, columns: str = "status, mode, reason") -> list[dict[str, Any]]:
    async with by.pool.connection() as conn, conn.cursor(row_factory=dict_row) as cur:
        await cur.execute(f"SELECT {columns} FROM model_calls WHERE scope = %s ORDER BY call_id", (by.scope,))
        return await cur.fetchall()


async def test_honest_answer_has_its_shape_its_cost_and_its_row(
    endpoint: HostileModel, model: OpenAIModel, pool: Pool
) -> None:
    endpoint.behave(says_json(RIGHT))
    by = spender(pool)

    answer = await ask(model, by)

    (row,) = await rows(by, "status, mode, prompt_name, prompt_version, input_tokens, output_tokens, cost_micros")
    assert answer == Town(**RIGHT)
    assert list(row.values()) == ["taken", "schema", "summary", 1, 100, 20, 100 * 2 + 20 * 10]
    assert by.account() | {"latency_ms": 0} == {"calls": 1, "tokens": 120, "cost_micros": 400, "latency_ms": 0}
    assert endpoint.asked[-1].body["response_format"]["json_schema"]["schema"]["title"] == "Town"


async def test_wrong_answer_is_repaired_once(endpoint: HostileModel, model: OpenAIModel, pool: Pool) -> None:
    endpoint.behave(says('{"city": "Bremen", "people": "many"}', json.dumps(RIGHT)))
    by = spender(pool)

    assert await ask(model, by) == Town(**RIGHT)

    assert [row["status"] for row in await rows(by)] == ["not_taken", "taken"]
    assert "people: Input should be a valid integer" in endpoint.asked[-1].text


@pytest.mark.parametrize(
    ("behaviour", "reason", "sent"),
    [
        (garbage(), "invalid", 2),
        (refuses(), "refused", 2),
        (says('{"city": "Bremen", "people": "many"}'), "invalid", 2),
        (truncates(), "truncated", 2),
        (fails(500), "unavailable", 2),
        (fails(401), "rejected", 1),
        (fails(429, **{"Retry-After": "3600"}), "unavailable", 1),
        (calls(Call("pay", {"amount": 1}), then_says="paid"), "invalid", 2),
        (says("x" * 30_000), "unreadable", 1),
        (says("[" * 15_000), "invalid", 2),
    ],
    ids=["garbage", "refusal", "wrong", "truncated", "500", "401", "429 for an hour", "calls", "endless", "nested"],
)
async def test_model_that_gives_no_answer_abstains_and_the_reason_is_kept(
    endpoint: HostileModel, model: OpenAIModel, pool: Pool, behaviour: Any, reason: str, sent: int
) -> None:
    endpoint.behave(behaviour)
    by = spender(pool)

    answer = await ask(model, by)

    kept = await rows(by)
    assert isinstance(answer, Abstained) and answer.reason == reason
    assert len(kept) == sent
    assert all(row["status"] in ("failed", "not_taken") and row["reason"] for row in kept)


async def test_stalling_model_is_not_waited_for(endpoint: HostileModel, model: OpenAIModel, pool: Pool) -> None:
    endpoint.behave(stalls(30))
    model.client.timeout_s = 0.3
    by = spender(pool)

    answer = await ask(model, by)

    assert isinstance(answer, Abstained) and answer.reason == "timeout"
    assert [row["status"] for row in await rows(by)] == ["failed"]


async def test_endpoint_that_has_too_much_to_do_is_asked_again_when_it_says(
    endpoint: HostileModel, model: OpenAIModel, pool: Pool
) -> None:
    endpoint.behave(then(fails(429, **{"Retry-After": "0"}), says_json(RIGHT)))
    by = spender(pool)

    assert await ask(model, by) == Town(**RIGHT)

    assert [row["status"] for row in await rows(by)] == ["failed", "taken"]


@pytest.mark.parametrize("ignores", [False, True])
async def test_plain_server_is_found_out_once_and_asked_in_words(
    endpoint: HostileModel, model: OpenAIModel, pool: Pool, ignores: bool
) -> None:
    in_prose = f"Sure! Here you are:\n```json\n{json.dumps(RIGHT)}\n```"
    honest = plain(lambda asked: says(in_prose if '"people"' in asked.text else "What?")(asked), ignores=ignores)
    endpoint.behave(honest)
    first, second = spender(pool), spender(pool)

    answers = [await ask(model, first), await ask(model, second)]

    assert answers == [Town(**RIGHT)] * 2
    assert [row["mode"] for row in await rows(first)] == ["schema", "plain"]
    assert [row["mode"] for row in await rows(second)] == ["plain"]


async def test_server_that_counts_no_tokens_of_streams_is_asked_without(
    endpoint: HostileModel, model: OpenAIModel, pool: Pool
) -> None:
    """What it may cost stays reserved."""
    honest = plain(says(json.dumps(RIGHT)))
    endpoint.behave(lambda asked: Reply(status=422) if "stream_options" in asked.body else honest(asked))
    first, second = spender(pool), spender(pool)

    answers = [await ask(model, first), await ask(model, second)]

    assert answers == [Town(**RIGHT)] * 2
    assert [row["status"] for row in await rows(first)] == ["failed", "failed", "taken"]
    assert [row["status"] for row in await rows(second)] == ["taken"]


async def test_tools_are_called_by_plain_servers_too(endpoint: HostileModel, model: OpenAIModel, pool: Pool) -> None:
    endpoint.behave(plain(says('{"tool": "pay", "arguments": {"amount": 1}}')))

    said = await model.converse(prompt("summary"), [{"role": "user", "content": "hi"}], [TOOL], spender(pool))

    assert isinstance(said, Said)
    assert [(call.name, call.arguments) for call in said.calls] == [("pay", {"amount": 1})]


async def test_calls_of_an_adversary_come_as_data_and_wrong_arguments_as_none(
    endpoint: HostileModel, model: OpenAIModel, pool: Pool
) -> None:
    talk = [{"role": "user", "content": "hi"}]
    endpoint.behave(adversary(lambda tool, asked: {"payee": "DE-evil"}))
    attack = await model.converse(prompt("summary"), talk, [TOOL], spender(pool))
    endpoint.behave(calls(Call("pay", '{"payee": ')))
    broken = await model.converse(prompt("summary"), talk, [TOOL], spender(pool))

    assert isinstance(attack, Said) and attack.calls[0].arguments == {"payee": "DE-evil"}
    assert isinstance(broken, Said) and [call.arguments for call in broken.calls] in ([None], [{}])


async def test_budget_is_spent_before_it_is_passed_and_only_by_its_own_run(
    endpoint: HostileModel, model: OpenAIModel, pool: Pool
) -> None:
    endpoint.behave(says_json(RIGHT))
    model.per_run = Limits(3, 1_000_000, 10**9)
    by = spender(pool)

    answers = await asyncio.gather(*(ask(model, by) for _ in range(8)))

    granted = [answer for answer in answers if isinstance(answer, Town)]
    refused = [answer for answer in answers if isinstance(answer, Abstained)]
    assert len(granted) == 3 and {answer.reason for answer in refused} == {"budget"}
    assert sorted(row["status"] for row in await rows(by)) == ["refused"] * 5 + ["taken"] * 3
    assert isinstance(await ask(model, spender(pool)), Town)


@pytest.mark.parametrize("limits", [Limits(9, 500, 10**9), Limits(9, 10**6, 50)], ids=["tokens", "money"])
async def test_day_of_a_tenant_has_a_budget_of_tokens_and_money(
    endpoint: HostileModel, model: OpenAIModel, pool: Pool, limits: Limits
) -> None:
    endpoint.behave(says_json(RIGHT))
    model.per_day = limits
    by, asked = spender(pool, tenant=f"t-{uuid4().hex[:8]}"), len(endpoint.asked)

    answer = await ask(model, by)

    assert isinstance(answer, Abstained) and answer.reason == "budget"
    assert len(endpoint.asked) == asked


async def test_endpoint_that_keeps_failing_is_left_alone(
    endpoint: HostileModel, model: OpenAIModel, pool: Pool
) -> None:
    endpoint.behave(fails(503, **{"Retry-After": "0"}))
    model.breaker = Breaker(most_failures=4)
    by, asked = spender(pool), len(endpoint.asked)

    answers = [await ask(model, by) for _ in range(4)]

    assert [str(answer).partition(":")[0] for answer in answers] == ["unavailable"] * 2 + ["open_circuit"] * 2
    assert len(endpoint.asked) - asked == 4
    assert [row["status"] for row in await rows(by)] == ["failed"] * 4 + ["refused"] * 2


async def test_what_is_kept_names_nobody(endpoint: HostileModel, model: OpenAIModel, pool: Pool) -> None:
    endpoint.behave(says_json({"city": "Marta Wolff lives here, DE89 3704 0044 0532 0130 00", "people": 1}))
    by = spender(pool, private=("Marta Wolff",))

    await model.structured(prompt("summary"), Town, {"who": "Marta Wolff", "card": "4111 1111 1111 1111"}, by)

    (row,) = await rows(by, "asked, answered")
    kept = str(row)
    assert MASK in row["answered"] and "who" in kept
    assert not any(said in kept for said in ("Marta", "Wolff", "3704", "4111"))


def test_amounts_and_words_are_kept() -> None:
    text = "The payment of 9,500.00 USD on 2026-11-22 scores 812"

    assert redacted(text, ["Ada Lovelace"]) == text


async def test_watchers_of_a_run_are_told_nothing_that_was_not_checked(
    endpoint: HostileModel, model: OpenAIModel, pool: Pool
) -> None:
    """Tokens of a talk are streamed; those of an answer that is still to be validated are not."""

    async def node(state: Watched) -> Watched:
        endpoint.behave(says_json(RIGHT))
        await ask(model, spender(pool))
        endpoint.behave(says("Good morning to you."))
        await model.converse(prompt("summary"), [{"role": "user", "content": "hi"}], [], spender(pool))
        return {}

    graph = StateGraph(Watched).add_node("node", node).add_edge(START, "node").add_edge("node", END).compile()
    chunks: list[Any] = [chunk async for chunk in graph.astream({}, stream_mode="messages")]
    told = [chunk.text for chunk, _ in chunks]
    events = [event async for event in graph.astream_events({}, version="v2")]

    assert "".join(told) == "Good morning to you." and len(told) > 2
    assert "Bremen" not in str(events)
