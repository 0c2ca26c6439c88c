"""Routes that take most requests: what they need of one is read without looking through declarations each time."""

from inspect import signature
from typing import Any
from uuid import UUID

from fastapi import Request, Response
from fastapi.routing import APIRoute

from api.auth import actor_of, engine_of
from api.strict import Handler, StrictBodyRoute, with_strict_body

_READ_HERE = {"body", "request", "actor", "engine", "idempotency_key"}


class BusyRoute(StrictBodyRoute):
    """For an endpoint that takes ids of its path, a `body`, its `actor`, the `engine`, the `request` and maybe an
    `idempotency_key`, and makes its own Response.

    A request with that key, or with anything that is not plainly right, goes FastAPI's way, which says what is wrong.
    """

    def get_route_handler(self) -> Handler:
        usual, endpoint = APIRoute.get_route_handler(self), self.endpoint
        taken = signature(endpoint).parameters
        ids = [name for name, parameter in taken.items() if parameter.annotation is UUID]
        if unread := set(taken) - _READ_HERE - set(ids):
            raise TypeError(f"{self.path}: a busy route does not read {', '.join(sorted(unread))}")
        model, takes_request = taken["body"].annotation, "request" in taken

        async def handle(request: Request) -> Response:
            request = await with_strict_body(request)
            try:
                given: dict[str, Any] = {name: _id(request.path_params[name]) for name in ids}
                given["body"] = model.model_validate(await request.json())
            except ValueError:
                return await usual(request)
            if "idempotency-key" in request.headers:
                return await usual(request)
            if takes_request:
                given["request"] = request
            answer: Response = await endpoint(**given, actor=await actor_of(request), engine=await engine_of(request))
            return answer

        return handle


def _id(text: str) -> UUID:
    """Raises ValueError for what is none, and for one that is written in another way."""
    found = UUID(text)
    if str(found) != text:
        raise ValueError(text)
    return found
