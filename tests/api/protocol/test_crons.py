"""Crons through LangGraph's client: made, changed, found, and started by whichever worker comes first."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import ConflictError, NotFoundError, PermissionDeniedError, UnprocessableEntityError
from psycopg.rows import dict_row

from db import keys
from db.keys import NewKey
from tests.service import Service

Sdk = Callable[..., LangGraphClient]
NEVER_SOON = "0 0 29 2 *"
EVERY_MINUTE = "* * * * *"
LOAN: dict[str, Any] = {
    "applicant_id": "cust_2002",
    "amount": "12000.00",
    "term_months": 36,
    "income": "6500.00",
    "purpose": "home_improvement",
    "employment": {"status": "employed", "since": "2018-03-01"},
    "housing": {"status": "rent", "monthly_cost": "1100.00"},
}


@pytest.fixture
async def db(countersign: Service) -> AsyncIterator[psycopg.AsyncConnection[dict[str, Any]]]:
    async with await psycopg.AsyncConnection.connect(
        countersign.database_url, autocommit=True, row_factory=dict_row
    ) as conn:
        yield conn


Db = psycopg.AsyncConnection[dict[str, Any]]


async def make_due(db: Db, *cron_ids: str, since: timedelta = timedelta(seconds=1)) -> None:
    await db.execute(
        "UPDATE crons SET next_run_date = %s WHERE cron_id = ANY(%s::uuid[])",
        (datetime.now(UTC) - since, list(cron_ids)),
    )


async def deeds(db: Db, cron_id: str, action: str, least: int = 1) -> list[dict[str, Any]]:
    """What the audit trail says the cron did, once it did it so often."""
    async with asyncio.timeout(30):
        while True:
            cur = await db.execute(
                "SELECT person, thread_id, run_id, record FROM audit WHERE action = %s AND record->>'cron_id' = %s"
                " ORDER BY audit_id",
                (action, cron_id),
            )
            found = await cur.fetchall()
            if len(found) >= least:
                return found
            # The janitor comes round every two seconds; this is a pause between two looks.
            await asyncio.sleep(0.1)


async def run_ended(db: Db, run_id: Any) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            cur = await db.execute("SELECT * FROM runs WHERE run_id = %s", (run_id,))
            run = await cur.fetchone()
            assert run is not None
            if run["ended_at"] is not None:
                return run
            await asyncio.sleep(0.05)


async def test_a_cron_is_made_found_counted_changed_and_deleted(sdk: Sdk) -> None:
    crons, tag = sdk("operator", "olga").crons, uuid4().hex
    end = datetime.now(UTC) + timedelta(days=4000)

    made: Any = await crons.create(
        "echo",
        schedule="0 9 * * mon-fri",
        timezone="Europe/Vienna",
        input={"question": "why?"},
        metadata={"tag": tag},
        config={"recursion_limit": 7},
        end_time=end,
        enabled=False,
        stream_mode=["values", "updates"],
        durability="exit",
        on_run_completed="keep",
    )
    changed: Any = await crons.update(made["cron_id"], schedule="30 8 * * *", metadata={"more": 1}, enabled=True)
    found = await crons.search(assistant_id="echo", enabled=True, metadata={"tag": tag})
    counted = [await crons.count(metadata={"tag": tag}), await crons.count(metadata={"tag": "none"})]
    cleared: Any = await crons.update(made["cron_id"], end_time=None)
    await crons.delete(made["cron_id"])

    assert made["user_id"] == "olga" and made["thread_id"] is None and made["on_run_completed"] == "keep"
    assert made["payload"]["input"] == {"question": "why?"} and made["payload"]["config"] == {"recursion_limit": 7}
    assert datetime.fromisoformat(made["end_time"]) == end and not made["enabled"]
    assert changed["schedule"] == "30 8 * * *" and changed["metadata"] == {"tag": tag, "more": 1}
    assert datetime.fromisoformat(changed["next_run_date"]).astimezone(UTC).hour in (6, 7)
    assert found == [changed] and counted == [1, 0]
    assert cleared["end_time"] is None and cleared["schedule"] == "30 8 * * *"
    assert await crons.search(metadata={"tag": tag}) == []
    with pytest.raises(NotFoundError):
        await crons.delete(made["cron_id"])


async def test_crons_are_sorted_paged_and_selected(sdk: Sdk) -> None:
    crons, tag = sdk("operator").crons, {"tag": uuid4().hex}
    for schedule in ("0 3 1 1 *", "0 1 1 1 *", "0 2 1 1 *"):
        await crons.create("echo", schedule=schedule, metadata=tag)

    newest = await crons.search(metadata=tag)
    soonest: Any = await crons.search(metadata=tag, sort_by="next_run_date", sort_order="asc", select=["schedule"])
    second = await crons.search(metadata=tag, sort_by="next_run_date", sort_order="asc", limit=1, offset=1)

    assert [c["schedule"] for c in newest] == ["0 2 1 1 *", "0 1 1 1 *", "0 3 1 1 *"]
    assert soonest == [{"schedule": f"0 {hour} 1 1 *"} for hour in (1, 2, 3)]
    assert [c["schedule"] for c in second] == ["0 2 1 1 *"]


async def test_a_due_cron_starts_a_run_in_the_name_of_who_made_it(sdk: Sdk, db: Db) -> None:
    olga = sdk("operator", "olga")
    cron: Any = await olga.crons.create(
        "echo",
        schedule=NEVER_SOON,
        input={"question": "why?"},
        context={"tone": "stern"},
        metadata={"made": "for this"},
        on_run_completed="keep",
    )

    await make_due(db, cron["cron_id"])
    (deed,) = await deeds(db, cron["cron_id"], "cron.started")
    run = await run_ended(db, deed["run_id"])

    assert deed["person"] == run["started_by"] == "olga"
    assert run["status"] == "success" and run["metadata"] == {"made": "for this", "cron_id": cron["cron_id"]}
    state: Any = await olga.threads.get_state(str(deed["thread_id"]))
    assert state["values"]["answer"] == "stern: why?"
    threads = await olga.threads.search(metadata={"cron_id": cron["cron_id"]})
    assert [t["thread_id"] for t in threads] == [str(deed["thread_id"])]


@pytest.mark.slow
async def test_what_was_missed_while_everything_was_down_is_started_once(sdk: Sdk, db: Db) -> None:
    crons = sdk("operator").crons
    missed: Any = await crons.create("echo", schedule="0 * * * *", input={"question": "?"})
    marker: Any = await crons.create("echo", schedule="0 * * * *", input={"question": "?"})

    await make_due(db, missed["cron_id"], since=timedelta(days=3))
    await deeds(db, missed["cron_id"], "cron.started")
    await make_due(db, marker["cron_id"])
    await deeds(db, marker["cron_id"], "cron.started")

    assert len(await deeds(db, missed["cron_id"], "cron.started")) == 1
    (left,) = [c for c in await crons.search(limit=100) if c["cron_id"] == missed["cron_id"]]
    assert datetime.fromisoformat(str(left["next_run_date"])) > datetime.now(UTC)


@pytest.mark.slow
async def test_many_workers_start_each_occurrence_once(sdk: Sdk, db: Db, countersign: Service) -> None:
    crons = sdk("operator").crons
    made: list[Any] = [
        await crons.create("echo", schedule=NEVER_SOON, input={"question": "?"}, on_run_completed="keep")
        for _ in range(15)
    ]
    ids = [cron["cron_id"] for cron in made]
    workers = [countersign.start("worker") for _ in range(2)]
    try:
        for times in (1, 2):
            await make_due(db, *ids)
            started = [len(await deeds(db, cron_id, "cron.started", times)) for cron_id in ids]
    finally:
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        for worker in workers:
            worker.wait(timeout=30)

    assert started == [2] * 15
    cur = await db.execute("SELECT count(*) AS n FROM runs WHERE metadata->>'cron_id' = ANY(%s)", (ids,))
    assert await cur.fetchone() == {"n": 30}


async def test_a_threads_cron_runs_on_that_thread_and_goes_with_it(sdk: Sdk, db: Db) -> None:
    operator = sdk("operator")
    thread_id = (await operator.threads.create())["thread_id"]
    cron: Any = await operator.crons.create_for_thread(
        thread_id, "echo", schedule=NEVER_SOON, input={"question": "again?"}
    )

    for times in (1, 2):
        await make_due(db, cron["cron_id"])
        started = await deeds(db, cron["cron_id"], "cron.started", times)
        await run_ended(db, started[-1]["run_id"])

    state: Any = await operator.threads.get_state(thread_id)
    assert cron["thread_id"] == thread_id and cron["on_run_completed"] is None
    assert {str(deed["thread_id"]) for deed in started} == {thread_id}
    assert state["values"]["trail"] == ["think", "publish"] * 2
    assert [c["cron_id"] for c in await operator.crons.search(thread_id=thread_id)] == [cron["cron_id"]]
    await operator.threads.delete(thread_id)
    assert await operator.crons.count(thread_id=thread_id) == 0


@pytest.mark.slow
async def test_an_occurrence_on_a_busy_thread_is_skipped_if_it_is_to_be_rejected(sdk: Sdk, db: Db) -> None:
    operator = sdk("operator")
    thread_id = (await operator.threads.create())["thread_id"]
    crons: list[Any] = [
        await operator.crons.create_for_thread(
            thread_id, "sleeping", schedule=NEVER_SOON, input={"seconds": 60}, multitask_strategy=strategy
        )
        for strategy in ("reject", "reject", "interrupt")
    ]
    first, second, third = (cron["cron_id"] for cron in crons)

    await make_due(db, first)
    (started,) = await deeds(db, first, "cron.started")
    await make_due(db, second)
    (skipped,) = await deeds(db, second, "cron.skipped")
    await make_due(db, third)
    await deeds(db, third, "cron.started")

    assert "busy" in skipped["record"]["reason"] and skipped["run_id"] is None
    assert (await run_ended(db, started["run_id"]))["status"] == "cancelled"
    (last,) = [c for c in await operator.crons.search(thread_id=thread_id, limit=3) if c["cron_id"] == second]
    assert datetime.fromisoformat(str(last["next_run_date"])) > datetime.now(UTC)


@pytest.mark.slow
async def test_a_thread_of_one_run_has_its_time_unless_it_is_to_be_kept(sdk: Sdk, db: Db) -> None:
    crons = sdk("operator").crons
    times = {}

    for kept in ("delete", "keep"):
        cron: Any = await crons.create(
            "echo",
            schedule=NEVER_SOON,
            input={"question": "?"},
            on_run_completed=kept,
        )
        await make_due(db, cron["cron_id"])
        (deed,) = await deeds(db, cron["cron_id"], "cron.started")
        cur = await db.execute(
            "SELECT ttl_minutes, ttl_strategy FROM threads WHERE thread_id = %s", (deed["thread_id"],)
        )
        times[kept] = await cur.fetchone()

    assert times["delete"] == {"ttl_minutes": 1, "ttl_strategy": "delete"}
    assert times["keep"] == {"ttl_minutes": None, "ttl_strategy": None}


async def test_a_cron_that_is_off_or_over_starts_nothing_and_catches_up_on_nothing(sdk: Sdk, db: Db) -> None:
    crons = sdk("operator").crons
    off: Any = await crons.create("echo", schedule=EVERY_MINUTE, input={"question": "?"}, enabled=False)
    over: Any = await crons.create(
        "echo", schedule=EVERY_MINUTE, input={"question": "?"}, end_time=datetime.now(UTC) - timedelta(days=1)
    )
    marker: Any = await crons.create("echo", schedule=NEVER_SOON, input={"question": "?"})

    await make_due(db, off["cron_id"], since=timedelta(hours=1))
    await make_due(db, marker["cron_id"])
    await deeds(db, marker["cron_id"], "cron.started")
    switched_on: Any = await crons.update(off["cron_id"], enabled=True)
    await crons.delete(off["cron_id"])

    assert over["next_run_date"] is None
    assert datetime.fromisoformat(switched_on["next_run_date"]) > datetime.now(UTC) - timedelta(seconds=5)
    assert await deeds(db, off["cron_id"], "cron.started", 0) == []


async def test_a_cron_of_a_workflow_starts_a_new_case_each_time(sdk: Sdk, db: Db) -> None:
    operator = sdk("operator", "olga")
    cron: Any = await operator.crons.create("loan_origination", schedule=NEVER_SOON, input=LOAN)

    await make_due(db, cron["cron_id"])
    (deed,) = await deeds(db, cron["cron_id"], "cron.started")
    run = await run_ended(db, deed["run_id"])

    thread: Any = await operator.threads.get(str(deed["thread_id"]))
    assert cron["on_run_completed"] == "keep" and run["started_by"] == "olga" and run["status"] == "success"
    assert thread["workflow"] == "loan_origination" and thread["started_by"] == "olga"
    cur = await db.execute(
        "SELECT person FROM audit WHERE action = 'thread.started' AND thread_id = %s", (deed["thread_id"],)
    )
    assert await cur.fetchall() == [{"person": "olga"}]


@pytest.mark.slow
async def test_a_cron_that_can_no_longer_be_read_stops_and_the_worker_goes_on(sdk: Sdk, db: Db) -> None:
    crons = sdk("operator").crons
    for column, unreadable in (("schedule", "in a while"), ("payload", '{"durability": "never"}')):
        broken: Any = await crons.create("echo", schedule=NEVER_SOON, input={"question": "?"})
        sound: Any = await crons.create("echo", schedule=NEVER_SOON, input={"question": "?"})
        await db.execute(f"UPDATE crons SET {column} = %s WHERE cron_id = %s", (unreadable, broken["cron_id"]))

        await make_due(db, broken["cron_id"])
        await deeds(db, broken["cron_id"], "cron.started" if column == "schedule" else "cron.skipped")
        await make_due(db, sound["cron_id"])

        assert len(await deeds(db, sound["cron_id"], "cron.started")) == 1
        await crons.delete(broken["cron_id"])


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"input": LOAN | {"amount": "-1"}}, "input"),
        ({"input": LOAN | {"applicant_id": "cust_9999"}}, "applicant_id"),
        ({"input": None}, "input"),
        ({"on_run_completed": "delete"}, "on_run_completed"),
        ({"config": {"configurable": {"a": 1}}}, "config"),
        ({"durability": "exit"}, "durability"),
        ({"interrupt_before": "*"}, "interrupt_before"),
    ],
)
def test_what_a_case_would_refuse_is_refused_when_its_cron_is_made(
    countersign: Service, more: dict[str, Any], field: str
) -> None:
    body = {"assistant_id": "loan_origination", "schedule": NEVER_SOON, "input": LOAN} | more

    refused = countersign.client("operator").post("/runs/crons", json=body)

    assert refused.status_code == 422, refused.text
    assert field in refused.json()["errors"][0]["field"]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"schedule": "nonsense"}, "schedule"),
        ({"schedule": "* * * * * *"}, "schedule"),
        ({"schedule": "0 0 30 2 *"}, "schedule"),
        ({"schedule": "0 0 \x00 2 *"}, "schedule"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"end_time": "tomorrow"}, "end_time"),
        ({"end_time": "2030-01-01T00:00:00"}, "end_time"),
        ({"input": {"a": "\x00"}}, "input"),
        ({"metadata": []}, "metadata"),
        ({"webhook": "/internal/hook"}, "webhook"),
        ({"stream_mode": "everything"}, "stream_mode"),
        ({"durability": "never"}, "durability"),
        ({"multitask_strategy": "fight"}, "multitask_strategy"),
        ({"on_run_completed": "burn"}, "on_run_completed"),
        ({"assistant_id": "no-such-graph"}, "assistant_id"),
        ({"context": {"a": 1}, "config": {"configurable": {"a": 2}}}, "context"),
    ],
)
def test_a_cron_that_makes_no_sense_is_refused_by_field(countersign: Service, more: dict[str, Any], field: str) -> None:
    body = {"assistant_id": "echo", "schedule": EVERY_MINUTE, "input": {}} | more

    refused = countersign.client("operator").post("/runs/crons", json=body)

    assert refused.status_code == 422, refused.text
    assert refused.json()["errors"][0]["field"].startswith(field)


async def test_a_change_is_checked_as_the_cron_was(sdk: Sdk) -> None:
    crons = sdk("operator").crons
    cron: Any = await crons.create("loan_origination", schedule=NEVER_SOON, input=LOAN)

    wrongs: list[dict[str, Any]] = [
        {"schedule": "nonsense"},
        {"timezone": "Mars"},
        {"input": {}},
        {"on_run_completed": "delete"},
    ]
    for wrong in wrongs:
        with pytest.raises(UnprocessableEntityError):
            await crons.update(cron["cron_id"], **wrong)

    assert (await crons.search(limit=1, sort_by="cron_id"))[0] == cron


async def test_a_threads_cron_is_refused_for_cases_and_for_threads_one_does_not_see(sdk: Sdk) -> None:
    operator = sdk("operator")
    thread_id = (await operator.threads.create())["thread_id"]

    with pytest.raises(UnprocessableEntityError):
        await operator.crons.create_for_thread(thread_id, "loan_origination", schedule=NEVER_SOON, input=LOAN)
    with pytest.raises(NotFoundError):
        await operator.crons.create_for_thread(str(uuid4()), "echo", schedule=NEVER_SOON)


@pytest.mark.parametrize("role", ["client", "agent", "underwriter", "analyst", "adviser", "auditor"])
async def test_only_operators_and_admins_make_crons(sdk: Sdk, role: str) -> None:
    theirs = sdk(role)
    cron: Any = await sdk("operator").crons.create("echo", schedule=NEVER_SOON)
    cron_id = str(cron["cron_id"])

    for refused in (
        theirs.crons.create("echo", schedule=NEVER_SOON),
        theirs.crons.update(cron_id, enabled=False),
        theirs.crons.delete(cron_id),
    ):
        with pytest.raises(PermissionDeniedError):
            await refused
    if role == "auditor":
        assert await theirs.crons.count() > 0
    else:
        with pytest.raises(PermissionDeniedError):
            await theirs.crons.search()


async def test_another_tenants_crons_do_not_exist(sdk: Sdk, db: Db, countersign: Service) -> None:
    cron: Any = await sdk("operator").crons.create("echo", schedule=NEVER_SOON)
    key = await keys.create(db, NewKey("globex", "eve", ["admin"]))

    async with get_client(url=countersign.url, api_key=key) as eve:
        assert await eve.crons.search() == [] and await eve.crons.count() == 0
        for refused in (eve.crons.update(cron["cron_id"], enabled=False), eve.crons.delete(cron["cron_id"])):
            with pytest.raises(NotFoundError):
                await refused


async def test_a_tenant_has_so_many_crons_and_no_more(sdk: Sdk, db: Db) -> None:
    crons, tag = sdk("operator").crons, uuid4().hex
    cron: Any = await crons.create("echo", schedule=NEVER_SOON, metadata={"tag": tag})
    await db.execute(
        """
        INSERT INTO crons (cron_id, tenant_id, assistant_id, made_by, schedule, on_run_completed, payload, metadata)
        SELECT gen_random_uuid(), tenant_id, assistant_id, made_by, schedule, on_run_completed, payload, metadata
        FROM crons, generate_series(1, 1000) WHERE cron_id = %s
        """,
        (cron["cron_id"],),
    )

    with pytest.raises(ConflictError):
        await crons.create("echo", schedule=NEVER_SOON)

    await db.execute("DELETE FROM crons WHERE metadata->>'tag' = %s", (tag,))
