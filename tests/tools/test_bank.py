"""The client of the core bank against the sandbox bank, behaving and not."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial

import pytest

from db.embedded import Server
from db.errors import BankRefused, BankUnavailable, NeedsReconcile, NotFound
from tests.served_bank import API_KEY, ServedBank, fresh_database, served_bank
from tools.bank import Bank
from tools.bank_overview import overview
from tools.bank_records import Account, Housing, LoanAccountRequest, Obligation, TransferRequest

LOAN = LoanAccountRequest(
    customer_id="cust_2002",
    disburse_to_account="ACC002",
    principal_minor=12_000_00,
    fee_minor=300_00,
    currency="USD",
    annual_rate_bps=1199,
    term_months=36,
    first_due_on=date(2031, 1, 1),
    reference="loan of a test",
)
ACCOUNT = (
    '{"account_id": "ACC001", "customer_id": null, "currency": "USD", "kind": "current", "state": "open",'
    ' "overdraft_limit_minor": 0}'
)
TRANSFER = TransferRequest("ACC001", "ACC002", 125_50, "USD", "Miete für März")


@pytest.fixture(scope="module")
def module_sandbox(postgres: Server, banked: str) -> Iterator[ServedBank]:
    with fresh_database(postgres.url, banked) as database_url, served_bank(database_url) as bank:
        yield bank


@pytest.fixture
def sandbox(module_sandbox: ServedBank) -> Iterator[ServedBank]:
    yield module_sandbox
    module_sandbox.behave()


@pytest.fixture
async def bank(sandbox: ServedBank) -> AsyncIterator[Bank]:
    async with client(sandbox.url) as bank:
        yield bank


@asynccontextmanager
async def client(url: str, api_key: str = API_KEY, timeout_s: float = 5) -> AsyncIterator[Bank]:
    bank = Bank(url, api_key, timeout_s=timeout_s)
    try:
        yield bank
    finally:
        await bank.aclose()


@asynccontextmanager
async def stranger(status: str, body: str) -> AsyncIterator[str]:
    """The URL of a server that says the same to everybody, as a proxy or another product would."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_customer_is_read_with_accounts_and_address(bank: Bank) -> None:
    customer = await bank.customer("cust_1006")

    assert (customer.full_name, customer.kyc_status) == ("Łukasz Nowak", "verified")
    assert (customer.address.city, customer.accounts) == ("Chicago", ("ACC009",))
    assert customer.date_of_birth == date(1993, 5, 19)


async def test_a_credit_file_is_read_whole(bank: Bank) -> None:
    file = (await overview(bank, "cust_2002")).credit_file

    assert file is not None
    assert file.as_of == datetime.now(UTC).date()
    assert (file.employment.status, file.employment.since) == ("employed", date(2018, 5, 7))
    assert file.housing == Housing("rent", 980_00)
    assert file.obligations == (
        Obligation("loan", "Chesapeake Student Loans", 11_200_00, 240_00),
        Obligation("card", "Lakeland Card Services", 2_100_00, 110_00),
    )
    assert (file.utilisation_bps, file.delinquencies_24m) == (1900, 0)


async def test_every_seeded_credit_file_keeps_the_contract(bank: Bank) -> None:
    for number in (1001, 2002, 3003, 4004, 1002, 1003, 1004, 1005, 1007, 1008):
        file = (await overview(bank, f"cust_{number}")).credit_file

        assert file is not None


async def test_a_customer_whom_the_bureau_does_not_know_has_no_credit_file(bank: Bank) -> None:
    assert (await overview(bank, "cust_1006")).credit_file is None


async def test_accounts_and_balances_are_read(bank: Bank) -> None:
    account, balance = await asyncio.gather(bank.account("ACC011"), bank.balance("EUR001"))

    assert account == Account("ACC011", "cust_1008", "USD", "current", "frozen", 0)
    assert (balance.currency, balance.booked_minor, balance.available_minor) == ("EUR", 8_000_00, 8_000_00)
    assert balance.as_of.tzinfo is not None


