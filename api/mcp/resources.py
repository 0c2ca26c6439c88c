"""Cases and their letters as resources."""

import asyncio
import re
from base64 import b64encode
from uuid import UUID

import orjson
from mcp_types import (
    BlobResourceContents,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from api.mcp import cases
from api.mcp.agent import Agent
from db import threads
from db.errors import NotFound
from tools import case_records
from tools.case_operations import WantedCases, get_case, list_cases
from tools.letter_facts import read_creditor, read_facts
from tools.letters import write_letter
from tools.letters_pdf import letter_pdf

CASE = "countersign://cases/{thread_id}"
LETTER = CASE + "/letters/{letter_id}"
_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_URI = re.compile(rf"countersign://cases/({_ID})(?:/letters/({_ID})(\.pdf)?)?")
_JSON, _TEXT, _PDF = "application/json", "text/plain", "application/pdf"


async def list_resources(agent: Agent, wanted: PaginatedRequestParams | None) -> ListResourcesResult:
    """The newest cases; how to find the letters of each is a template."""
    newest = await list_cases.act(agent.caller, WantedCases(limit=50))
    return ListResourcesResult(
        resources=[
            Resource(
                uri=CASE.format(thread_id=line.thread_id),
                name=f"{line.workflow} {line.thread_id}",
                description=f"{line.stands}{f', outcome {line.outcome}' if line.outcome else ''}",
                mime_type=_JSON,
            )
            for line in newest
        ]
    )


async def list_templates(agent: Agent, wanted: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
    return ListResourceTemplatesResult(
        resource_templates=[
            ResourceTemplate(uri_template=CASE, name="case", description="How a case stands", mime_type=_JSON),
            ResourceTemplate(uri_template=LETTER, name="letter", description="A case's letter", mime_type=_TEXT),
            ResourceTemplate(
                uri_template=f"{LETTER}.pdf", name="letter as PDF", description="As it was sent", mime_type=_PDF
            ),
        ]
    )


async def read_resource(agent: Agent, wanted: ReadResourceRequestParams) -> ReadResourceResult:
    """Raises NotFound."""
    uri = str(wanted.uri)
    found = _URI.fullmatch(uri)
    if found is None:
        raise NotFound("resource", uri)
    thread_id, letter_id = UUID(found[1]), found[2]
    if letter_id is None:
        case = get_case.output.dump_python(await cases.case_of(agent, thread_id), mode="json")
        text = TextResourceContents(uri=uri, mime_type=_JSON, text=orjson.dumps(case).decode())
        return ReadResourceResult(contents=[text])
    async with agent.engine.pool.connection() as conn:
        await threads.get(conn, agent.actor, thread_id)
        stored = await case_records.letter(conn, agent.actor.tenant_id, thread_id, UUID(letter_id))
    if found[3] is None:
        return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type=_TEXT, text=stored.body)])
    letter = write_letter(read_facts(stored.kind, stored.facts), read_creditor(stored.creditor))
    blob = b64encode(await asyncio.to_thread(letter_pdf, letter)).decode()
    return ReadResourceResult(contents=[BlobResourceContents(uri=uri, mime_type=_PDF, blob=blob)])
