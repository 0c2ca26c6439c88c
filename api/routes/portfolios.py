"""Portfolio reviews as they are kept, and their reports as a page and a PDF."""

import asyncio
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from api.auth import Caller, TheEngine
from api.bootstrap import Engine
from api.errors import responses
from api.strict import StrictRoute
from db.actor import Actor
from tools import portfolio_records
from tools.portfolio_html import report_html
from tools.portfolio_pdf import report_pdf
from tools.portfolio_records import StoredReview
from tools.portfolio_report import Report

_ALONE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
"""The page loads nothing and runs nothing, whoever's words are in it."""


class PortfolioReviewView(BaseModel):
    """`figures` without their series, which the report draws. `findings`, `profile` and `adviser` are staff's."""

    thread_id: UUID
    client_id: str
    as_of: date
    figures: dict[str, Any]
    recommendations: list[dict[str, Any]]
    message: str | None
    rule_versions: list[str]
    facts_sha256: str
    created_at: datetime
    published_at: datetime | None
    profile: dict[str, Any] | None
    findings: list[dict[str, Any]] | None
    adviser: str | None


def router() -> APIRouter:
    routes = APIRouter(
        prefix="/portfolio-reviews", tags=["wealth"], responses=responses(401, 422, 503), route_class=StrictRoute
    )

    @routes.get("")
    async def list_reviews(
        actor: Caller,
        engine: TheEngine,
        client_id: Annotated[str | None, Query(max_length=64)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[PortfolioReviewView]:
        """The newest first; clients see what is published. Start one at `/workflows/portfolio_review/threads`."""
        async with engine.pool.connection() as conn:
            found = await portfolio_records.search(conn, actor, client_id, limit)
        return [_shown(actor, each) for each in found]

    @routes.get("/{thread_id}", responses=responses(404))
    async def get_review(thread_id: UUID, actor: Caller, engine: TheEngine) -> PortfolioReviewView:
        return _shown(actor, await _found(engine, actor, thread_id))

    @routes.get("/{thread_id}/report.html", response_class=HTMLResponse, responses=responses(404))
    async def get_report(thread_id: UUID, actor: Caller, engine: TheEngine) -> HTMLResponse:
        """The published report as a page that loads nothing."""
        report = await _report(engine, actor, thread_id)
        return HTMLResponse(await asyncio.to_thread(report_html, report), headers=_ALONE)

    @routes.get(
        "/{thread_id}/report.pdf",
        response_class=Response,
        responses=responses(404) | {200: {"description": "The report", "content": {"application/pdf": {}}}},
    )
    async def get_report_pdf(thread_id: UUID, actor: Caller, engine: TheEngine) -> Response:
        report = await _report(engine, actor, thread_id)
        return Response(await asyncio.to_thread(report_pdf, report), media_type="application/pdf")

    return routes


async def _found(engine: Engine, actor: Actor, thread_id: UUID) -> StoredReview:
    async with engine.pool.connection() as conn:
        return await portfolio_records.get(conn, actor, thread_id)


async def _report(engine: Engine, actor: Actor, thread_id: UUID) -> Report:
    return portfolio_records.report_of(await _found(engine, actor, thread_id))


def _shown(actor: Actor, found: StoredReview) -> PortfolioReviewView:
    """To a client a rule's findings and its adviser's name are staff's own."""
    is_staff, told = actor.sees_whole_tenant, portfolio_records.summary_of(found)
    return PortfolioReviewView(
        thread_id=found.thread_id,
        client_id=found.client_id,
        as_of=found.as_of,
        figures=told["figures"],
        recommendations=found.recommendations,
        message=found.message,
        rule_versions=found.rule_versions,
        facts_sha256=found.facts_sha256,
        created_at=found.created_at,
        published_at=found.published_at,
        profile=found.profile if is_staff else None,
        findings=found.findings if is_staff else None,
        adviser=found.adviser if is_staff else None,
    )
