"""A thread driven and watched through `client.threads.stream`, LangGraph's newer protocol, with its own client."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson
import pytest
from langgraph_sdk import get_sync_client
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.service import Service
from tests.test_path_of_a_loan import APPLICATION

Sdk = Callable[..., Any]
"""LangGraph's client, whose declared types are narrower than what it takes and gives."""
QUESTION: dict[str, Any] = {"question": "why?"}
ALL = ["values", "updates", "messages", "tools", "lifecycle", "input", "checkpoints", "tasks", "custom"]


@pytest.fixture(scope="module")
def own_graphs(own_graphs: Path) -> Path:
    """The usual ones, and three that chat."""
    shutil.copy(Path(__file__).with_name("chat_graphs.py"), own_graphs.parent)
    file = orjson.loads(own_graphs.read_bytes())
    file["graphs"] |= {name: f"./chat_graphs.py:{name}" for name in ("chatting", "team", "measured")}
    own_graphs.write_bytes(orjson.dumps(file))
    return own_graphs


def saying(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


async def all_of(told: AsyncIterator[Any]) -> list[Any]:
    async with asyncio.timeout(20):
        return [one async for one in told]


async def paused(thread: Any) -> None:
    """Until its question is heard; a projection that is begun after that would wait for the next run."""
    async with asyncio.timeout(20):
        while not thread.interrupts:  # noqa: ASYNC110  the SDK has nothing else to wait for
            await asyncio.sleep(0.01)


async def texts(thread: Any) -> list[str]:
    """What is said until the run ends; each message is read while the next may come."""
    reading = []
    async with asyncio.timeout(20):
        async for message in thread.messages:
            reading.append(asyncio.create_task(_text(message)))
        return list(await asyncio.gather(*reading))


async def _text(message: Any) -> str:
    return "".join([part async for part in message.text])


async def events(
    client: httpx.AsyncClient, thread_id: str, until: Callable[[dict[str, Any]], bool], **asked: Any
) -> list[dict[str, Any]]:
    """As the protocol has them."""
    found = []
    body = {"channels": ALL} | asked
    async with asyncio.timeout(20), client.stream("POST", f"/threads/{thread_id}/stream/events", json=body) as stream:
        assert stream.status_code == 200
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                found.append(orjson.loads(line[6:]))
                if until(found[-1]):
                    return found
    raise AssertionError(f"the stream ended itself after {found}")


def ends(what: str) -> Callable[[dict[str, Any]], bool]:
    def is_end(event: dict[str, Any]) -> bool:
        params = event["params"]
        return bool(event["method"] == "lifecycle" and not params["namespace"] and params["data"]["event"] == what)

    return is_end


@pytest.mark.parametrize("transport", ["sse", "websocket"])
async def test_what_is_said_is_told_as_it_is_said_turn_after_turn(sdk: Sdk, transport: str) -> None:
    client, thread_id = sdk("client"), str(uuid4())
    key = {"x-api-key": client.http.client.headers["x-api-key"]}
    for text in ("because it is so", "and so it is"):
        how = {"assistant_id": "chatting", "transport": transport, "headers": key}
        async with client.threads.stream(thread_id, **how) as thread:
            await thread.run.start(input=saying(text))

            assert await texts(thread) == [f"{text} "]
            said = (await thread.output)["messages"][-1]["content"]
            assert said[0]["text"] == f"{text} "


async def test_tool_calls_are_told_with_input_and_output(sdk: Sdk) -> None:
    async with sdk("client").threads.stream(assistant_id="chatting") as thread:
        await thread.run.start(input=saying("weather in Bern"))

        (call,) = await all_of(thread.tool_calls)

        assert (call.name, call.input) == ("weather", {"city": "Bern"})
        assert (await call.output)["content"] == "sunny in Bern"


async def test_tool_calls_are_told_to_who_streams_one_run_as_well(sdk: Sdk) -> None:
    streamed = sdk("client").runs.stream(None, "chatting", input=saying("weather in Bern"), stream_mode="tools")

    told = [part.data for part in await all_of(streamed) if part.event == "tools"]

    assert [one["event"] for one in told] == ["tool-started", "tool-finished"]
    assert told[1]["output"]["content"] == "sunny in Bern"


async def test_question_is_told_and_answered(sdk: Sdk) -> None:
    async with sdk("client").threads.stream(assistant_id="asking") as thread:
        await thread.run.start(input=QUESTION)
        await paused(thread)

        (asked,) = thread.interrupts
        assert asked["value"] == {"may I publish?": "plain: why?"}
        await thread.run.respond("yes")
        assert (await thread.output)["trail"] == ["think", "ask", "publish"]


async def test_client_that_comes_back_is_told_the_question(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "asking", input=QUESTION)

    async with client.threads.stream(thread_id, assistant_id="asking") as thread:
        await paused(thread)
        await thread.run.respond("late")

        assert (await thread.output)["answer"] == "late"


async def test_subgraphs_are_told_with_what_they_ask_and_say(sdk: Sdk) -> None:
    async with sdk("client").threads.stream(assistant_id="team") as thread:
        await thread.run.start(input=saying("hello"))
        await paused(thread)
        await thread.run.respond("well done")

        found = await all_of(thread.subgraphs)

        assert [(child.graph_name, child.status) for child in found] == [("member", "completed")]
        assert await texts(found[0]) == ["well done "]


async def test_stream_is_told_as_the_graphs_own_transformers_leave_it(sdk: Sdk) -> None:
    client = sdk("client")
    async with client.threads.stream(assistant_id="measured") as thread:
        await thread.run.start(input=saying("hello"))
        await paused(thread)
        await thread.run.respond("so be it")

        told = await all_of(thread.extensions["loudness"])

        assert [one["payload"] for one in told] == [{"letters": letters} for letters in (2, 2, 2)]
        heard = await events(client.http.client, thread.thread_id, ends("completed"))
        methods = {event["method"] for event in heard}
        assert {"updates", "tasks", "custom", "messages"} <= methods
        assert "values" not in methods, "the graph's transformer holds them back"
        assert [
            event["params"]["data"]["event"]
            for event in heard
            if event["method"] == "lifecycle" and event["params"]["namespace"]
        ] == ["started", "completed"]
        assert (await thread.output)["messages"][-1]["content"][0]["text"] == "so be it "


async def test_question_of_a_subgraph_is_told_with_its_place(sdk: Sdk) -> None:
    client, thread_id = sdk("client"), str(uuid4())
    async with client.threads.stream(thread_id, assistant_id="nested") as thread:
        await thread.run.start(input=QUESTION)
        await paused(thread)

        told = await events(client.http.client, thread_id, ends("interrupted"))
        [inner] = {tuple(event["params"]["namespace"]) for event in told if event["params"]["namespace"]}
        of_inner = [
            e["params"]["data"]["event"] for e in told if e["method"] == "lifecycle" and e["params"]["namespace"]
        ]
        assert (inner[0].split(":")[0], of_inner) == ("inner", ["started", "interrupted"])
        assert thread.interrupts[0]["namespace"] == list(inner)
        await thread.run.respond("yes")
        assert (await thread.output)["trail"] == ["think", "ask", "publish", "publish"]


async def test_question_is_heard_whenever_its_run_comes_to_its_end(sdk: Sdk) -> None:
    client = sdk("client")

    async def hear(number: int) -> None:
        async with client.threads.stream(assistant_id="asking") as thread:
            await asyncio.sleep(number / 300)
            await thread.run.start(input=QUESTION)
            await paused(thread)

    for _ in range(4):
        await asyncio.gather(*map(hear, range(8)))


async def test_each_channel_tells_its_own(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = str(uuid4())
    async with client.threads.stream(thread_id, assistant_id="echo") as thread:
        await thread.run.start(input=QUESTION)
        told = await all_of(thread.interleave_projections(["updates", "tasks", "checkpoints", "values"]))

    of = {channel: [item for name, item in told if name == channel] for channel, _ in told}
    assert of["updates"] == [
        {"think": {"answer": "plain: why?", "trail": ["think"]}},
        {"publish": {"trail": ["publish"]}},
    ]
    assert [task["name"] for task in of["tasks"]] == ["think", "think", "publish", "publish"]
    assert [(one["step"], one["source"]) for one in of["checkpoints"]] == [
        (-1, "input"), (0, "loop"), (1, "loop"), (2, "loop")
    ]  # fmt: skip
    assert of["values"][-1]["trail"] == ["think", "publish"]
    (custom,) = [e for e in await events(client.http.client, thread_id, ends("completed")) if e["method"] == "custom"]
    assert custom["params"]["data"] == {"payload": {"thinking": "why?"}}


async def test_failure_is_raised_where_the_output_is_awaited(sdk: Sdk) -> None:
    async with sdk("client").threads.stream(assistant_id="failing") as thread:
        await thread.run.start(input=QUESTION)

        with pytest.raises(RuntimeError, match="this graph always fails"):
            await thread.output


def test_synchronous_client_is_served_as_well(countersign: Service) -> None:
    client = get_sync_client(url=countersign.url, api_key=countersign.client("client").headers["x-api-key"])
    with client, client.threads.stream(assistant_id="asking") as thread:
        thread.run.start(input=QUESTION)
        deadline = time.monotonic() + 20
        while not thread.interrupts:
            assert time.monotonic() < deadline
            time.sleep(0.01)

        thread.run.respond("yes")

        assert [values["trail"] for values in thread.values][-1] == ["think", "ask", "publish"]
        assert thread.output["answer"] == "yes"


async def test_client_that_was_cut_off_anywhere_hears_the_rest(sdk: Sdk) -> None:
    client = sdk("client")
    http, thread_id = client.http.client, str(uuid4())
    async with client.threads.stream(thread_id, assistant_id="nested") as thread:
        await thread.run.start(input=QUESTION)
        await paused(thread)
        await thread.run.respond("yes")
        await thread.output
    whole = await events(http, thread_id, ends("completed"))

    names = [event["event_id"] for event in whole]
    assert len(names) == len(set(names))
    for cut in range(1, len(whole)):
        since = max(event["seq"] for event in whole[:cut])
        rest = await events(http, thread_id, ends("completed"), since=since)
        again = [event["event_id"] for event in rest if event["event_id"] not in names[:cut]]
        assert again == names[cut:]


async def test_stream_is_of_the_namespaces_that_were_asked_for(sdk: Sdk) -> None:
    client, thread_id = sdk("client"), str(uuid4())
    async with client.threads.stream(thread_id, assistant_id="nested") as thread:
        await thread.run.start(input=QUESTION)
        await paused(thread)

    asked = {"channels": ["values", "input"], "namespaces": [["inner"]]}
    inner = await events(client.http.client, thread_id, lambda event: event["method"] == "input.requested", **asked)

    assert {event["params"]["namespace"][0].split(":")[0] for event in inner} == {"inner"}
    assert len(inner) > 1


async def test_run_that_was_started_in_other_ways_is_told_as_far_as_it_tells(sdk: Sdk) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]
    modes = ["values", "messages-tuple", "checkpoints"]
    await client.runs.wait(thread_id, "chatting", input=saying("so"))
    run = await client.runs.create(thread_id, "chatting", input=saying("it is"), stream_mode=modes)
    await client.runs.join(thread_id, run["run_id"])

    told = await events(client.http.client, thread_id, ends("completed"), since=1)

    assert [event["method"] for event in told] == ["lifecycle", "lifecycle"]
    later = await events(client.http.client, thread_id, ends("completed"), since=told[-1]["seq"])
    assert {event["method"] for event in later} == {"lifecycle", "values", "checkpoints"}


async def test_case_is_driven_by_the_same_rules(sdk: Sdk, countersign: Service) -> None:
    client, thread_id = sdk("client"), str(uuid4())
    async with client.threads.stream(thread_id, assistant_id="loan_origination") as thread:
        await thread.run.start(input=APPLICATION)
        await paused(thread)
        (review,) = (await client.http.client.get(f"/threads/{thread_id}/reviews")).json()

        with pytest.raises(RuntimeError, match="payload_sha256"):
            await thread.run.respond({"accepted": True})
        await thread.run.respond({"payload_sha256": review["payload_sha256"], "answer": {"accepted": True}})

        assert (await thread.output)["outcome"] == "disbursed"


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("run.start", {}, "invalid_argument"),
        ("run.start", {"assistant_id": "nobody"}, "invalid_argument"),
        ("run.start", {"assistant_id": "echo", "config": {"configurable": {"checkpoint_id": "x"}}}, "invalid_argument"),
        ("input.respond", {"interrupt_id": "never asked", "response": 1}, "no_such_interrupt"),
        ("input.respond", {"response": 1}, "invalid_argument"),
        ("run.stop", {}, "unknown_command"),
    ],
)
async def test_command_that_fails_says_why(sdk: Sdk, method: str, params: dict[str, Any], code: str) -> None:
    http = sdk("client").http.client

    answer = await http.post(f"/threads/{uuid4()}/commands", json={"id": 7, "method": method, "params": params})

    assert answer.status_code == 200
    assert (answer.json()["type"], answer.json()["id"], answer.json()["error"]) == ("error", 7, code)


