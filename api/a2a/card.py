"""What this agent is and can do: each workflow is a skill, told with the schema of its input."""

import json
from typing import Any

from a2a.types import AgentCard
from a2a.utils.constants import PROTOCOL_VERSION_CURRENT, TransportProtocol
from google.protobuf.json_format import ParseDict

from db.actor import Actor, Role
from graphs import WORKFLOWS
from graphs.workflow import Workflow

PATH = "/a2a"
JSON = "application/json"
DESCRIPTION = """Starts cases of banking, lending and wealth, and tells how they stand. Agents propose, rules decide,
people countersign: what a person must check is no agent's to answer. Send one data part: {"skill": …, "input": {…}}.
The message's id is the case's key: the same message sent again starts nothing. A task that needs input names the
review, the hash of what is shown, and the form; answer on the same task with {"review_id": …, "payload_sha256": …,
"answer": {…}}."""


def skills_of(roles: frozenset[str]) -> dict[str, Workflow]:
    """By their ids, those that keys of these roles may start. A conversation is held with people."""
    open_to_all = Role.ADMIN in roles
    return {
        workflow.name: workflow
        for workflow in WORKFLOWS
        if not workflow.converses and (open_to_all or roles & workflow.may_start)
    }


def card(base_url: str, actor: Actor | None = None) -> AgentCard:
    """To an actor with the skills that their key may start; to the public with those that an agent's may."""
    roles = frozenset({str(Role.AGENT)}) if actor is None else frozenset(map(str, actor.roles))
    plain = {
        "name": "Countersign",
        "description": DESCRIPTION.replace("\n", " "),
        "version": "0.1.0",
        "documentationUrl": f"{base_url}/docs",
        "supportedInterfaces": [
            {
                "url": f"{base_url}{PATH}",
                "protocolBinding": TransportProtocol.JSONRPC.value,
                "protocolVersion": PROTOCOL_VERSION_CURRENT,
            }
        ],
        "capabilities": {"streaming": True, "pushNotifications": False, "extendedAgentCard": True},
        "securitySchemes": {"bearer": {"httpAuthSecurityScheme": {"scheme": "Bearer"}}},
        "securityRequirements": [{"schemes": {"bearer": {}}}],
        "defaultInputModes": [JSON],
        "defaultOutputModes": [JSON, "text/plain"],
        "skills": [_skill(workflow) for workflow in skills_of(roles).values()],
    }
    told: AgentCard = ParseDict(plain, AgentCard())
    return told


def _skill(workflow: Workflow) -> dict[str, Any]:
    schema = workflow.input.model_json_schema()
    examples = [json.dumps({"skill": workflow.name, "input": one}) for one in schema.get("examples", ())[:1]]
    return {
        "id": workflow.name,
        "name": workflow.name.replace("_", " "),
        "description": f"{workflow.summary}. Input by this JSON schema: {json.dumps(schema, separators=(',', ':'))}",
        "tags": [workflow.family],
        "examples": examples,
    }
