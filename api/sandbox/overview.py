"""A customer at one glance: what the single reads say of them, in one answer and of one moment."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.sandbox import loans, standing_orders
from api.sandbox.access import needs
from api.sandbox.problems import unknown
from api.sandbox.records import CREDIT_FILE, CUSTOMER, one
from api.sandbox.teller import TellerRoute

_STANDING_ORDERS = f"""
    SELECT coalesce(json_agg(to_jsonb(o) - 'transfer_order' || o.transfer_order::jsonb ORDER BY o.created_at), '[]')
    FROM (SELECT {standing_orders.COLUMNS} FROM standing_orders WHERE source_account = held.account_id
          ORDER BY created_at LIMIT 1000) o
"""
_ACCOUNT = f"""
    json_build_object(
        'account', json_build_object(
            'account_id', account_id, 'customer_id', customer_id, 'currency', currency, 'kind', kind, 'state', state,
            'overdraft_limit_minor', overdraft_limit_minor),
        'balance', json_build_object(
            'account_id', account_id, 'currency', currency, 'as_of', now(), 'booked_minor', booked_minor,
            'available_minor', booked_minor + overdraft_limit_minor - held_minor),
        'standing_orders', ({_STANDING_ORDERS}))
"""
_LOANS = f"""
    SELECT coalesce(json_agg(l ORDER BY l.disbursed_at DESC), '[]')
    FROM (SELECT {loans.COLUMNS} FROM loan_accounts WHERE customer_id = %(id)s
          ORDER BY disbursed_at DESC LIMIT 1000) l
"""
_OVERVIEW = f"""
    SELECT json_build_object(
        'customer', c,
        'credit_file', (SELECT f FROM ({CREDIT_FILE}) f),
        'accounts', (SELECT coalesce(json_agg({_ACCOUNT} ORDER BY held.kind, held.account_id), '[]')
                     FROM accounts held WHERE customer_id = %(id)s AND kind NOT IN ('loan', 'custody')),
        'loan_accounts', ({_LOANS}))::text AS overview
    FROM ({CUSTOMER}) c
"""

router = APIRouter(route_class=TellerRoute, dependencies=[needs("read")])


@router.get("/customers/{customer_id}/overview", response_class=Response)
async def overview(customer_id: str, request: Request) -> Response:
    """`credit_file` is null if the bureau knows nothing; `accounts` are those that the customer's record names, in its
    order, each with its balance and its standing orders, the oldest first; of `loan_accounts` the latest is first.
    """
    row = await one(request.state.pool, _OVERVIEW, customer_id)
    if row is None:
        raise unknown("customer", customer_id)
    return Response(row["overview"], media_type="application/json")
