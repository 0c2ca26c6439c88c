"""What a workflow that converses asks of its messages' acceptance; on all others nothing here acts."""

from typing import Any

from db.actor import Actor, Role
from db.canonical import sha256_hex
from db.errors import Forbidden, InvalidInput
from db.threads import Thread
from graphs.workflow import Workflow
from tools.model import OFF, Model


def refuse_unless_possible(model: Model | None, workflow: Workflow, actor: Actor) -> None:
    """Raises Forbidden to agents, whose words are no person's, and InvalidInput where nobody would answer."""
    if not workflow.converses:
        return
    if Role.AGENT in actor.roles:
        raise Forbidden("a conversation is a person's; agents call operations and start workflows themselves")
    if model is None:
        raise InvalidInput("messages", f"{OFF.detail}, so nobody would answer; workflows start from structured input")


def refuse_others(thread: Thread, actor: Actor) -> None:
    """Raises Forbidden to all but whoever began it: in it is done what they may, and believed what they typed."""
    if thread.started_by != actor.person:
        raise Forbidden("only whoever began this conversation goes on with it")


def on_record(workflow: Workflow, given: Any) -> Any:
    """What the audit chain keeps of an input: of a talk its hash, since the chain cannot forget."""
    if not workflow.converses or given is None:
        return given
    return {"messages": len(given["messages"]), "sha256": sha256_hex(given["messages"])}