@pytest.mark.parametrize(
    "unknown",
    ["cust_9999", "", ".", "..", "a/b", "cust_1001/credit-file", "a b", "\x00", "é", "x" * 65, "?x=1", "%2e%2e"],
)
async def test_whoever_the_bank_does_not_know_is_not_found(bank: Bank, unknown: str) -> None:
    for ask in (bank.customer, partial(overview, bank), bank.account, bank.balance):
        with pytest.raises(NotFound):
            await ask(unknown)


async def test_a_loan_is_paid_out_once_per_key(bank: Bank, sandbox: ServedBank) -> None:
    before = sandbox.booked_minor("ACC002")

    first = await bank.open_loan_account(LOAN, "loan:settle:1")
    second = await bank.open_loan_account(LOAN, "loan:settle:1")

    assert first == second
    assert (first["status"], first["paid_out_minor"]) == ("disbursed", 11_700_00)
    assert sandbox.booked_minor("ACC002") - before == 11_700_00


async def test_a_transfer_moves_minor_units_exactly(bank: Bank, sandbox: ServedBank) -> None:
    before = sandbox.booked_minor("ACC001")

    made = await bank.transfer(TRANSFER, "transfer:1")

    assert (made["amount"], made["amount_minor"], made["reference"]) == ("125.50", 12550, "Miete für März")
    assert sandbox.booked_minor("ACC001") == before - 12550


async def test_a_refusal_carries_the_banks_code(bank: Bank) -> None:
    with pytest.raises(BankRefused, match="ACC004 cannot pay") as refusal:
        await bank.transfer(replace(TRANSFER, source_account="ACC004"), "poor")

    assert refusal.value.code == "insufficient_funds"


async def test_a_key_used_for_another_request_needs_reconciling(bank: Bank) -> None:
    await bank.transfer(TRANSFER, "mine")
    other = replace(TRANSFER, amount_minor=1)

    with pytest.raises(NeedsReconcile, match="mine"):
        await bank.transfer(other, "mine")
    with pytest.raises(NeedsReconcile, match="mine"):
        await bank.outcome("mine", other.body())


async def test_what_became_of_a_key_can_be_asked(bank: Bank) -> None:
    made = await bank.transfer(TRANSFER, "tenant/thread:send:1")
    poor = replace(TRANSFER, source_account="ACC004")
    with pytest.raises(BankRefused):
        await bank.transfer(poor, "thread:send:2")

    answer = await bank.request_by_key("tenant/thread:send:1")

    assert answer is not None
    assert (answer.method, answer.path, answer.status, answer.response) == ("POST", "/transfers", 201, made)
    assert await bank.outcome("tenant/thread:send:1", TRANSFER.body()) == made
    assert await bank.request_by_key("never:sent:1") is None
    assert await bank.outcome("never:sent:1", TRANSFER.body()) is None
    with pytest.raises(BankRefused):
        await bank.outcome("thread:send:2", poor.body())


@pytest.mark.parametrize("mode", ["429", "500"])
async def test_a_passing_trouble_is_outlasted(bank: Bank, sandbox: ServedBank, mode: str) -> None:
    sandbox.misbehave(mode, "POST /transfers", times=2)

    made = await bank.transfer(TRANSFER, f"outlasted-{mode}")

    assert made["status"] == "settled"
    assert sandbox.log(f"outlasted-{mode}") == [(int(mode), False), (int(mode), False), (201, False)]


@pytest.mark.parametrize("mode", ["429", "500"])
async def test_a_lasting_trouble_is_unavailable_after_three_tries(bank: Bank, sandbox: ServedBank, mode: str) -> None:
    sandbox.misbehave(mode)

    with pytest.raises(BankUnavailable, match=f"POST transfers: status {mode}"):
        await bank.transfer(TRANSFER, f"lasting-{mode}")
    with pytest.raises(BankUnavailable, match=f"GET customers/cust_1001: status {mode}"):
        await bank.customer("cust_1001")

    assert sandbox.log(f"lasting-{mode}") == [(int(mode), False)] * 3


