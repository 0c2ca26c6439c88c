"""What an agent may read of clients of the wealth family: who they are, and their suitability profiles."""

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from db.actor import Role
from tools import clients
from tools.clients import Client, StoredProfile
from tools.operation import READ, Caller, Input, operation


class OfClient(Input):
    client_id: Annotated[str, Field(max_length=64)]


@operation(READ)
async def get_client(caller: Caller, wanted: OfClient) -> Client:
    """A client with their latest risk profile."""
    async with caller.pool.connection() as conn:
        return await clients.get(conn, caller.actor, wanted.client_id)


@operation(READ)
async def list_client_profiles(caller: Caller, wanted: OfClient) -> list[StoredProfile]:
    """All versions of a client's suitability profile, the latest first. Agents are not told answers and reasons."""
    async with caller.pool.connection() as conn:
        found = await clients.profiles(conn, caller.actor, wanted.client_id)
    if caller.actor.sees_whole_tenant or Role.AGENT not in caller.actor.roles:
        return list(found)
    return [replace(one, answers=None, assessment=None, score=None) for one in found]
