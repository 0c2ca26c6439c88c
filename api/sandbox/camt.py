"""A statement as ISO 20022's camt.053.001.08. The order of elements is the schema's."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Any
from xml.etree import ElementTree

from api.sandbox.money import in_major

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"

_LONGEST_OTHER_ID = 34

Content = str | Sequence["Node"]
Node = tuple[str, Content] | tuple[str, Content, dict[str, str]]


def camt_053(statement: dict[str, Any]) -> bytes:
    """The file of one statement, as `statements.statement` has it."""
    created = _instant(statement["created_at"])
    header: Node = ("GrpHdr", [("MsgId", uuid.uuid4().hex), ("CreDtTm", created)])
    first, last = (datetime.combine(statement[day], time(), UTC) for day in ("from", "to"))
    period: Node = (
        "FrToDt",
        [("FrDtTm", _instant(first)), ("ToDtTm", _instant(last.replace(hour=23, minute=59, second=59)))],
    )
    of_statement = f"{statement['account_id']} {statement['from']} {statement['to']}"
    body: list[Node] = [
        ("Id", uuid.uuid5(uuid.NAMESPACE_URL, of_statement).hex),
        ("CreDtTm", created),
        period,
        ("Acct", _account(statement)),
        _balance("OPBD", statement["opening_booked_minor"], statement, statement["from"].isoformat()),
        _balance("CLBD", statement["closing_booked_minor"], statement, statement["to"].isoformat()),
        ("TxsSummry", _summary(statement["entries"], statement["currency"])),
        *(("Ntry", _entry(entry, statement)) for entry in statement["entries"]),
    ]
    document: Node = ("Document", [("BkToCstmrStmt", [header, ("Stmt", body)])], {"xmlns": NAMESPACE})
    return bytes(ElementTree.tostring(_element(document), "utf-8", xml_declaration=True))


def _element(node: Node) -> ElementTree.Element:
    element = ElementTree.Element(node[0], node[2] if len(node) == 3 else {})
    if isinstance(node[1], str):
        element.text = node[1]
    else:
        element.extend(_element(child) for child in node[1])
    return element


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _amount(amount_minor: int, currency: str) -> Node:
    return ("Amt", in_major(abs(amount_minor), currency), {"Ccy": currency})


def _sign(amount_minor: int) -> Node:
    return ("CdtDbtInd", "DBIT" if amount_minor < 0 else "CRDT")


def _account_id(account_id: str | None, iban: str | None) -> Node:
    """The end of an id that is too long for the schema: ours begin alike."""
    if iban is not None:
        return ("Id", [("IBAN", iban)])
    return ("Id", [("Othr", [("Id", (account_id or "UNKNOWN")[-_LONGEST_OTHER_ID:])])])


def _account(statement: dict[str, Any]) -> list[Node]:
    account: list[Node] = [_account_id(statement["account_id"], statement["iban"]), ("Ccy", statement["currency"])]
    return [*account, ("Ownr", [("Nm", statement["owner"])])] if statement["owner"] else account


def _balance(code: str, balance_minor: int, statement: dict[str, Any], day: str) -> Node:
    return (
        "Bal",
        [
            ("Tp", [("CdOrPrtry", [("Cd", code)])]),
            _amount(balance_minor, statement["currency"]),
            _sign(balance_minor),
            ("Dt", [("Dt", day)]),
        ],
    )


def _summary(entries: list[dict[str, Any]], currency: str) -> list[Node]:
    credited = [entry["amount_minor"] for entry in entries if entry["amount_minor"] > 0]
    debited = [entry["amount_minor"] for entry in entries if entry["amount_minor"] < 0]
    net_minor = sum(credited) + sum(debited)

    def total(amounts: list[int]) -> list[Node]:
        moved_minor = sum(map(abs, amounts))
        return [("NbOfNtries", str(len(amounts))), ("Sum", in_major(moved_minor, currency))]

    net: list[Node] = [("Amt", in_major(abs(net_minor), currency)), _sign(net_minor)]
    return [
        ("TtlNtries", [*total(credited + debited), ("TtlNetNtry", net)]),
        ("TtlCdtNtries", total(credited)),
        ("TtlDbtNtries", total(debited)),
    ]


def _entry(entry: dict[str, Any], statement: dict[str, Any]) -> list[Node]:
    entry_id, amount_minor = str(entry["entry_id"]), entry["amount_minor"]
    return [
        ("NtryRef", entry_id),
        _amount(amount_minor, statement["currency"]),
        _sign(amount_minor),
        ("Sts", [("Cd", "BOOK")]),
        ("BookgDt", [("Dt", entry["booking_date"].isoformat())]),
        ("ValDt", [("Dt", entry["value_date"].isoformat())]),
        ("AcctSvcrRef", entry_id),
        ("BkTxCd", _transaction_code(entry)),
        ("NtryDtls", [("TxDtls", _details(entry, statement))]),
    ]


def _transaction_code(entry: dict[str, Any]) -> list[Node]:
    """Of ISO's external bank transaction codes: domain, family, subfamily."""
    family = "ICDT" if entry["direction"] == "debit" else "RCDT"
    match entry["transfer_status"]:
        case None:
            family, subfamily = "OTHR", "NTAV"
        case "rejected" | "returned":
            family, subfamily = "ICDT", "RRTN"
        case "submitted":
            subfamily = "ESCT"
        case _:
            subfamily = "BOOK"
    of_payments: Node = ("Fmly", [("Cd", family), ("SubFmlyCd", subfamily)])
    return [("Domn", [("Cd", "PMNT"), of_payments])]


def _details(entry: dict[str, Any], statement: dict[str, Any]) -> list[Node]:
    transfer_id = (entry["transfer_id"] or "").removeprefix("trf_")
    references: list[Node] = [("EndToEndId", transfer_id or "NOTPROVIDED")]
    if transfer_id:
        references.append(("TxId", transfer_id))
    details: list[Node] = [
        ("Refs", references),
        _amount(entry["amount_minor"], statement["currency"]),
        _sign(entry["amount_minor"]),
    ]
    if entry["counterparty"] is not None:
        details.append(("RltdPties", _parties(entry, statement)))
    details.append(("RmtInf", [("Ustrd", entry["reference"][:140])]))
    if entry["reason"] is not None:
        details.append(("RtrInf", [("Rsn", [("Cd", entry["reason"])])]))
    return details


def _parties(entry: dict[str, Any], statement: dict[str, Any]) -> list[Node]:
    """Who paid and who was paid in the first place: what comes back keeps them."""
    other, came_back = entry["counterparty"], entry["transfer_status"] in ("rejected", "returned")
    own = {"account": statement["account_id"], "iban": statement["iban"], "name": statement["owner"]}
    own_pays = (entry["direction"] == "debit") != came_back
    debtor, creditor = (own, other) if own_pays else (other, own)
    return [*_party("Dbtr", debtor), *_party("Cdtr", creditor)]


def _party(role: str, party: dict[str, Any]) -> list[Node]:
    named: list[Node] = [] if party["name"] is None else [(role, [("Pty", [("Nm", party["name"])])])]
    account_id = party.get("account_number") or party["account"]
    return [*named, (f"{role}Acct", [_account_id(account_id, party["iban"])])]
