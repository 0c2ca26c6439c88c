"""A transfer as the order that another system would have sent: ISO 20022's pain.001."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sepaxml import SepaTransfer  # type: ignore[import-untyped]  # it has none

from api.sandbox.access import needs
from api.sandbox.problems import Refused, unknown
from api.sandbox.records import one
from api.sandbox.teller import TellerRoute

SCHEMA = "pain.001.001.09"

_BIC = "SNDBDEFFXXX"

router = APIRouter(route_class=TellerRoute, dependencies=[needs("read")])


@router.get("/transfers/{transfer_id}/pain.001")
async def pain_001(transfer_id: str, request: Request) -> Response:
    """Both accounts must have an IBAN: the accounts of loans have none."""
    row = await one(
        request.state.pool,
        """
        SELECT transfer_id, amount_minor, transfers.currency, reference, transfers.created_at,
               payer.iban AS payer_iban, payer_customer.full_name AS payer_name,
               coalesce(payee.iban, creditor_iban) AS payee_iban,
               coalesce(payee_customer.full_name, creditor_name) AS payee_name
        FROM transfers JOIN accounts AS payer ON payer.account_id = source_account
        LEFT JOIN customers AS payer_customer ON payer_customer.customer_id = payer.customer_id
        LEFT JOIN accounts AS payee ON payee.account_id = destination_account
        LEFT JOIN customers AS payee_customer ON payee_customer.customer_id = payee.customer_id
        WHERE transfer_id = %(id)s
        """,
        transfer_id,
    )
    if row is None:
        raise unknown("transfer", transfer_id)
    if row["payer_iban"] is None or row["payee_iban"] is None:
        raise Refused(409, "no_iban", f"an account of {transfer_id} has no IBAN, which SEPA's form of the order needs")
    return Response(_written(row), media_type="application/xml")


def _written(transfer: dict[str, Any]) -> bytes:
    """SEPA is of euros; other currencies go without its service level."""
    order = SepaTransfer(
        {
            "name": transfer["payer_name"],
            "IBAN": transfer["payer_iban"],
            "BIC": _BIC,
            "batch": False,
            "currency": transfer["currency"],
            "domestic": transfer["currency"] != "EUR",
        },
        schema=SCHEMA,
    )
    order.add_payment(
        {
            "name": transfer["payee_name"] or "NOTPROVIDED",
            "IBAN": transfer["payee_iban"],
            "amount": transfer["amount_minor"],
            "execution_date": transfer["created_at"].date(),
            "description": transfer["reference"] or "NOTPROVIDED",
            "endtoend_id": transfer["transfer_id"].removeprefix("trf_"),
        }
    )
    return bytes(order.export(validate=False))
