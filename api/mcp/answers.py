"""Answers of tools: as data, and as text for clients that know no other."""

from collections.abc import Mapping
from typing import Any

import orjson
from mcp_types import CallToolResult, TextContent

from tools.case_operations import CaseView, get_case


def answer(plain: Mapping[str, Any]) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=orjson.dumps(plain).decode())], structured_content=plain)


def case_answer(case: CaseView) -> CallToolResult:
    return answer(get_case.output.dump_python(case, mode="json"))
