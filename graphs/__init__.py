"""The workflows. A new one adds its line here."""

from graphs import fraud_review, loan_origination
from graphs.workflow import Workflow

WORKFLOWS: tuple[Workflow, ...] = (loan_origination.WORKFLOW, fraud_review.WORKFLOW)
