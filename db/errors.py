"""Every error a caller can act on. Only `api.errors` knows what HTTP status each becomes.

CountersignError
├─ InvalidInput        the caller's value is wrong: which field, what is wrong with it
├─ NotFound            no such record for this tenant
├─ Conflict            the record's state forbids it
│  ├─ IdempotencyMismatch   the key was used before with another body
│  ├─ AlreadyAnswered       somebody else answered this review first
│  ├─ TooLate               this review's time is over, and silence was the answer
│  ├─ ApprovalVoid          the hash that was approved is not the payload's hash
│  ├─ LeaseLost             the task is not, or no longer, this worker's
│  └─ ProfileNotInForce     the client has no suitability profile to act on today
├─ Forbidden           the caller may not do this
├─ Unavailable         somebody else's fault: try again later
│  ├─ DatabaseUnavailable
│  └─ BankUnavailable
├─ BankRefused         the bank said no, and will say so again
├─ NeedsReconcile      the bank's word contradicts ours: a person must look
├─ UnreadableDocument  what is stored to decide by is not what was approved, or no such document at all
├─ StaleRun            another worker owns this run now
└─ SchemaMismatch      the database's schema is not this program's
"""

from datetime import UTC, datetime
from uuid import UUID


class CountersignError(Exception):
    """Root of the tree."""


class InvalidInput(CountersignError):
    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class NotFound(CountersignError):
    def __init__(self, record: str, record_id: object) -> None:
        super().__init__(f"no {record} {record_id}")
        self.record = record
        self.record_id = record_id


class Conflict(CountersignError):
    pass


class IdempotencyMismatch(Conflict):
    def __init__(self, key: str) -> None:
        super().__init__(f"Idempotency-Key {key!r} was already used with another request")
        self.key = key


class AlreadyAnswered(Conflict):
    def __init__(self, review_id: UUID, status: str) -> None:
        super().__init__(f"review {review_id} is {status}, not open")
        self.review_id = review_id


class TooLate(Conflict):
    def __init__(self, review_id: UUID, due_at: datetime) -> None:
        until = f"{due_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        super().__init__(f"review {review_id} could be answered until {until}; now it is too late")
        self.review_id = review_id


class ApprovalVoid(Conflict):
    def __init__(self, review_id: UUID) -> None:
        super().__init__(f"the answer names another payload than review {review_id} shows")
        self.review_id = review_id


class LeaseLost(Conflict):
    def __init__(self, task_id: UUID, reason: str) -> None:
        super().__init__(f"task {task_id}: {reason}")
        self.task_id = task_id


class ProfileNotInForce(Conflict):
    """`reason` is `none`, `self_declared`, `expired` or `contradicted`: a declaration since says otherwise."""

    def __init__(self, client_id: str, reason: str) -> None:
        super().__init__(f"client {client_id} has no suitability profile in force ({reason}); start client_profile")
        self.client_id = client_id
        self.reason = reason


class Forbidden(CountersignError):
    pass


class Unavailable(CountersignError):
    pass


class DatabaseUnavailable(Unavailable):
    pass


class BankUnavailable(Unavailable):
    pass


class BankRefused(CountersignError):
    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"the bank refused: {detail} ({code})")
        self.code = code
        self.detail = detail


class NeedsReconcile(CountersignError):
    pass


class UnreadableDocument(CountersignError):
    pass


class StaleRun(CountersignError):
    def __init__(self, run_id: UUID) -> None:
        super().__init__(f"run {run_id} is driven by another worker now")
        self.run_id = run_id


class SchemaMismatch(CountersignError):
    pass
