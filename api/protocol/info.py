"""What kind of server this is, as LangGraph's Studio and SDK ask."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel


class Info(BaseModel):
    """`flags` are what LangGraph's own server says of itself; none of its hosted services is here."""

    version: str
    langgraph_py_version: str
    flags: dict[str, bool]
    host: dict[str, Any]


def router() -> APIRouter:
    routes = APIRouter(tags=["health"])

    @routes.get("/info")
    async def info() -> Info:
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
        )

    return routes
