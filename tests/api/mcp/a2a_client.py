"""A client of A2A's own SDK, and what these tests say with it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
from a2a.client import Client, ClientConfig, ClientFactory
from a2a.types import Message, SendMessageRequest, StreamResponse, Task, TaskState
from google.protobuf.json_format import MessageToDict, ParseDict

from tests.api.mcp.conftest import ELEANOR
from tests.service import Service
from tests.test_path_of_a_loan import APPLICATION

COMPLETED, INPUT_REQUIRED = TaskState.TASK_STATE_COMPLETED, TaskState.TASK_STATE_INPUT_REQUIRED


@asynccontextmanager
async def speaking(served: Service, key: str, *, streaming: bool = False) -> AsyncIterator[Client]:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=60) as http:
        factory = ClientFactory(ClientConfig(streaming=streaming, httpx_client=http))
        yield await factory.create_from_url(served.url)


def wanting(said: dict[str, Any], **more: str) -> SendMessageRequest:
    parts = [{"data": said, "mediaType": "application/json"}]
    message = {"messageId": uuid4().hex, "role": "ROLE_USER", "parts": parts} | more
    return SendMessageRequest(message=ParseDict(message, Message()))


def loan(**changes: Any) -> SendMessageRequest:
    return wanting({"skill": "loan_origination", "input": APPLICATION | ELEANOR | changes})


async def told(client: Client, wanted: SendMessageRequest) -> list[StreamResponse]:
    return [event async for event in client.send_message(wanted)]


async def task(client: Client, wanted: SendMessageRequest) -> Task:
    (one,) = await told(client, wanted)
    return one.task


def outcome(task: Task) -> str:
    return str(task.metadata["outcome"])


def asked_by(task: Task) -> dict[str, Any]:
    """Its one question: as data if it is the requester's, as a link if a person must check."""
    assert task.status.state == INPUT_REQUIRED, task
    _said, question = MessageToDict(task.status.message)["parts"]
    return dict(question)


def acceptance(offered: Task) -> dict[str, Any]:
    offer = asked_by(offered)["data"]
    return {"review_id": offer["review_id"], "payload_sha256": offer["payload_sha256"], "answer": {"accepted": True}}