async def test_a_bank_that_asks_for_a_long_pause_is_left_alone(bank: Bank, sandbox: ServedBank) -> None:
    sandbox.misbehave("429", "POST /transfers", delay_s=60)

    with pytest.raises(BankUnavailable):
        await bank.transfer(TRANSFER, "long-pause")

    assert sandbox.log("long-pause") == [(429, False)]


async def test_retry_after_is_honoured(bank: Bank, sandbox: ServedBank) -> None:
    sandbox.misbehave("429", "POST /transfers", times=1, delay_s=1)
    clock = asyncio.get_running_loop()

    started = clock.time()
    await bank.transfer(TRANSFER, "told-to-wait")

    assert clock.time() - started >= 1


async def test_a_bank_told_to_refuse_refuses_for_good(bank: Bank, sandbox: ServedBank) -> None:
    sandbox.misbehave("refuse", "POST /loan-accounts", times=1)

    for _ in range(2):
        with pytest.raises(BankRefused) as refusal:
            await bank.open_loan_account(LOAN, "told-to-refuse")
        assert refusal.value.code == "refused_by_switch"

    assert (await bank.open_loan_account(LOAN, "another-key"))["status"] == "disbursed"


async def test_an_answer_lost_after_the_commit_is_fetched_by_the_same_key(sandbox: ServedBank) -> None:
    sandbox.misbehave("timeout_after_commit", "POST /loan-accounts", times=1, delay_s=60)
    before = sandbox.booked_minor("ACC002")

    async with client(sandbox.url, timeout_s=0.5) as bank:
        paid = await bank.open_loan_account(LOAN, "lost-answer")

    assert paid["status"] == "disbursed"
    assert sandbox.booked_minor("ACC002") - before == 11_700_00
    assert sandbox.log("lost-answer") == [(201, False), (201, True)]


async def test_answers_lost_again_and_again_leave_one_payment_to_be_asked_for(sandbox: ServedBank) -> None:
    sandbox.misbehave("timeout_after_commit", "POST /loan-accounts", delay_s=60)
    before = sandbox.booked_minor("ACC002")

    async with client(sandbox.url, timeout_s=0.3) as bank:
        with pytest.raises(BankUnavailable, match="ReadTimeout"):
            await bank.open_loan_account(LOAN, "lost-answers")
        asked = await bank.outcome("lost-answers", LOAN.body())

    assert asked is not None
    assert asked["status"] == "disbursed"
    assert sandbox.booked_minor("ACC002") - before == 11_700_00
    assert sandbox.log("lost-answers") == [(201, False), (201, True), (201, True)]


async def test_a_connection_broken_after_the_commit_is_a_lost_answer_too(bank: Bank, sandbox: ServedBank) -> None:
    sandbox.misbehave("timeout_after_commit", "POST /loan-accounts", times=2)
    before = sandbox.booked_minor("ACC002")

    await bank.open_loan_account(LOAN, "broken-off")

    assert sandbox.booked_minor("ACC002") - before == 11_700_00


async def test_a_call_given_up_that_executes_later_still_pays_once(sandbox: ServedBank) -> None:
    sandbox.misbehave("slow", "POST /loan-accounts", times=1, delay_s=1)
    before = sandbox.booked_minor("ACC002")

    async with client(sandbox.url, timeout_s=0.3) as bank:
        await bank.open_loan_account(LOAN, "late")

    assert sandbox.awaited_log("late", lines=2) == [(201, False), (201, True)]
    assert sandbox.booked_minor("ACC002") - before == 11_700_00


async def test_a_slow_bank_is_waited_for(bank: Bank, sandbox: ServedBank) -> None:
    sandbox.misbehave("slow", delay_s=0.3)

    await bank.customer("cust_1001")
    await bank.transfer(TRANSFER, "waited-for")

    assert sandbox.log("waited-for") == [(201, False)]


async def test_a_bank_that_is_gone_is_unavailable(sandbox: ServedBank) -> None:
    async with stranger("200 OK", "") as gone:
        pass

    async with client(gone) as bank:
        assert not await bank.is_up()
        with pytest.raises(BankUnavailable, match="GET customers/cust_1001: ConnectError"):
            await bank.customer("cust_1001")


