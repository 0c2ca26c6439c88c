"""Client of the core bank: one place for its key, timeouts, retries, Idempotency-Key and errors."""

import asyncio
import random
import re
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from db.canonical import sha256_hex
from db.errors import BankRefused, BankUnavailable, NeedsReconcile, NotFound
from tools.bank_connections import TROUBLES, Connections
from tools.bank_records import (
    Account,
    Balance,
    BankAnswer,
    Customer,
    LoanAccountRequest,
    LoanPayout,
    TransferMade,
    TransferRequest,
)

TRIES = 3
"""For one call: GETs are safe, and a POST carries the same key each time."""

LONGEST_PAUSE_S = 5.0
"""A bank that asks for a longer pause is unavailable: the run waits, not the connection."""

_TRY_AGAIN = (408, 425, 429)
_RECORD_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,63}")

_Value = TypeVar("_Value")

_CUSTOMER = TypeAdapter(Customer)
_ACCOUNT = TypeAdapter(Account)
_BALANCE = TypeAdapter(Balance)
_LOAN_PAYOUT = TypeAdapter(LoanPayout)
_TRANSFER_MADE = TypeAdapter(TransferMade)
_BANK_ANSWER = TypeAdapter(BankAnswer)


class Bank:
    """Raises BankUnavailable when the bank is away, overloaded, does not accept our key or breaks the contract, and
    BankRefused when it says a final no. Holds its connections until `aclose`.
    """

    def __init__(self, base_url: str, api_key: str, timeout_s: float = 5.0) -> None:
        self._connections = Connections(base_url, api_key, timeout_s)

    async def aclose(self) -> None:
        await self._connections.aclose()

    async def is_up(self) -> bool:
        try:
            return (await self._connections.request("GET", "health")).status_code == 200
        except TROUBLES:
            return False

    async def customer(self, customer_id: str) -> Customer:
        """Raises NotFound."""
        path = f"customers/{named('customer', customer_id)}"
        return await self.record(_CUSTOMER, path, "customer", customer_id)

    async def account(self, account_id: str) -> Account:
        """Raises NotFound."""
        return await self.record(_ACCOUNT, f"accounts/{named('account', account_id)}", "account", account_id)

    async def balance(self, account_id: str) -> Balance:
        """Raises NotFound."""
        path = f"accounts/{named('account', account_id)}/balance"
        return await self.record(_BALANCE, path, "account", account_id)

    async def open_loan_account(self, request: LoanAccountRequest, key: str) -> dict[str, Any]:
        """Opens the loan account and pays out, once per key. Raises NeedsReconcile if the bank did something else."""
        response = await self.post("loan-accounts", request.body(), key)
        paid = read(_LOAN_PAYOUT, response)
        principal, payout = request.principal_minor, request.principal_minor - request.fee_minor
        asked = (request.customer_id, request.disburse_to_account, principal, payout, request.currency)
        said = (
            paid.customer_id,
            paid.disburse_to_account,
            paid.principal_minor,
            paid.paid_out_minor,
            paid.currency,
        )
        if asked != said:
            raise NeedsReconcile(f"key {key} asked for {asked}, and the bank says it paid out {said}")
        return dict(response.json())

    async def transfer(self, request: TransferRequest, key: str) -> dict[str, Any]:
        """Moves the amount, once per key. Raises NeedsReconcile if the bank did something else."""
        response = await self.post("transfers", request.body(), key)
        made = read(_TRANSFER_MADE, response)
        asked = (request.source_account, request.destination_account, request.amount_minor, request.currency)
        said = (made.source_account, made.destination_account, made.amount_minor, made.currency)
        if asked != said:
            raise NeedsReconcile(f"key {key} asked for {asked}, and the bank says it moved {said}")
        return dict(response.json())

    async def request_by_key(self, key: str) -> BankAnswer | None:
        """What became of a call whose answer was lost; None if the bank never answered this key."""
        response = await self.call("GET", f"requests/{quote(key, safe='')}")
        if response.status_code == 404 and _problem(response)[0] == "unknown_key":
            return None
        return read(_BANK_ANSWER, accepted(response))

    async def outcome(self, key: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """The answer to this body under this key; None if the bank never answered the key.

        Raises BankRefused if that answer was no, NeedsReconcile if the key was used for another body.
        """
        answer = await self.request_by_key(key)
        if answer is None:
            return None
        if answer.request_sha256 != sha256_hex(body):
            raise NeedsReconcile(f"the bank knows key {key} for another request than ours")
        if answer.status >= 400:
            raise BankRefused(str(answer.response.get("code")), str(answer.response.get("detail")))
        return answer.response

    async def record(self, shape: TypeAdapter[_Value], path: str, record: str, record_id: str) -> _Value:
        return read(shape, found(await self.call("GET", path), record, record_id))

    async def post(self, path: str, body: dict[str, Any], key: str) -> httpx.Response:
        return accepted(await self.call("POST", path, body, key))

    async def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, key: str | None = None
    ) -> httpx.Response:
        """The bank's first answer that is not a request to try again."""
        headers = {} if key is None else {"Idempotency-Key": key}
        for attempt in range(1, TRIES + 1):
            cause: Exception | None = None
            pause_s = random.uniform(0.5, 1.0) * 0.2 * 2**attempt
            try:
                response = await self._connections.request(method, path, body, headers)
            except TROUBLES as exc:
                cause, trouble = exc, f"{type(exc).__name__} {exc}".strip()
            else:
                if response.status_code < 500 and response.status_code not in _TRY_AGAIN:
                    return response
                trouble = f"status {response.status_code}"
                pause_s = max(pause_s, _retry_after_s(response))
            if attempt == TRIES or pause_s > LONGEST_PAUSE_S:
                raise BankUnavailable(f"the bank is away: {method} {path}: {trouble}") from cause
            await asyncio.sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")


