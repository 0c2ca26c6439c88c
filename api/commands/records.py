"""`countersign keys` and `countersign audit`: what an operator reads and makes in the database itself."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from api import launcher
from api.settings import Settings
from db import audit, keys
from db.actor import Role
from db.errors import CountersignError
from db.keys import NewKey
from db.migrate import migrate
from db.pool import open_pool

keys_app = typer.Typer(no_args_is_help=True, help="API keys.")
audit_app = typer.Typer(no_args_is_help=True, help="The audit trail.")


@keys_app.command(name="create")
def create_key(
    role: Annotated[list[Role], typer.Option(help="may be given several times")],
    person: Annotated[str | None, typer.Option(help="who answers for what the key does; default: role@tenant")] = None,
    customer: Annotated[list[str] | None, typer.Option(help="of the bank, whose accounts it may read")] = None,
) -> None:
    """Makes a key and prints it; it cannot be read again."""
    settings = Settings()
    new = NewKey(settings.tenant, person or f"{role[0]}@{settings.tenant}", role, customer or ())
    with launcher.database(settings) as url:
        migrate(url)
        print(asyncio.run(made_key(url, new)))


@audit_app.command(name="verify")
def verify_audit() -> None:
    """Proves the tenant's audit chain, or names the first row that is not what was sealed."""
    settings = Settings()
    with launcher.database(settings) as url:
        length = asyncio.run(audit_chain(url, settings.tenant))
    Console().print(f"the chain of {length} rows holds")


async def made_key(database_url: str, new: NewKey) -> str:
    async with open_pool(database_url, max_size=1) as pool, pool.connection() as conn, conn.transaction():
        return await keys.create(conn, new)


async def revoke_key(database_url: str, made: NewKey, key: str) -> None:
    """Takes back a key that `made_key` gave out."""
    async with open_pool(database_url, max_size=1) as pool, pool.connection() as conn, conn.transaction():
        for known in await keys.all_of(conn, made.tenant_id):
            if known.person == made.person and key.startswith(known.prefix):
                await keys.revoke(conn, made.tenant_id, known.key_id)


async def audit_chain(database_url: str, tenant: str) -> int:
    """The length of the tenant's chain, all of it sealed. Raises CountersignError naming the row that breaks it."""
    async with open_pool(database_url, max_size=1) as pool, pool.connection() as conn:
        while await audit.seal(conn, tenant):
            pass
        broken = await audit.first_broken(conn, tenant)
        if broken is not None:
            raise CountersignError(f"audit row {broken} is not what was sealed")
        return await audit.length(conn, tenant)