async def test_a_bank_that_is_there_is_up(bank: Bank) -> None:
    assert await bank.is_up()


async def test_a_wrong_key_is_an_outage_and_no_refusal(sandbox: ServedBank) -> None:
    async with client(sandbox.url, api_key="secret-of-yesterday") as bank:
        with pytest.raises(BankUnavailable, match="status 401") as outage:
            await bank.transfer(TRANSFER, "wrong-key")
        assert await bank.is_up()

    assert "secret-of-yesterday" not in str(outage.value)


async def test_a_404_that_is_not_the_banks_says_nothing_about_its_records(sandbox: ServedBank) -> None:
    async with client(f"{sandbox.url}/v2") as bank:
        with pytest.raises(BankUnavailable, match="status 404"):
            await bank.customer("cust_1001")
        with pytest.raises(BankUnavailable, match="status 404"):
            await bank.request_by_key("never-sent")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("400 Bad Request", "<html>proxy</html>"),
        ("422 Unprocessable Entity", '{"detail": "another product"}'),
        ("302 Found", ""),
    ],
)
async def test_a_no_in_other_words_than_the_banks_is_no_refusal(status: str, body: str) -> None:
    async with stranger(status, body) as url, client(url) as bank:
        with pytest.raises(BankUnavailable, match=f"status {status[:3]}"):
            await bank.transfer(TRANSFER, "stranger")


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ("", "Invalid JSON"),
        ("[]", "Account"),
        ('{"account_id": "ACC001"}', "overdraft_limit_minor"),
        (
            '{"account_id": "ACC001", "customer_id": null, "currency": "usd", "kind": "current", "state": "open",'
            ' "overdraft_limit_minor": 12.5}',
            "currency, overdraft_limit_minor",
        ),
    ],
)
async def test_an_answer_that_breaks_the_contract_is_unavailable_naming_where(body: str, wrong: str) -> None:
    async with stranger("200 OK", body) as url, client(url) as bank:
        with pytest.raises(BankUnavailable, match="breaks the contract") as outage:
            await bank.account("ACC001")

    assert wrong in str(outage.value)


async def test_a_bank_that_says_it_paid_something_else_needs_reconciling() -> None:
    paid = (
        '{"loan_account_id": "lon_1", "transfer_id": "trf_1", "status": "disbursed", "customer_id": "cust_2002",'
        ' "disburse_to_account": "ACC001", "principal_minor": 1200000, "paid_out_minor": 1170000, "currency": "USD"}'
    )
    async with stranger("201 Created", paid) as url, client(url) as bank:
        with pytest.raises(NeedsReconcile, match="ACC001"):
            await bank.open_loan_account(LOAN, "elsewhere")


async def test_a_hundred_calls_at_once_share_one_client(bank: Bank, sandbox: ServedBank) -> None:
    before = sandbox.booked_minor("ACC002")

    await asyncio.gather(*(bank.open_loan_account(LOAN, f"at-once-{number % 20}") for number in range(100)))

    assert sandbox.booked_minor("ACC002") - before == 20 * 11_700_00
    assert sandbox.ledger()["unbalanced"] == sandbox.ledger()["drifted_balances"] == []


async def test_a_connection_that_the_bank_gave_up_is_not_used_again() -> None:
    met: list[asyncio.StreamWriter] = []

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(ACCOUNT)}\r\n\r\n{ACCOUNT}".encode())
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer_once, "127.0.0.1", 0) as server:
        bank = Bank(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", API_KEY)
        await bank.account("ACC001")
        await met[0].wait_closed()
        await bank.account("ACC001")
        await bank.aclose()

    assert len(met) == 2


async def test_a_bank_elsewhere_is_asked_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with stranger("200 OK", ACCOUNT) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")
        async with client("http://bank.test/v1") as bank:
            account = await bank.account("ACC001")

    assert account.account_id == "ACC001"
