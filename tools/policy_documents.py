"""Policy documents from proposal to approval: by two people, for a day to come, with an audit row for each act."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Literal

from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db import audit
from db.actor import Actor, Role
from db.audit import Deed
from db.canonical import sha256_hex
from db.errors import Conflict, Forbidden, InvalidInput, NotFound
from tools.policy_shelf import OWN_POLICIES, OWN_SCORECARDS
from tools.rules.card_facts import Fault, fault_of
from tools.rules.plain import Misfit, to_plain
from tools.rules.policy_document import Policy
from tools.rules.policy_forms import Kind, read_policy, read_scorecard, whole
from tools.rules.scorecard_document import Scorecard

Status = Literal["proposed", "approved", "rejected", "withdrawn", "revoked"]
COLUMNS = """kind, version, in_force_from, document, sha256, status, note, proposed_by, proposed_at, decided_by,
             decided_at, reason"""


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """One version. Those that come with the program have no proposer."""

    kind: Kind
    version: str
    in_force_from: date | None
    document: dict[str, Any]
    sha256: str
    status: Status
    note: str
    proposed_by: str | None = None
    proposed_at: datetime | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one person says of a proposal, of exactly the document with this SHA-256."""

    status: Literal["approved", "rejected", "withdrawn"]
    sha256: str
    reason: str


def shipped() -> list[StoredDocument]:
    """The program's own versions, which every tenant has."""
    of_policies = (_shipped("credit_policy", policy, policy.in_force_from) for policy in OWN_POLICIES.values())
    return [*of_policies, *(_shipped("scorecard", card, None) for card in OWN_SCORECARDS.values())]


async def documents(conn: AsyncConnection[Any], tenant_id: str) -> list[StoredDocument]:
    """The program's, then the tenant's own as they were proposed."""
    async with conn.cursor(row_factory=class_row(StoredDocument)) as cur:
        await cur.execute(
            f"SELECT {COLUMNS} FROM policy_documents WHERE tenant_id = %(tenant_id)s ORDER BY proposed_at, version",
            {"tenant_id": tenant_id},
        )
        return [*shipped(), *await cur.fetchall()]


async def document(conn: AsyncConnection[Any], tenant_id: str, kind: Kind, version: str) -> StoredDocument:
    """Raises NotFound."""
    for own in shipped():
        if (own.kind, own.version) == (kind, version):
            return own
    return await _stored(conn, tenant_id, kind, version, "")


async def propose(
    conn: AsyncConnection[Any], actor: Actor, kind: Kind, proposal: Mapping[str, Any], today: date
) -> StoredDocument:
    """`proposal` is `document` and `note`. Raises InvalidInput by field, Conflict if there is that version."""
    read, plain = _read(kind, proposal["document"])
    in_force_from = read.in_force_from if isinstance(read, Policy) else None
    if in_force_from is not None and in_force_from < today:
        raise InvalidInput("document.in_force_from", f"must be {today} or later: what was decided stays so")
    if (kind, read.version) in {(own.kind, own.version) for own in shipped()}:
        raise Conflict(f"{_name(kind, read.version)} comes with the program; choose another version")
    if isinstance(read, Policy) and (fault := await _missing(conn, actor.tenant_id, read)):
        raise InvalidInput(f"document.{fault[0]}", fault[1])
    values = {
        "tenant_id": actor.tenant_id, "kind": kind, "version": read.version, "in_force_from": in_force_from,
        "document": Jsonb(plain), "sha256": sha256_hex(plain), "note": proposal["note"], "person": actor.person,
    }  # fmt: skip
    async with conn.cursor(row_factory=class_row(StoredDocument)) as cur:
        await cur.execute(
            f"""
            INSERT INTO policy_documents (tenant_id, kind, version, in_force_from, document, sha256, note, proposed_by)
            VALUES (%(tenant_id)s, %(kind)s, %(version)s, %(in_force_from)s, %(document)s, %(sha256)s, %(note)s,
                    %(person)s)
            ON CONFLICT (tenant_id, kind, version) DO NOTHING RETURNING {COLUMNS}
            """,
            values,
        )
        stored = await cur.fetchone()
    if stored is None:
        raise Conflict(f"there is a {_name(kind, read.version)} already; none is ever edited: choose another version")
    await audit.record(conn, _deed(actor, "proposed", stored, stored.note))
    return stored


async def decide(
    conn: AsyncConnection[Any], actor: Actor, kind: Kind, version: str, verdict: Verdict, today: date
) -> StoredDocument:
    """Approved or rejected by somebody else, never an agent; withdrawn by whoever proposed it; once, in any case.

    Raises NotFound, Forbidden, Conflict.
    """
    found = await _stored(conn, actor.tenant_id, kind, version, "FOR UPDATE")
    _check_person(actor, found, verdict)
    if found.status != "proposed":
        raise Conflict(f"{_name(kind, version)} is {found.status} already, by {found.decided_by}")
    if found.sha256 != verdict.sha256:
        raise Conflict(f"the SHA-256 is not that of {_name(kind, version)}: look at it again")
    if verdict.status == "approved":
        await _check_approvable(conn, actor.tenant_id, found, today)
    try:
        async with conn.transaction(), conn.cursor(row_factory=class_row(StoredDocument)) as cur:
            await cur.execute(
                f"""
                UPDATE policy_documents
                SET status = %(status)s, decided_by = %(person)s, decided_at = now(), reason = %(reason)s
                WHERE tenant_id = %(tenant_id)s AND kind = %(kind)s AND version = %(version)s
                RETURNING {COLUMNS}
                """,
                {"tenant_id": actor.tenant_id, "kind": kind, "version": version, "person": actor.person}
                | {"status": verdict.status, "reason": verdict.reason},
            )
            decided = await cur.fetchone()
    except UniqueViolation as exc:
        raise Conflict(f"another policy comes into force on {found.in_force_from}; propose it for another day") from exc
    assert decided is not None
    await audit.record(conn, _deed(actor, verdict.status, decided, verdict.reason))
    return decided