def named(record: str, record_id: str) -> str:
    """An id that could be no record's is not found, without asking: it must not become another path."""
    if not _RECORD_ID.fullmatch(record_id):
        raise NotFound(record, record_id)
    return record_id


def found(response: httpx.Response, record: str, record_id: str) -> httpx.Response:
    """A 404 counts only in the bank's own words: that of a proxy or a wrong base URL says nothing about the record."""
    if response.status_code == 404 and _problem(response)[0] == f"unknown_{record}":
        raise NotFound(record, record_id)
    return accepted(response)


def accepted(response: httpx.Response) -> httpx.Response:
    """Only a refusal in the bank's own words is one: an operation is not refused because a proxy hiccuped.

    Nor because our key was rotated: that is an outage until somebody mends it.
    """
    if response.is_success:
        return response
    code, detail = _problem(response)
    if code is None or response.status_code in (401, 403, 404, 405):
        raise BankUnavailable(f"the bank cannot be used: status {response.status_code}: {detail}")
    if code == "idempotency_mismatch":
        raise NeedsReconcile(f"the bank says: {detail}")
    raise BankRefused(code, detail)


def _problem(response: httpx.Response) -> tuple[str | None, str]:
    """Code and detail of the bank's problem JSON; no code if somebody else answered."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or not isinstance(problem.get("code"), str):
        return None, response.reason_phrase
    return problem["code"], str(problem.get("detail", ""))


def read(shape: TypeAdapter[_Value], response: httpx.Response) -> _Value:
    try:
        return shape.validate_json(response.content, strict=True)
    except ValidationError as exc:
        wrong = ", ".join(".".join(map(str, error["loc"])) or error["msg"] for error in exc.errors())
        raise BankUnavailable(f"the bank's {exc.title} breaks the contract at: {wrong}") from exc


def _retry_after_s(response: httpx.Response) -> float:
    asked = response.headers.get("Retry-After", "")
    return float(asked) if asked.isascii() and asked.isdigit() else 0.0
