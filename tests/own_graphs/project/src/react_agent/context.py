"""The agent's configuration."""

from dataclasses import dataclass


@dataclass(kw_only=True)
class Context:
    system_prompt: str = "You are a helpful assistant."
    max_search_results: int = 10