def in_force(found: list[StoredDocument], on: date) -> set[tuple[Kind, str]]:
    """Kind and version of the policy that decides on that day, and of the scorecard it names; as PolicyShelf."""
    mine = [d for d in found if d.status == "approved" and d.in_force_from is not None and d.in_force_from <= on]
    own = [d for d in mine if d.proposed_by is not None] or mine
    if not own:
        return set()
    latest = max(own, key=lambda d: d.in_force_from or on)
    return {("credit_policy", latest.version), ("scorecard", latest.document["scorecard"])}


def _shipped(kind: Kind, read: Policy | Scorecard, in_force_from: date | None) -> StoredDocument:
    plain = to_plain(read)
    return StoredDocument(
        kind, read.version, in_force_from, plain, sha256_hex(plain), "approved", "Comes with the program"
    )


def _read(kind: Kind, plain: Any) -> tuple[Policy | Scorecard, dict[str, Any]]:
    try:
        read = read_policy(plain) if kind == "credit_policy" else read_scorecard(plain)
        return read, whole(kind, plain)
    except Misfit as exc:
        raise InvalidInput(f"document.{exc.path}".rstrip("."), exc.fault) from exc


async def _stored(conn: AsyncConnection[Any], tenant_id: str, kind: Kind, version: str, lock: str) -> StoredDocument:
    async with conn.cursor(row_factory=class_row(StoredDocument)) as cur:
        await cur.execute(
            f"""
            SELECT {COLUMNS} FROM policy_documents
            WHERE tenant_id = %(tenant_id)s AND kind = %(kind)s AND version = %(version)s {lock}
            """,
            {"tenant_id": tenant_id, "kind": kind, "version": version},
        )
        found = await cur.fetchone()
    if found is None:
        raise NotFound(kind.replace("_", " "), version)
    return found


def _check_person(actor: Actor, found: StoredDocument, verdict: Verdict) -> None:
    if Role.AGENT in actor.roles:
        raise Forbidden("an agent decides no policy")
    if verdict.status == "withdrawn" and found.proposed_by != actor.person:
        raise Forbidden(f"only {found.proposed_by}, who proposed it, may withdraw it; reject it instead")
    if verdict.status != "withdrawn" and found.proposed_by == actor.person:
        raise Forbidden("who proposed a document does not decide on it; somebody else must")


async def _check_approvable(conn: AsyncConnection[Any], tenant_id: str, found: StoredDocument, today: date) -> None:
    """Again, since days go by and others decide: its day is not past, and what it names may be used."""
    if found.in_force_from is None:
        return
    if found.in_force_from < today:
        raise Conflict(f"it was to come into force on {found.in_force_from}; propose it for a day to come")
    if fault := await _missing(conn, tenant_id, read_policy(found.document)):
        raise Conflict(f"{fault[0]}: {fault[1]}")


async def _missing(conn: AsyncConnection[Any], tenant_id: str, policy: Policy) -> Fault | None:
    """The field that names a document we do not have, or that does not say how to read a card, and why.

    Challengers need no approval: they decide nothing.
    """
    usable = {(d.kind, d.version): d for d in await documents(conn, tenant_id) if d.status in ("proposed", "approved")}
    champion = usable.get(("scorecard", policy.scorecard))
    if champion is None or champion.status != "approved":
        return "scorecard", f"no scorecard {policy.scorecard} is approved"
    for at, mapping in enumerate(policy.mappings):
        if ("scorecard", mapping.scorecard) not in usable:
            return f"mappings[{at}].scorecard", f"there is no scorecard {mapping.scorecard}"
    if fault := fault_of(policy, read_scorecard(champion.document)):
        return fault
    for at, each in enumerate(policy.challengers):
        card = usable.get(("scorecard", each.scorecard))
        if card is None:
            return f"challengers[{at}].scorecard", f"there is no scorecard {each.scorecard}"
        other = usable.get(("credit_policy", each.policy)) if each.policy is not None else None
        if each.policy is not None and other is None:
            return f"challengers[{at}].policy", f"there is no credit policy {each.policy}"
        judging = policy if other is None else read_policy(other.document)
        if fault := fault_of(judging, read_scorecard(card.document)):
            return fault if other is None else (f"challengers[{at}].policy", f"{each.policy}: {fault[0]} {fault[1]}")
    return None


def _deed(actor: Actor, act: str, stored: StoredDocument, why: str) -> Deed:
    record = {key: value for key, value in asdict(stored).items() if key in ("kind", "version", "sha256")}
    day = stored.in_force_from.isoformat() if stored.in_force_from else None
    return Deed(actor.tenant_id, actor.person, f"policy.{act}", record | {"in_force_from": day, "why": why})


def _name(kind: Kind, version: str) -> str:
    return f"{kind.replace('_', ' ')} {version}"
