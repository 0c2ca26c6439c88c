"""What models were asked and answered, and what people wrote to an intake, is kept for its time and no longer."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import uuid_utils.compat as uuids

from api.expiry import Texts
from db.pool import open_pool
from tools import intake_drafts, model_calls
from tools.intake_drafts import Draft
from tools.model_calls import Conclusion, Limits, NewCall, Spender, Spent
from tools.model_prompts import prompt


async def test_texts_go_when_their_time_is_over_and_what_they_cost_stays(database_url: str) -> None:
    now, spent = datetime.now(UTC), Spent(100, 20, 400, 7)
    draft = Draft(uuids.uuid7(), "transfer", "1", "ada", "typed_by_user", "pay 5 USD", "asks", [], [], {})
    async with open_pool(database_url, max_size=2) as pool:
        by = Spender(pool, "acme", f"run:{uuids.uuid7()}")
        call = NewCall(prompt("summary"), "m-1", "schema", [{"role": "user", "content": "a text"}], spent)
        call_id = await model_calls.reserve(by, "2026-11-22", [Limits(9, 9999, 9999)] * 2, call)
        assert call_id is not None
        await model_calls.conclude(by, "2026-11-22", call_id, spent, Conclusion("taken", None, "an answer", spent))
        async with pool.connection() as conn:
            await intake_drafts.store(conn, "acme", draft)
        texts = Texts(pool, model_days=365, draft_days=30)

        swept = [await texts.sweep(now + timedelta(days=days)) for days in (29, 31, 364, 366, 366)]

    with psycopg.connect(database_url) as conn:
        kept = conn.execute("SELECT status, asked, answered, cost_micros, input_tokens FROM model_calls").fetchall()
        drafts = conn.execute("SELECT text FROM intake_drafts").fetchall()
        assert (swept, kept, drafts) == ([0, 1, 0, 1, 0], [("taken", None, None, 400, 100)], [])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("UPDATE model_calls SET asked = 'null', cost_micros = 0")
