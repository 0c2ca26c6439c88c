"""LangChain's client of OpenAI's protocol, but for links: whoever watches is told none that a model made up.

Imported by nobody but a process that asks a model, since LangChain's takes seconds.
"""

from collections.abc import AsyncIterator
from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI

from tools.rules.links import Withholding


class LinklessChat(ChatOpenAI):
    """Of each part all is told but its last word, until that is known whole. What has no watcher stays as it is."""

    async def _astream(self, *args: Any, told: bool = True, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        if not told:
            async for chunk in super()._astream(*args, **kwargs):
                yield chunk
            return
        withheld = Withholding()
        # Its own callbacks would be told the parts as they came.
        async for chunk in super()._astream(*args, **kwargs | {"run_manager": None}):
            over = bool((chunk.generation_info or {}).get("finish_reason"))
            text = withheld.told(chunk.text) + (withheld.rest() if over else "")
            if text != chunk.text:
                message = chunk.message.model_copy(update={"content": text})
                chunk = ChatGenerationChunk(message=message, generation_info=chunk.generation_info)
            yield chunk
        if rest := withheld.rest():
            yield ChatGenerationChunk(message=AIMessageChunk(content=rest))
