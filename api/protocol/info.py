"""What kind of server this is, as LangGraph's Studio and SDK ask."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from api.auth import TheEngine
from api.routes.health import model_of


class Info(BaseModel):
    """`flags` are what LangGraph's own server says of itself; none of its hosted services is here. `model` is the
    language model's name, or `off`."""

    version: str
    langgraph_py_version: str
    flags: dict[str, bool]
    host: dict[str, Any]
    model: str


def router() -> APIRouter:
    routes = APIRouter(tags=["health"])

    @routes.get("/info")
    async def info(engine: TheEngine) -> Info:
        """Versions and abilities."""
        return Info(
            version=version("countersign"),
            langgraph_py_version=version("langgraph"),
            flags={
                "assistants": True,
                "crons": True,
                "langsmith": False,
                "langsmith_tracing_replicas": False,
            },
            host={"kind": "self-hosted", "project_id": None, "revision_id": None, "tenant_id": None},
            model=model_of(engine),
        )

    return routes
