"""A portfolio review's steps: what is held, what it comes to, what the rule recommends, what the client is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import uuid5

from db.errors import ProfileNotInForce
from tools import client_tasks, clients, holdings, portfolio_facts, portfolio_records
from tools.bank_custody import Instrument, read_instruments
from tools.client_tasks import NewTask
from tools.context import Context
from tools.holdings import HoldingsUnusable
from tools.portfolio_facts import Wanted
from tools.portfolio_records import NewReview
from tools.portfolio_request import accounts_of
from tools.portfolio_suitability import findings
from tools.rules import model_portfolios, portfolio_advice, portfolio_figures
from tools.rules.investor import InvestorProfile
from tools.rules.model_portfolios import NothingSuits
from tools.rules.performance import NoReturn
from tools.rules.plain import from_plain
from tools.rules.portfolio_advice import ProfileStanding, advise
from tools.rules.portfolio_facts import ModelClass, ModelHoldings, ModelPart
from tools.rules.risk_profile import RiskProfile
from tools.rules.suitability_limits import limits_in_force

AGENT = "adviser"
"""Whose task it is that a recommendation makes."""


@dataclass(frozen=True, slots=True)
class Standing:
    profile: ProfileStanding
    investor: InvestorProfile | None


async def review(context: Context, state: Mapping[str, Any]) -> dict[str, Any]:
    """Reads, computes and keeps, once; what the case goes on with. Raises HoldingsUnusable."""
    kept = await portfolio_records.summary(context)
    if kept is not None:
        return kept
    request, today = state["request"], context.now().date()
    standing = await standing_of(context, state["client"], today)
    accounts = await accounts_of(context.bank, request["client_id"], request["custody_accounts"])
    instruments = {one.instrument_id: one for one in await read_instruments(context.bank)}
    since = date.fromisoformat(request["since"]) if request["since"] else today - timedelta(days=365)
    if since >= today:
        raise HoldingsUnusable("no_period", f"the period is to begin on {since}, which is not before today")
    wanted = Wanted(request["client_id"], accounts, since, context.now(), instruments)
    model = _model(standing.investor, instruments)
    facts = await portfolio_facts.read_facts(context.bank, wanted, model)
    try:
        found = portfolio_figures.figures(facts)
    except NoReturn as exc:
        raise HoldingsUnusable(exc.code, str(exc)) from exc
    judged = findings(facts, found, standing.profile, standing.investor, today)
    versions = [portfolio_figures.VERSION, portfolio_advice.VERSION, limits_in_force(today).version]
    new = NewReview(
        client_id=request["client_id"],
        facts=facts,
        figures=found,
        profile=standing.profile,
        findings=judged,
        recommendations=advise(found, judged, standing.profile, today),
        rule_versions=versions if model is None else [*versions, model.version],
    )
    return await portfolio_records.store(context, new)


async def standing_of(context: Context, client: Mapping[str, Any], on: date) -> Standing:
    """What is known of the client's profile today, and the investor that the portfolio is compared with."""
    async with context.pool.connection() as conn:
        try:
            found = await clients.profile_in_force(conn, context.tenant_id, client["client_id"], on)
        except ProfileNotInForce as exc:
            return Standing(_not_in_force(exc.reason, client["risk_profile"]), None)
    profile = ProfileStanding(
        "in_force", found.investor.risk_profile, found.version, found.assessed_on, found.valid_until
    )
    return Standing(profile, found.investor)


async def hand_to_adviser(context: Context, state: Mapping[str, Any]) -> str | None:
    """A task for what is recommended; None if nothing is. Again makes no second one."""
    wanted = [each for each in state["proposed"] if each["action"] != "none"]
    if not wanted:
        return None
    task_id = uuid5(context.thread_id, "recommendations")
    payload = {
        "objective": "act on a portfolio review",
        "review_thread_id": str(context.thread_id),
        "recommendations": wanted,
    }
    await client_tasks.hand_out(context, NewTask(task_id, state["client"]["client_id"], AGENT, payload))
    return str(task_id)


def _model(investor: InvestorProfile | None, instruments: Mapping[str, Instrument]) -> ModelHoldings | None:
    """None where there is no profile in force, or nothing in a class suits the client."""
    if investor is None:
        return None
    document = model_portfolios.shipped()
    try:
        targets = model_portfolios.targets(
            document, investor, holdings.as_offered(instruments), {one.currency for one in instruments.values()}
        )
    except NothingSuits:
        return None
    return ModelHoldings(
        version=document.version,
        classes=tuple(ModelClass(each.asset_class, each.weight_bps, each.band_bps) for each in targets.classes),
        parts=tuple(
            ModelPart(part.instrument_id, part.weight_bps) for each in targets.classes for part in each.instruments
        ),
    )


def _not_in_force(reason: str, declared: RiskProfile) -> ProfileStanding:
    return from_plain(ProfileStanding, {"state": reason, "risk_profile": declared})
