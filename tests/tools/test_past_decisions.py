"""Decisions that were stored come out again byte for byte, whatever came into force since; and what others would do."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat as uuids
from psycopg.types.json import Jsonb

from api.commands.backtest import Wanted, run_backtest
from api.settings import Settings
from db import threads
from db.canonical import sha256_hex
from db.errors import InvalidInput, NotFound, UnreadableDocument
from db.journal import Fence
from db.pool import Pool, open_pool
from db.threads import NewThread
from db.together import Together
from tests.tools.rules.trained_card import mapping_of, trained_document
from tools import lending, past_decisions, policy_documents
from tools.bank import Bank
from tools.context import Context
from tools.lending import NewDecision
from tools.letter_facts import DEMO_CREDITOR
from tools.past_decisions import Span
from tools.policy_shelf import PolicyShelf
from tools.rules import credit_policy
from tools.rules.affordability import Means
from tools.rules.application_fraud import FraudAssessment
from tools.rules.backtest import Again, Assumptions, Backtest
from tools.rules.card_facts import facts_scored, score_for
from tools.rules.credit_policy import Decision
from tools.rules.findings import CreditFacts
from tools.rules.money import MAX_MINOR
from tools.rules.plain import to_plain
from tools.rules.policies import policy_version
from tools.rules.policy_document import Policy
from tools.rules.pricing import LoanRequest, terms_at
from tools.rules.scorecard import ScorecardFacts, score
from tools.screening import screening_index

TENANT = "acme"
CHANGE = date(2026, 1, 1)
FENCE = Fence(uuids.uuid7(), 1)
NOW = policy_version("2026-01")
LAXER = {"automatic_score_band", "history_months", "accounts_open", "automatic_amount_minor"}
EVER = Span(TENANT, datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with open_pool(database_url, max_size=2) as pool:
        async with pool.connection() as conn:
            await conn.execute("INSERT INTO tenants (tenant_id) VALUES (%s)", (TENANT,))
        yield pool


def some_facts(random: Random) -> CreditFacts:
    """An applicant of any kind, on some day around the change of policy."""
    file = ScorecardFacts(
        delinquencies_24m=random.choice((0, 0, 0, 0, 0, 1, 4)),
        worst_days_past_due_24m=random.choice((0, 0, 0, 15, 45, None)),
        utilisation_bps=random.choice((None, random.randrange(10_000))),
        inquiries_6m=random.randrange(7),
        oldest_account_months=random.randrange(200),
        accounts_open=random.randrange(1, 9),
        public_records=random.choice((0, 0, 0, 0, 1)),
        collections=random.choice((0, 0, 0, 0, 0, 2)),
        bankruptcies=0,
        employment_status=random.choice(("employed", "employed", "retired", "unemployed")),
        employment_months=random.randrange(120),
        housing_status=random.choice(("own", "rent")),
    )
    on = CHANGE + timedelta(days=random.randrange(-30, 30))
    request = LoanRequest(random.randrange(500_00, 40_000_00), "USD", random.randrange(6, 73), on, on + timedelta(31))
    means = Means(random.randrange(2_000_00, 9_000_00), random.randrange(800_00), random.randrange(1_500_00))
    purpose = random.choice(("car", "car", "other", "other", "gambling", None))
    known = random.random() > 0.1
    scored = score(file if known else ScorecardFacts())
    return CreditFacts(
        on, purpose, request, means, file if known else None, scored, FraudAssessment("2026-01", 0, "clear", ())
    )


Decide = Callable[[Policy, CreditFacts], Awaitable[UUID]]


@pytest.fixture
async def decide(pool: Pool) -> AsyncIterator[Decide]:
    """Decides a case, and stores the decision as its node stores it."""
    bank, screening = Bank("http://127.0.0.1:9", "never called"), screening_index(None)

    async def decided(policy: Policy, facts: CreditFacts) -> UUID:
        thread_id: UUID = uuids.uuid7()
        async with pool.connection() as conn:
            await threads.create(conn, NewThread(thread_id, TENANT, "loan_origination", "1", "ada", {}))
        made = credit_policy.decide(facts, policy)
        context = Context(
            TENANT, thread_id, FENCE, "ada", pool, bank, DEMO_CREDITOR, lambda: datetime.now(UTC), screening
        )
        new = NewDecision(made.outcome, policy.version, to_plain(facts), to_plain(made))
        await lending.store_decision(context, new)
        return thread_id

    yield decided
    await bank.aclose()


async def approve(pool: Pool, policy: Policy) -> None:
    """In force from a day gone by, as only a test can have it."""
    await store(pool, "credit_policy", to_plain(policy), policy.in_force_from)


async def store(pool: Pool, kind: str, plain: dict[str, Any], in_force_from: date | None) -> None:
    async with pool.connection() as conn:
        await conn.execute(
            """
            INSERT INTO policy_documents (tenant_id, kind, version, in_force_from, document, sha256, status, note,
                                          proposed_by, decided_by, decided_at, reason)
            VALUES (%s, %s, %s, %s, %s, %s, 'approved', 'note', 'olga', 'otto', now(), 'reason')
            """,
            (TENANT, kind, plain["version"], in_force_from, Jsonb(plain), sha256_hex(plain)),
        )


def backtest(database_url: str, policy: str | None, scorecard: str | None = None) -> Backtest:
    settings = Settings(DATABASE_URL=database_url, COUNTERSIGN_TENANT=TENANT)
    return run_backtest(settings, Wanted(policy, scorecard, None, None, Assumptions()))


async def test_a_thousand_decisions_replay_byte_for_byte_across_a_change_of_policy(pool: Pool, decide: Decide) -> None:
    """The hand-set card before, a trained one after. The decisions are made and stored as their node does it, without
    the thousand runs."""
    random, document = Random(5), trained_document()
    new = replace(policy_version("2025-07"), version="own", in_force_from=CHANGE, scorecard=document.version)
    await approve(pool, replace(new, mappings=(mapping_of(document),)))
    await store(pool, "scorecard", to_plain(document), None)
    shelf, used, ask = PolicyShelf(), set(), Together(pool).ask
    in_force: dict[date, Policy] = {}
    for _ in range(1000):
        facts = some_facts(random)
        if facts.on not in in_force:
            in_force[facts.on] = await shelf.in_force(pool, ask, TENANT, facts.on)
        policy = in_force[facts.on]
        card = await shelf.scorecard(pool, TENANT, policy.scorecard)
        used.add((policy.version, card.version))
        await decide(policy, replace(facts, score=score_for(policy, card, facts_scored(facts))))

    fresh, faults, replayed = PolicyShelf(), [], 0
    async for past in past_decisions.by_policy(pool, EVER):
        faults += await past_decisions.faults_of(pool, fresh, TENANT, past)
        replayed += 1

    assert used == {("2025-07", "2026-01"), ("own", document.version)}
    assert (replayed, faults) == (1000, [])


async def test_decision_that_was_tampered_with_does_not_replay(pool: Pool, decide: Decide) -> None:
    thread_id = await decide(policy_version("2026-01"), some_facts(Random(1)))
    async with pool.connection() as conn:
        await conn.execute("""UPDATE credit_decisions SET decision = decision || '{"price_band": "Z"}'""")
    (altered,) = await past_decisions.of_thread(pool, TENANT, thread_id)
    async with pool.connection() as conn:
        await conn.execute("""UPDATE credit_decisions SET facts = facts || '{"purpose": "yacht"}'""")
    (other_facts,) = await past_decisions.of_thread(pool, TENANT, thread_id)

    shelf = PolicyShelf()
    assert await past_decisions.faults_of(pool, shelf, TENANT, altered) == ["another decision: price_band"]
    assert "SHA-256" in (await past_decisions.faults_of(pool, shelf, TENANT, other_facts))[0]


async def test_same_policy_swaps_nobody_and_another_swaps_whom_it_should(
    pool: Pool, decide: Decide, database_url: str
) -> None:
    """Of 36 cases a third is offered a loan. The stricter policy refers bands B and C too, the laxer no band, thin
    file or amount."""
    now, random = policy_version("2026-01"), Random(3)
    cases: dict[str, tuple[CreditFacts, Decision]] = {}
    kinds: Counter[str] = Counter()
    while len(cases) < 36:
        facts = some_facts(random)
        made = credit_policy.decide(facts, now)
        kind = "offered" if made.outcome in ("approve", "counter_offer") else made.outcome
        kinds[kind] += 1
        if kinds[kind] <= 12:
            cases[str(await decide(now, facts))] = (facts, made)
    strict = replace(now.referrals, bands=("B", "C", "D"))
    lax = replace(now.referrals, bands=(), min_history_months=0, min_accounts=0, amount_above_minor=MAX_MINOR)
    await approve(pool, replace(now, version="stricter", in_force_from=CHANGE, referrals=strict))
    await approve(pool, replace(now, version="laxer", in_force_from=CHANGE + timedelta(days=1), referrals=lax))

    same = await asyncio.to_thread(backtest, database_url, "2026-01")
    stricter = await asyncio.to_thread(backtest, database_url, "stricter")
    laxer = await asyncio.to_thread(backtest, database_url, "laxer")
    rescored = await asyncio.to_thread(backtest, database_url, None, "2026-01")

    lost = {
        t for t, (f, made) in cases.items() if made.outcome in ("approve", "counter_offer") and f.score.band in "BC"
    }
    won = {t for t, (_, made) in cases.items() if made.refer_reasons and set(made.refer_reasons) <= LAXER}
    assert (same.cases, same.identical, same.swap_ins, same.swap_outs) == (36, 36, [], [])
    assert (rescored.identical, rescored.after) == (36, rescored.before)
    assert same.before == same.after
    assert same.before["USD"].offered == 12
    assert 0 < len(lost) < 12
    assert ({swap.case for swap in stricter.swap_outs}, stricter.swap_ins) == (lost, [])
    assert stricter.after["USD"].loss_minor < stricter.before["USD"].loss_minor
    assert ({swap.case for swap in laxer.swap_ins}, laxer.swap_outs) == (won, [])
    assert won
    assert sum(segment.cases for (name, _), segment in laxer.segments.items() if name == "purpose") == 36


def test_expected_loss_is_pd_times_lgd_times_principal() -> None:
    """At 700 points, one doubling above 650: 30 good to 1 bad, 3.23 %; of 10,000.00, 65 % of that."""
    given, tally = Assumptions(), Backtest(Assumptions())
    facts = some_facts(Random(8))
    facts = replace(
        facts,
        score=replace(facts.score, points=700),
        request=replace(facts.request, principal_minor=10_000_00, term_months=36),
    )
    made = credit_policy.decide(facts, policy_version("2026-01"))
    offered = replace(made, outcome="approve", terms=terms_at(NOW, NOW.prices[0], facts.request))

    bad = given.bad_bps(facts.score)
    tally.add(Again("case", facts, offered, facts.score, replace(offered, outcome="refer"), bad))

    assert bad == 323
    assert tally.before["USD"].loss_minor == 209_95
    assert tally.after == {}


async def test_policy_that_is_stored_and_cannot_be_read_stops_the_decision(pool: Pool) -> None:
    good = replace(policy_version("2026-01"), version="broken", in_force_from=CHANGE)
    await approve(pool, good)
    async with pool.connection() as conn:
        await conn.execute("ALTER TABLE policy_documents DISABLE TRIGGER policy_documents_stay")
        await conn.execute("""UPDATE policy_documents SET document = document || '{"currency": "EUR"}'""")
    shelf, ask = PolicyShelf(), Together(pool).ask

    with pytest.raises(UnreadableDocument, match="SHA-256"):
        await shelf.in_force(pool, ask, TENANT, CHANGE)
    assert (await shelf.in_force(pool, ask, TENANT, CHANGE - timedelta(days=1))).version == "2025-07"


async def test_tenants_policies_are_its_own(pool: Pool) -> None:
    await approve(pool, replace(policy_version("2026-01"), version="mine", in_force_from=CHANGE))

    shelf, ask = PolicyShelf(), Together(pool).ask
    asked = [shelf.in_force(pool, ask, tenant, CHANGE) for tenant in (TENANT, "other")]
    mine, theirs = await asyncio.gather(*asked)
    async with pool.connection() as conn:
        assert all(d.proposed_by is None for d in await policy_documents.documents(conn, "other"))
    assert (mine.version, theirs.version) == ("mine", "2026-01")
    with pytest.raises(NotFound):
        await shelf.policy(pool, "other", "mine")


def test_file_that_is_no_policy_is_refused_by_field(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"

    for text, why in (
        ('{"version": "x", "version": "y"}', "version: is given twice"),
        ('{"version": NaN}', "version: is NaN"),
        ("[", "not JSON"),
        ("{}", "version: missing"),
    ):
        file.write_text(text)
        with pytest.raises(InvalidInput, match=why):
            backtest(database_url, str(file))