async def test_state_is_steered_by_operators_alone(sdk: Sdk) -> None:
    async with sdk("client").threads.stream(assistant_id="asking") as thread:
        await thread.run.start(input=QUESTION)
        await paused(thread)
        params = {"interrupt_id": thread.interrupts[0]["interrupt_id"], "response": 1, "goto": "publish"}

        with pytest.raises(RuntimeError, match="permission_denied"):
            await thread._send_command("input.respond", params)


async def test_thread_of_somebody_else_is_no_thread(sdk: Sdk, countersign: Service) -> None:
    thread_id = (await sdk("client", "ada").threads.create())["thread_id"]
    ben = sdk("client", "ben")

    stream = await ben.http.client.post(f"/threads/{thread_id}/stream/events", json={"channels": ["values"]})
    start = {"id": 1, "method": "run.start", "params": {"assistant_id": "echo", "input": QUESTION}}
    started = await ben.http.client.post(f"/threads/{thread_id}/commands", json=start)

    assert stream.status_code == 404
    assert started.json()["error"] == "invalid_argument"
    for headers, code in (({}, 4401), ({"x-api-key": ben.http.client.headers["x-api-key"]}, 4404)):
        url = f"{countersign.url.replace('http', 'ws')}/threads/{thread_id}/stream/events"
        async with connect(url, additional_headers=headers) as socket:
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        assert socket.close_code == code


