"""Statements and orders as files: their structure, and that opening and entries make the closing balance."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
import sepaxml  # type: ignore[import-untyped]  # it has none
import xmlschema

from tests.api.sandbox.test_sandbox_ledger import open_accounts
from tests.served_bank import ServedBank

NS = {"c": "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"}


def busy_account(bank: ServedBank, name: str) -> str:
    """100.00 came in, 10.00 went to ACC002, 5.00 to a bank that rejected it, 20.00 to one that took it."""
    (account,) = open_accounts(bank, name, 1, 100_00)
    pay(bank, account, "ACC002", "10.00")
    rejected = pay(bank, account, "EXT002", "5.00")
    settled = pay(bank, account, "EXT001", "20.00")
    bank.awaited(f"/transfers/{rejected}", status="rejected")
    bank.awaited(f"/transfers/{settled}", status="settled")
    return account


def pay(bank: ServedBank, source: str, destination: str, amount: str) -> str:
    order = {
        "source_account": source,
        "destination_account": destination,
        "amount": amount,
        "reference": "für & <dich>",
    }
    return str(bank.post("/transfers", order, key=f"{source}-{destination}").raise_for_status().json()["transfer_id"])


def statement(bank: ServedBank, account: str, **query: str) -> httpx.Response:
    return bank.http.get(f"/accounts/{account}/statement", params=query).raise_for_status()


def signed(element: ElementTree.Element) -> Decimal:
    amount = Decimal(text(element, "c:Amt"))
    return -amount if text(element, "c:CdtDbtInd") == "DBIT" else amount


def text(element: ElementTree.Element, path: str) -> str:
    found = element.findtext(path, namespaces=NS)
    assert found is not None, path
    return found


def test_opening_and_entries_make_the_closing_balance(bank: ServedBank) -> None:
    account = busy_account(bank, "SUMS")

    found = statement(bank, account).json()

    amounts = [entry["amount_minor"] for entry in found["entries"]]
    assert amounts == [100_00, -10_00, -5_00, -20_00, 5_00]
    assert (found["opening_booked_minor"], found["closing_booked_minor"]) == (0, 70_00)
    assert found["closing_balance"] == "70.00"
    assert bank.booked_minor(account) == 70_00


def test_an_entry_names_its_day_transfer_and_counterparty(bank: ServedBank) -> None:
    account = busy_account(bank, "ENTRY")

    first, sent, _, _, back = statement(bank, account).json()["entries"]

    assert first["counterparty"] is None
    assert sent["counterparty"] == {"account": "ACC002", "iban": "DE32500999000004711274", "name": "Marcus Okafor"}
    assert sent["booking_date"] == sent["value_date"] == datetime.now(UTC).date().isoformat()
    assert (sent["direction"], sent["amount"], sent["reference"]) == ("debit", "-10.00", "für & <dich>")
    assert (back["transfer_status"], back["reason"], back["direction"]) == ("rejected", "AC04", "credit")
    assert back["counterparty"]["name"] == "Rhenus Freight GmbH"


def test_a_statement_begins_with_what_was_booked_before_it(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "DAYS", 1, 100_00)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()

    later = statement(bank, account, **{"from": tomorrow, "to": tomorrow}).json()
    earlier = statement(bank, account, **{"from": "2001-01-01", "to": "2001-12-31"}).json()

    assert (later["opening_booked_minor"], later["closing_booked_minor"], later["entries"]) == (100_00, 100_00, [])
    assert (earlier["opening_booked_minor"], earlier["closing_booked_minor"], earlier["entries"]) == (0, 0, [])


def test_camt_053_says_the_same_as_json(bank: ServedBank) -> None:
    account = busy_account(bank, "CAMT")
    answer = statement(bank, account, format="camt.053")
    found = statement(bank, account).json()

    root = ElementTree.fromstring(answer.content)

    assert answer.headers["Content-Type"].startswith("application/xml")
    (written,) = root.findall("c:BkToCstmrStmt/c:Stmt", NS)
    opening, closing = written.findall("c:Bal", NS)
    entries = written.findall("c:Ntry", NS)
    codes = [text(balance, "c:Tp/c:CdOrPrtry/c:Cd") for balance in (opening, closing)]
    assert codes == ["OPBD", "CLBD"]
    assert signed(opening) + sum(map(signed, entries)) == signed(closing) == Decimal("70.00")
    assert [text(entry, "c:NtryRef") for entry in entries] == [str(entry["entry_id"]) for entry in found["entries"]]
    assert text(written, "c:TxsSummry/c:TtlNtries/c:NbOfNtries") == "5"
    assert text(written, "c:TxsSummry/c:TtlNtries/c:Sum") == "140.00"
    assert text(written, "c:TxsSummry/c:TtlDbtNtries/c:Sum") == "35.00"
    assert text(written, "c:Acct/c:Ownr/c:Nm") == "Eleanor Whitfield"


def test_a_camt_entry_has_parties_remittance_and_reason_in_the_schemas_order(bank: ServedBank) -> None:
    account = busy_account(bank, "PARTY")

    root = ElementTree.fromstring(statement(bank, account, format="camt.053").content)

    _, sent, _, _, back = root.findall("c:BkToCstmrStmt/c:Stmt/c:Ntry", NS)
    details = sent.find("c:NtryDtls/c:TxDtls", NS)
    assert details is not None
    assert [tag(child) for child in root.findall("c:BkToCstmrStmt/c:Stmt", NS)[0]][:8] == [
        *("Id", "CreDtTm", "FrToDt", "Acct", "Bal", "Bal", "TxsSummry", "Ntry"),
    ]
    assert [tag(child) for child in sent] == [
        *("NtryRef", "Amt", "CdtDbtInd", "Sts", "BookgDt", "ValDt", "AcctSvcrRef", "BkTxCd", "NtryDtls"),
    ]
    assert [tag(child) for child in details] == ["Refs", "Amt", "CdtDbtInd", "RltdPties", "RmtInf"]
    assert text(details, "c:RltdPties/c:Cdtr/c:Pty/c:Nm") == "Marcus Okafor"
    assert text(details, "c:RltdPties/c:CdtrAcct/c:Id/c:IBAN") == "DE32500999000004711274"
    assert text(details, "c:RltdPties/c:DbtrAcct/c:Id/c:Othr/c:Id") == account
    assert text(details, "c:RmtInf/c:Ustrd") == "für & <dich>"
    assert text(back, "c:NtryDtls/c:TxDtls/c:RtrInf/c:Rsn/c:Cd") == "AC04"
    assert text(back, "c:NtryDtls/c:TxDtls/c:RltdPties/c:Cdtr/c:Pty/c:Nm") == "Rhenus Freight GmbH"


def tag(element: ElementTree.Element) -> str:
    return element.tag.partition("}")[2]


def test_accepting_xml_asks_for_camt_053(bank: ServedBank) -> None:
    answer = bank.http.get("/accounts/ACC001/statement", headers={"Accept": "application/xml"})

    (iban,) = ElementTree.fromstring(answer.content).findall("c:BkToCstmrStmt/c:Stmt/c:Acct/c:Id/c:IBAN", NS)
    assert iban.text == "DE45500999000004711137"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "2026-02-30"}, "from"),
        ({"from": "2026-02-02", "to": "2026-02-01"}, "from"),
        ({"from": "2024-01-01", "to": "2026-01-01"}, "from"),
        ({"to": "9999-12-31"}, "to"),
        ({"format": "mt940"}, "format"),
    ],
)
def test_a_wrong_period_is_refused(bank: ServedBank, query: dict[str, str], field: str) -> None:
    answer = bank.http.get("/accounts/ACC001/statement", params=query)

    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_a_statement_of_nobodys_account_is_a_404(bank: ServedBank) -> None:
    assert bank.http.get("/accounts/ACC999/statement").json()["code"] == "unknown_account"


@pytest.mark.parametrize(("source", "currency"), [("ACC001", "USD"), ("EUR001", "EUR")])
def test_a_transfer_is_exported_as_a_valid_pain_001(bank: ServedBank, source: str, currency: str) -> None:
    transfer_id = pay(bank, source, "EXT004", "12.34")

    answer = bank.http.get(f"/transfers/{transfer_id}/pain.001")

    schema = Path(sepaxml.__file__).parent / "schemas/pain.001.001.09.xsd"
    valid: Any = xmlschema.XMLSchema(schema).to_dict(BytesIO(answer.content))
    order = valid["CstmrCdtTrfInitn"]
    (payment,) = order["PmtInf"]
    (written,) = payment["CdtTrfTxInf"]
    assert order["GrpHdr"]["CtrlSum"] == Decimal("12.34")
    assert written["Amt"]["InstdAmt"] == {"@Ccy": currency, "$": Decimal("12.34")}
    assert written["CdtrAcct"]["Id"]["IBAN"] == "FR1420041010050500013M02606"
    assert written["Cdtr"]["Nm"] == "Boulangerie Lemaire SARL"
    assert written["PmtId"]["EndToEndId"] == transfer_id.removeprefix("trf_")


def test_a_transfer_between_accounts_without_iban_has_no_pain_001(bank: ServedBank) -> None:
    (account,) = open_accounts(bank, "NOIBAN", 1, 100_00)

    answer = bank.http.get(f"/transfers/{pay(bank, account, 'EXT001', '1.00')}/pain.001")

    assert (answer.status_code, answer.json()["code"]) == (409, "no_iban")
