"""The workflows. A new one adds its line here."""

from graphs import (
    client_follow_up,
    client_profile,
    copilot,
    customer_settings,
    fraud_review,
    holdings_refresh,
    loan_origination,
    loan_servicing,
    loan_servicing_day,
    market_event,
    portfolio_review,
    profile_renewal,
    profile_renewals,
    rebalance,
    reconciliation,
    standing_order,
    transfer,
)
from graphs.workflow import Workflow

WORKFLOWS: tuple[Workflow, ...] = (
    loan_origination.WORKFLOW,
    loan_servicing.WORKFLOW,
    loan_servicing_day.WORKFLOW,
    transfer.WORKFLOW,
    standing_order.WORKFLOW,
    customer_settings.WORKFLOW,
    fraud_review.WORKFLOW,
    reconciliation.WORKFLOW,
    client_profile.WORKFLOW,
    profile_renewals.WORKFLOW,
    profile_renewal.WORKFLOW,
    holdings_refresh.WORKFLOW,
    market_event.WORKFLOW,
    client_follow_up.WORKFLOW,
    rebalance.WORKFLOW,
    portfolio_review.WORKFLOW,
    copilot.WORKFLOW,
)