async def test_socket_takes_commands_and_lets_subscriptions_go(sdk: Sdk, countersign: Service) -> None:
    client = sdk("client")
    thread_id = (await client.threads.create())["thread_id"]
    url = f"{countersign.url.replace('http', 'ws')}/threads/{thread_id}/stream/events"
    key = {"x-api-key": client.http.client.headers["x-api-key"]}
    async with asyncio.timeout(20), connect(url, additional_headers=key) as socket:

        async def said(number: int, method: str, **params: Any) -> dict[str, Any]:
            await socket.send(orjson.dumps({"id": number, "method": method, "params": params}).decode())
            while (message := orjson.loads(await socket.recv())).get("id") != number:
                pass
            return dict(message)

        subscribed = (await said(1, "subscription.subscribe", channels=["lifecycle"]))["result"]
        await said(2, "run.start", assistant_id="echo", input=QUESTION)
        while not ends("completed")(orjson.loads(await socket.recv())):
            pass
        gone = await said(3, "subscription.unsubscribe", subscription_id=subscribed["subscription_id"])
        again = await said(4, "subscription.unsubscribe", subscription_id=subscribed["subscription_id"])
        unknown = await said(5, "subscription.subscribe", channels=["nothing"])
        await socket.send("no JSON")
        broken = orjson.loads(await socket.recv())

    assert gone["type"] == "success"
    assert again["error"] == "no_such_subscription"
    assert (unknown["error"], broken["error"], broken["id"]) == ("invalid_argument", "invalid_argument", None)
