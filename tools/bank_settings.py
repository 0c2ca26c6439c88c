"""How the bank reaches a customer, and what they sign in with, over its client."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, TypeAdapter

from db.errors import NeedsReconcile
from tools.bank import Bank, accepted, found, named, read


@dataclass(frozen=True, slots=True)
class Contact:
    customer_id: str
    full_name: str
    street: str
    city: str
    postcode: str
    country: str
    email: str
    phone: str | None
    version: int

    def values(self) -> dict[str, Any]:
        told = asdict(self)
        return {name: told[name] for name in FIELDS}


@dataclass(frozen=True, slots=True)
class Staged:
    """The bank holds a salted hash of what was typed, and takes it into use under this id, once, until then."""

    staged_id: Annotated[str, Field(pattern="^stg_[0-9a-f]{32}$")]
    customer_id: str
    expires_at: AwareDatetime


FIELDS = ("street", "city", "postcode", "country", "email", "phone")
_CONTACT, _STAGED = TypeAdapter(Contact), TypeAdapter(Staged)


async def contact(bank: Bank, customer_id: str) -> Contact:
    """Raises NotFound."""
    path = f"customers/{named('customer', customer_id)}/contact"
    return await bank.record(_CONTACT, path, "customer", customer_id)


async def change_contact(bank: Bank, customer_id: str, body: dict[str, Any], key: str) -> dict[str, Any]:
    """Once per key. Raises NeedsReconcile if the bank did something else."""
    response = await bank.post(f"customers/{named('customer', customer_id)}/contact", body, key)
    told = read(_CONTACT, response)
    if told.customer_id != customer_id or told.values() != {name: body.get(name) for name in FIELDS}:
        raise NeedsReconcile(f"key {key} asked for other contact data of {customer_id} than the bank says it has")
    return dict(response.json())


async def stage_credential(bank: Bank, customer_id: str, secret: str) -> Staged:
    """Hands the secret to the bank, which keeps a salted hash. Nobody keeps it here, and nothing is changed yet."""
    path = f"customers/{named('customer', customer_id)}/credential-stagings"
    response = await bank.call("POST", path, {"new_credential": secret})
    return read(_STAGED, accepted(found(response, "customer", customer_id)))


async def take_credential(bank: Bank, customer_id: str, body: dict[str, Any], key: str) -> dict[str, Any]:
    response = await bank.post(f"customers/{named('customer', customer_id)}/credential", body, key)
    said = dict(response.json())
    if (said.get("customer_id"), said.get("staged_id")) != (customer_id, body["staged_id"]):
        raise NeedsReconcile(f"key {key} asked to change the credential of {customer_id}, and the bank says {said}")
    return said
