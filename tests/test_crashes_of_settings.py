"""The worker is killed around what it does for a customer at the bank; it is done once, and the books agree."""

from typing import Any

import pytest

from tests.crash_deployment import Deployment
from tests.crash_paths import assert_killed
from tests.service import answer, follow, open_review
from tests.test_path_of_a_conversation import Talker
from tests.test_path_of_customer_settings import RENT, SECRET, orders, start
from tests.test_path_of_reconciliation import AGREE, reconcile

pytestmark = pytest.mark.slow


def wanted(payer: Talker, failpoint: str) -> tuple[str, dict[str, Any]]:
    """A workflow with its input, in which the failpoint lies."""
    if "credential" in failpoint:
        return "customer_settings", {"customer_id": payer.customer, "change": "credential"}
    if failpoint.startswith(("settings", "customer")):
        return "customer_settings", {"customer_id": payer.customer, "street": "5 River Street", "phone": "+43 1 234"}
    on_its_account = {"source_account": payer.account}
    if "create" in failpoint:
        return "standing_order", RENT | on_its_account
    if "cancel" in failpoint:
        return "standing_order", {"do": "cancel", "number": 1} | on_its_account
    return "standing_order", {"do": "change", "number": 1, "amount": "130.00"} | on_its_account


def confirmed(payer: Talker, thread_id: str) -> None:
    review = open_review(payer.http, thread_id)
    given = {"verdict": "confirm"}
    if "staged_id" in review["form"]["properties"]:
        form = f"/reviews/{review['review_id']}/credential"
        typed = payer.http.post(form, json={"new_credential": SECRET}).raise_for_status().json()
        given["staged_id"] = typed["staged_id"]
    answer(payer.http, review, given).raise_for_status()


@pytest.mark.parametrize(
    "failpoint",
    [
        "standing_order.create.before_effect",
        "standing_order.create.after_effect",
        "standing_order.change.after_effect",
        "standing_order.cancel.after_effect",
        "standing_order.carry_out.before_checkpoint",
        "settings.contact.before_effect",
        "settings.contact.after_effect",
        "settings.credential.after_effect",
        "customer_settings.tell.before_checkpoint",
    ],
)
def test_killed_around_the_effect_the_bank_has_done_it_once(deployed: Deployment, failpoint: str) -> None:
    payer = Talker(deployed.service)
    workflow, body = wanted(payer, failpoint)
    with deployed.working():
        if body.get("number") is not None:
            first = start(payer.http, workflow, RENT | {"source_account": payer.account})
            confirmed(payer, first)
            follow(payer.http, first)
        thread_id = start(payer.http, workflow, body)

    killed = deployed.worker(failpoint)
    confirmed(payer, thread_id)
    assert_killed(killed)
    with deployed.working():
        follow(payer.http, thread_id)
        code, _ = reconcile(deployed, grace_s=0)

    assert payer.http.get(f"/threads/{thread_id}").json()["outcome"] == "done"
    (effect,) = deployed.service.client("auditor").get(f"/threads/{thread_id}/effects").json()
    assert effect["status"] == "done" and SECRET not in str(effect)
    posted = deployed.bank.get("/log", params={"idempotency_key": effect["key"]}).json()["requests"]
    assert [each["status"] for each in posted if not each["replayed"]] == [201]
    contact = deployed.bank.get(f"/customers/{payer.customer}/contact").json()
    assert contact["version"] == (2 if "street" in body else 1)
    made = [(one["version"], one["status"]) for one in orders(deployed.service, payer.account)]
    assert (
        made
        == {"create": [(1, "active")], "change": [(2, "active")], "cancel": [(2, "cancelled")], None: []}[
            body.get("do", "create") if workflow == "standing_order" else None
        ]
    )
    assert len(payer.http.get(f"/threads/{thread_id}/letters").json()) == (2 if "street" in body else 1)
    assert code == AGREE, deployed.log("reconcile")
