"""The workflows. A new one adds its line here."""

from graphs import loan_origination, loan_servicing, loan_servicing_day
from graphs.workflow import Workflow

WORKFLOWS: tuple[Workflow, ...] = (
    loan_origination.WORKFLOW,
    loan_servicing.WORKFLOW,
    loan_servicing_day.WORKFLOW,
)
