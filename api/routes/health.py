"""Whether this process, its database and its bank are there."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from api.auth import TheEngine
from api.bootstrap import Engine
from api.errors import responses
from api.strict import StrictRoute
from tools.rules import account_numbers


def model_of(engine: Engine) -> str:
    """The language model's name; off: none is configured."""
    return "off" if engine.model is None else engine.model.name


class Ok(BaseModel):
    ok: Literal[True] = True


class Health(BaseModel):
    """`model` names the language model. While it is off free text is refused, and everything else works."""

    database: Literal["up"] = "up"
    bank: Literal["up", "away"]
    model: str = "off"
    account_number_checksums: str = "on"


def router() -> APIRouter:
    routes = APIRouter(tags=["health"], responses=responses(422), route_class=StrictRoute)

    @routes.get("/ok")
    async def ok() -> Ok:
        """This process answers."""
        return Ok()

    @routes.get("/health", responses=responses(503))
    async def health(engine: TheEngine) -> Health:
        """503 if the database is away; a bank that is away is told, since runs wait for it."""
        async with engine.pool.connection() as conn:
            await conn.execute("SELECT 1")
        checksums = "on" if account_numbers.has_check_digits() else account_numbers.OFF
        bank: Literal["up", "away"] = "up" if await engine.bank.is_up() else "away"
        return Health(bank=bank, model=model_of(engine), account_number_checksums=checksums)

    return routes
