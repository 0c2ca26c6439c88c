"""The workflows. A new one adds its line here."""

from graphs import fraud_review, loan_origination, transfer
from graphs.workflow import Workflow

WORKFLOWS: tuple[Workflow, ...] = (loan_origination.WORKFLOW, transfer.WORKFLOW, fraud_review.WORKFLOW)
