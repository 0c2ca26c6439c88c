"""What the agent can do."""

from langchain_core.tools import tool
from langgraph.runtime import get_runtime

from react_agent.context import Context


@tool
async def search(query: str) -> list[str]:
    """Search for results."""
    most = get_runtime(Context).context.max_search_results
    return [f"{query} {number}" for number in range(20)][:most]
