"""The workflows. A new one adds its line here."""

from graphs import loan_origination, loan_servicing, reconciliation, transfer
from graphs.workflow import Workflow

WORKFLOWS: tuple[Workflow, ...] = (
    loan_origination.WORKFLOW,
    loan_servicing.WORKFLOW,
    transfer.WORKFLOW,
    reconciliation.WORKFLOW,
)
