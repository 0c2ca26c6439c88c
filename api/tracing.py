"""Nothing of a case goes to a tracing service, unless COUNTERSIGN_ALLOW_TRACING says so.

LangChain reports every run, with all that goes in and comes out, to LangSmith as soon as one variable is set, which
shells and containers of its users often have; another variable sends its chat models' requests through LangSmith. So
what it reads is taken away and said, and the service starts: a stray variable of a shell is no fault to stop at.
"""

import logging
import os

import langsmith

SWITCHES = (
    "LANGSMITH_TRACING",
    "LANGSMITH_TRACING_V2",
    "LANGCHAIN_TRACING_V2",
    "LANGCHAIN_TRACING",
    "LANGCHAIN_HANDLER",
    "LANGSMITH_GATEWAY",
)
_OFF = ("", "0", "false", "no", "off")

_log = logging.getLogger(__name__)


def keep_to_ourselves(*, allowed: bool) -> None:
    """For this process and what it starts, whatever sets the variables again. Code may still trace on purpose."""
    if allowed:
        return
    found = [name for name in SWITCHES if os.environ.pop(name, "").strip().lower() not in _OFF]
    langsmith.configure(enabled=False)
    if found:
        _log.warning(
            "%s would send customers' data to a tracing service: ignored; COUNTERSIGN_ALLOW_TRACING=true allows it",
            ", ".join(found),
        )
