"""What goes wrong, as an error of A2A that names it."""

from collections.abc import Iterator
from contextlib import contextmanager

from a2a.types import InternalError, InvalidParamsError, TaskNotFoundError

from api.mcp.refusals import OURS, REFUSED, told_of
from db.errors import NotFound


@contextmanager
def refusing() -> Iterator[None]:
    try:
        yield
    except REFUSED as exc:
        told = told_of(exc)
        if isinstance(exc, NotFound):
            raise TaskNotFoundError(told["detail"]) from exc
        error = InternalError if isinstance(exc, OURS) else InvalidParamsError
        raise error(told["detail"], {"type": told["type"], "fields": told["errors"]}) from exc
