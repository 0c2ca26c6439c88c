"""What the three agents share: plain HTTP with a key, and the loop of whoever claims tasks of a kind by lease."""

import json
import os
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

URL = os.environ.get("COUNTERSIGN_URL", "http://127.0.0.1:8000").rstrip("/")
KEY = os.environ.get("COUNTERSIGN_KEY", "")
LEASE_S = int(os.environ.get("LEASE_S", "30"))
PAUSE_S = float(os.environ.get("PAUSE_S", "0"))
"""Between an agent's deed and its result: time to kill it where it would hurt most."""
POLL_S = 0.2
_http = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(method: str, path: str, body: Any = None, key: str = KEY, **headers: str) -> tuple[int, Any]:
    """Status and JSON. Tries again while there is no service: whatever is written here has an id, and happens once."""
    sent = None if body is None else json.dumps(body).encode()
    accept = "application/json, text/event-stream"
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Accept": accept} | headers
    while True:
        request = urllib.request.Request(URL + path, sent, headers, method=method)
        try:
            with _http.open(request, timeout=60) as answer:
                return answer.status, _json(answer.read())
        except urllib.error.HTTPError as exc:
            problem = _json(exc.read())
            if exc.code in (404, 409, 422):
                return exc.code, problem
            if exc.code != 503:
                raise SystemExit(f"{method} {path}: {exc.code} {problem}") from exc
        except OSError as exc:
            print(f"{URL} does not answer ({exc}); trying again", flush=True)
        time.sleep(1)


def _json(body: bytes) -> Any:
    """Of an answer, or of the one event that it is when a tool answers."""
    line = next((one for one in body.splitlines() if one.startswith(b"data: {")), body)
    return json.loads(line.removeprefix(b"data: ") or b"null")


def read(tool: str, **arguments: Any) -> Any:
    """What a tool of the MCP server tells, in one POST: what the bank has on the customers that the key is bound to."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    told = call("POST", "/mcp", message)[1]
    if "error" in told or told["result"].get("isError"):
        raise SystemExit(f"{tool}: {told}")
    return told["result"]["structuredContent"]


def next_id(task_id: str) -> str:
    """Of the task that follows on this one: the same, whoever hands it on."""
    return str(uuid.uuid5(uuid.UUID(task_id), "next"))


def work(kind: str, act: Callable[[dict[str, Any]], dict[str, Any]], hands_on_to: str | None = None) -> None:
    """For ever: claims the oldest task of the kind, acts, hands on what came of it, and gives it as the result.

    An agent that dies on the way loses its lease, and another one does all of it again. So whatever `act` writes has an
    id that follows from the task's.
    """
    while True:
        status, task = call("POST", "/tasks/claim", {"agent_name": kind, "lease_s": LEASE_S})
        if status == 204:
            time.sleep(POLL_S)
            continue
        print(f"{kind} {os.getpid()} claims {task['task_id']} (claim {task['claims']})", flush=True)
        result = act(task)
        if hands_on_to:
            result = _handed_on(task, hands_on_to, result)
        time.sleep(PAUSE_S)
        status, told = call(
            "POST", f"/tasks/{task['task_id']}/result", {"lease_token": task["lease_token"], "result": result}
        )
        said = result if status == 200 else told["detail"]
        print(f"{kind} {os.getpid()} {'completes' if status == 200 else 'lost'} {task['task_id']}: {said}", flush=True)


def _handed_on(task: dict[str, Any], kind: str, result: dict[str, Any]) -> dict[str, Any]:
    """What the next one was given: this, or what an agent gave it that died before it completed the task."""
    follows = {
        "task_id": next_id(task["task_id"]),
        "client_id": task["client_id"],
        "agent_name": kind,
        "payload": {"order": task["payload"].get("order", task["payload"]), "before": result},
    }
    status, told = call("POST", "/tasks", follows)
    if status == 409:
        status, told = call("GET", f"/tasks/{follows['task_id']}")
        return dict(told["payload"]["before"])
    return result
