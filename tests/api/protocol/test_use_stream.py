"""What the `useStream` hook and Agent Chat UI send from a browser's page, and what they read of the answers."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.service import Service, service

PAGE = "https://chat.example.com"
MODES = ["values", "messages-tuple", "updates", "custom"]
Told = list[tuple[str, str, Any]]
"""Events: id, name, data."""


@pytest.fixture(scope="module")
def own_graphs(own_graphs: Path) -> Path:
    shutil.copy(Path(__file__).with_name("chat_graphs.py"), own_graphs.parent)
    file = orjson.loads(own_graphs.read_bytes())
    file["graphs"] |= {name: f"./chat_graphs.py:{name}" for name in ("chatting", "team")}
    own_graphs.write_bytes(orjson.dumps(file))
    return own_graphs


@pytest.fixture(scope="module")
def countersign(
    module_database_url: str, own_graphs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """With one origin allowed."""
    home = tmp_path_factory.mktemp("home")
    allowed = {"COUNTERSIGN_CONFIG": str(own_graphs), "COUNTERSIGN_CORS_ORIGINS": f"https://studio.example, {PAGE}"}
    with service(module_database_url, home, **allowed) as served:
        yield served


@pytest.fixture
def page(countersign: Service) -> httpx.Client:
    """A page's requests, with a client's key."""
    client = countersign.client("client")
    client.headers["Origin"] = PAGE
    return client


def saying(text: str, message_id: str) -> dict[str, Any]:
    return {"messages": [{"id": message_id, "type": "human", "content": text}]}


def submitted(page: httpx.Client, thread_id: str, given: Any, **options: Any) -> tuple[httpx.Headers, Told]:
    """As `submit` does; fields that are undefined in the page are not sent."""
    body = {
        "input": given,
        "assistant_id": "chatting",
        "stream_mode": MODES,
        "stream_resumable": True,
        "on_disconnect": "continue",
        "multitask_strategy": "interrupt",
    }
    with page.stream("POST", f"/threads/{thread_id}/runs/stream", json=body | options) as answer:
        text = "".join(answer.iter_text())
    assert answer.status_code == 200, text
    return answer.headers, told(text)


def told(text: str) -> Told:
    found = re.findall(r"^id: (\S+)\nevent: (\S+)\ndata: (.*)$", text, re.MULTILINE)
    return [(number, event, orjson.loads(data)) for number, event, data in found]


def test_page_learns_which_run_it_started_and_rejoins_it(page: httpx.Client) -> None:
    thread_id = page.post("/threads", json={}).json()["thread_id"]
    headers, first = submitted(page, thread_id, saying("so it is", "u1"))
    readable = headers["access-control-expose-headers"].lower()
    run = re.search(r"(\/threads\/(?P<thread>.+))?\/runs\/(?P<run>.+)", headers["content-location"])

    assert run is not None
    assert run["thread"] == thread_id
    assert {"content-location", "location"} <= {name.strip() for name in readable.split(",")}
    assert headers["access-control-allow-origin"] == PAGE
    for last, expected in (("-1", first), (first[2][0], first[3:])):
        params = {"cancel_on_disconnect": "0", "stream_mode": MODES}
        with page.stream("GET", headers["location"], params=params, headers={"Last-Event-ID": last}) as again:
            assert told("".join(again.iter_text())) == expected


def test_what_is_said_is_told_in_chunks_with_where_it_is_said(page: httpx.Client) -> None:
    thread_id = page.post("/threads", json={}).json()["thread_id"]
    _, events = submitted(page, thread_id, saying("so it is", "u1"))

    chunks = [data for _, event, data in events if event == "messages"]
    spoken = [message for message, _ in chunks]
    assert {message["type"] for message in spoken} == {"AIMessageChunk"}
    assert len({message["id"] for message in spoken}) == 1
    assert [message["content"] for message in spoken] == ["so ", "it ", "is "]
    assert {"langgraph_node", "langgraph_step", "langgraph_checkpoint_ns", "thread_id"} <= set(chunks[0][1])
    values = [data for _, event, data in events if event == "values"]
    assert [message["content"] for message in values[-1]["messages"]] == ["so it is", "so it is "]


def test_whole_messages_are_told_as_far_as_they_are_known(page: httpx.Client) -> None:
    thread_id = page.post("/threads", json={}).json()["thread_id"]
    _, events = submitted(page, thread_id, saying("so it is", "u1"), stream_mode=["messages"])

    names = [event for _, event, _ in events if event.startswith("messages")]
    partial = [data[0]["content"] for _, event, data in events if event == "messages/partial"]
    assert names[0] == "messages/metadata"
    assert partial == ["so ", "so it ", "so it is "]


def test_history_is_what_branches_are_made_of(page: httpx.Client) -> None:
    thread_id = page.post("/threads", json={}).json()["thread_id"]
    submitted(page, thread_id, saying("one", "u1"))
    submitted(page, thread_id, saying("two", "u2"))
    history = page.post(f"/threads/{thread_id}/history", json={"limit": 10}).json()

    head = history[0]
    assert [message["content"] for message in head["values"]["messages"]] == ["one", "one ", "two", "two "]
    by_id = {state["checkpoint"]["checkpoint_id"]: state for state in history}
    assert all(set(state["checkpoint"]) >= {"thread_id", "checkpoint_ns", "checkpoint_id"} for state in history)
    assert all(state["parent_checkpoint"]["checkpoint_id"] in by_id for state in history[:-1])
    (first,) = [s for s in history if s["metadata"]["step"] == 1 and s["next"] == []]
    fork = {key: value for key, value in first["checkpoint"].items() if key != "thread_id"}
    _, events = submitted(page, thread_id, saying("other", "u3"), checkpoint=fork)
    assert [message["content"] for message in events[-1][2]["messages"]] == ["one", "one ", "other", "other "]


def test_question_is_answered_from_the_page(page: httpx.Client) -> None:
    thread_id = page.post("/threads", json={}).json()["thread_id"]
    _, asked = submitted(page, thread_id, saying("hello", "u1"), assistant_id="team", stream_subgraphs=True)
    state = page.get(f"/threads/{thread_id}/state").json()
    head = {key: value for key, value in state["checkpoint"].items() if key != "thread_id"}
    resume = {"command": {"resume": "well done"}, "checkpoint": head, "assistant_id": "team", "stream_subgraphs": True}

    _, answered = submitted(page, thread_id, None, **resume)

    (question,) = next(data["__interrupt__"] for _, event, data in reversed(asked) if "__interrupt__" in data)
    assert question["value"] == {"say": "hello"}
    assert [task["interrupts"][0]["id"] for task in state["tasks"]] == [question["id"]]
    inner = [data[0]["content"] for _, event, data in answered if event.startswith("messages|member:")]
    assert inner == ["well ", "done "]
    assert answered[-1][1] == "values"


def test_run_is_stopped_from_the_page(page: httpx.Client) -> None:
    thread_id = page.post("/threads", json={}).json()["thread_id"]
    body = {"assistant_id": "sleeping", "input": {"seconds": 60}, "stream_mode": MODES, "stream_resumable": True}
    with page.stream("POST", f"/threads/{thread_id}/runs/stream", json=body) as answer:
        page.post(f"{answer.headers['content-location']}/cancel?wait=0&action=interrupt", json={}).raise_for_status()
        events = told("".join(answer.iter_text()))

    assert events[-1][1:] == ("error", {"error": "UserInterrupt", "message": "the run was cancelled"})


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/info"), ("POST", "/threads"), ("POST", "/threads/x/runs/stream"), ("POST", "/threads/x/commands")],
)
def test_browser_may_send_what_the_page_needs(countersign: Service, method: str, path: str) -> None:
    asked = {
        "Origin": PAGE,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "content-type,x-api-key,authorization,last-event-id,x-auth-scheme",
    }
    answer = httpx.options(f"{countersign.url}{path}", headers=asked)

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert method in answer.headers["access-control-allow-methods"]
    granted = {name.strip() for name in answer.headers["access-control-allow-headers"].lower().split(",")}
    assert {"content-type", "x-api-key", "authorization", "last-event-id", "x-auth-scheme"} <= granted
    assert "access-control-allow-credentials" not in answer.headers


def test_other_pages_may_read_nothing(countersign: Service) -> None:
    for origin in ("https://evil.example", "https://chat.example.com.evil.example", "null"):
        answer = httpx.get(f"{countersign.url}/info", headers={"Origin": origin})
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}

        assert "access-control-allow-origin" not in answer.headers
        assert httpx.options(f"{countersign.url}/threads", headers=asked).status_code == 400


def test_page_can_read_why_it_was_refused(page: httpx.Client) -> None:
    refused = page.post("/threads/no-uuid/runs/stream", json={})

    assert refused.status_code == 422
    assert refused.headers["access-control-allow-origin"] == PAGE
