"""What our effects and the bank's books say differently. Nothing is mended here: each difference is for a person."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "effect_without_movement",
    "movement_without_effect",
    "amount_differs",
    "currency_differs",
    "account_differs",
    "status_differs",
    "record_differs",
    "hold_left_open",
    "transfer_returned_unnoticed",
    "balance_chain_broken",
    "needs_reconcile",
]

CAME_BACK = ("rejected", "returned")


@dataclass(frozen=True, slots=True)
class Terms:
    """What moved, or was to. None: not stated, so nothing to compare. `record` is the hold that was acted on."""

    amount_minor: int | None = None
    currency: str | None = None
    source_account: str | None = None
    destination_account: str | None = None
    creditor_iban: str | None = None
    record: str | None = None
    creditor_routing_number: str | None = None
    creditor_account_number: str | None = None


@dataclass(frozen=True, slots=True)
class OurEffect:
    """An effect as our books have it. `settled_states` are what the bank's record may be in once it is done."""

    key: str
    kind: str
    status: Literal["intended", "done", "failed", "needs_reconcile"]
    terms: Terms
    contradiction: str | None = None
    case_over: bool = False
    return_noticed: bool = False
    settled_states: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Booking:
    """What an account's statement says of a movement: `expected_minor` follows from the movement's own record."""

    account: str
    booked_minor: int | None
    expected_minor: int


@dataclass(frozen=True, slots=True)
class Movement:
    """What the bank did under a key, as its records are now.

    `accepted`: it did not refuse. `state` is its record's: of a loan account, a hold or a transfer. `same_request` and
    `same_answer`: the bank keeps the request and the answer that we keep. `came_back` is `rejected` or `returned`, told
    only of what came back long enough ago to be known to us.
    """

    key: str
    accepted: bool
    terms: Terms = Terms()
    state: str | None = None
    refusal: str | None = None
    same_request: bool = True
    same_answer: bool = True
    came_back: str | None = None
    booking: Booking | None = None


@dataclass(frozen=True, slots=True)
class Unexplained:
    """A request that the bank answered under our API key and that no effect of any tenant explains."""

    key: str
    path: str
    received_at: str
    terms: Terms


@dataclass(frozen=True, slots=True)
class Chain:
    """An account's statement over the period; `balance_minor` is its booked balance when that was written, None if it
    moved meanwhile."""

    account: str
    opening_minor: int
    entries_minor: int
    closing_minor: int
    balance_minor: int | None


@dataclass(frozen=True, slots=True)
class Difference:
    """`ours` and `bank` hold only what differs, so that the same difference is the same whenever it is seen."""

    kind: Kind
    subject: str
    ours: Mapping[str, Any]
    bank: Mapping[str, Any]


def of_effect(effect: OurEffect, movement: Movement | None) -> list[Difference]:
    """`movement` is None if the bank never answered the effect's key. An effect that is still intended differs from
    nothing: whether it was sent is not known yet, or it was not."""
    if effect.status == "needs_reconcile" or effect.contradiction is not None:
        ours = {"effect": effect.kind, "contradiction": effect.contradiction}
        return [Difference("needs_reconcile", effect.key, ours, _brief(movement))]
    if effect.status == "intended":
        return []
    if effect.status == "failed":
        return list(_of_failed(effect, movement))
    if movement is None:
        ours = {"effect": effect.kind, "status": "done", **_stated(effect.terms)}
        return [Difference("effect_without_movement", effect.key, ours, {})]
    return list(_of_done(effect, movement))


def of_unexplained(request: Unexplained) -> Difference:
    bank = {"path": request.path, "received_at": request.received_at, **_stated(request.terms)}
    return Difference("movement_without_effect", request.key, {}, bank)


def of_chain(chain: Chain) -> list[Difference]:
    """Opening balance and entries must make the closing balance, and that is what the account has."""
    found = []
    gap = chain.closing_minor - chain.opening_minor - chain.entries_minor
    if gap:
        bank = {"closing_exceeds_entries_by_minor": gap}
        found.append(Difference("balance_chain_broken", chain.account, {}, bank))
    if chain.balance_minor is not None and chain.balance_minor != chain.closing_minor:
        bank = {"balance_exceeds_statement_by_minor": chain.balance_minor - chain.closing_minor}
        found.append(Difference("balance_chain_broken", chain.account, {}, bank))
    return found


def compare(
    effects: Sequence[tuple[OurEffect, Movement | None]], unexplained: Sequence[Unexplained], chains: Sequence[Chain]
) -> list[Difference]:
    found = [difference for effect, movement in effects for difference in of_effect(effect, movement)]
    found += [of_unexplained(request) for request in unexplained]
    found += [difference for chain in chains for difference in of_chain(chain)]
    return found


def _of_failed(effect: OurEffect, movement: Movement | None) -> Iterator[Difference]:
    if movement is not None and movement.accepted:
        ours = {"effect": effect.kind, "status": "failed"}
        yield Difference("status_differs", effect.key, ours, _brief(movement))


def _of_done(effect: OurEffect, movement: Movement) -> Iterator[Difference]:
    if not movement.accepted:
        ours = {"effect": effect.kind, "status": "done"}
        yield Difference("status_differs", effect.key, ours, _brief(movement))
        return
    differing = list(_of_terms(effect, movement))
    yield from differing
    if not differing and not (movement.same_request and movement.same_answer):
        which = "answer" if movement.same_request else "request"
        yield Difference("record_differs", effect.key, {"effect": effect.kind, "kept": which}, _brief(movement))
    yield from _of_state(effect, movement)
    if movement.booking is not None:
        yield from _of_booking(effect, movement.booking)


def _of_terms(effect: OurEffect, movement: Movement) -> Iterator[Difference]:
    ours, bank = effect.terms, movement.terms
    kinds: tuple[tuple[str, Kind], ...] = (
        ("amount_minor", "amount_differs"),
        ("currency", "currency_differs"),
        ("source_account", "account_differs"),
        ("destination_account", "account_differs"),
        ("creditor_iban", "account_differs"),
        ("creditor_routing_number", "account_differs"),
        ("creditor_account_number", "account_differs"),
        ("record", "record_differs"),
    )
    for name, kind in kinds:
        said, found = getattr(ours, name), getattr(bank, name)
        if said is not None and found is not None and said != found:
            yield Difference(kind, effect.key, {"effect": effect.kind, name: said}, {name: found})


def _of_state(effect: OurEffect, movement: Movement) -> Iterator[Difference]:
    kept = {"effect": effect.kind, "status": "done"}
    if effect.settled_states is not None and movement.state not in effect.settled_states:
        yield Difference("status_differs", effect.key, kept, {"status": movement.state})
    if movement.state == "active" and effect.case_over:
        bank = {"status": "active", **_stated(movement.terms)}
        yield Difference("hold_left_open", effect.key, {"effect": effect.kind, "case": "over"}, bank)
    if movement.came_back is not None and not effect.return_noticed:
        ours = {"effect": effect.kind, "returned": False}
        yield Difference("transfer_returned_unnoticed", effect.key, ours, {"status": movement.came_back})


def _of_booking(effect: OurEffect, booking: Booking) -> Iterator[Difference]:
    ours = {"effect": effect.kind, "account": booking.account, "amount_minor": booking.expected_minor}
    if booking.booked_minor is None:
        yield Difference("effect_without_movement", effect.key, ours, {"statement": "has no such entry"})
    elif booking.booked_minor != booking.expected_minor:
        yield Difference("amount_differs", effect.key, ours, {"statement_minor": booking.booked_minor})


def _brief(movement: Movement | None) -> dict[str, Any]:
    if movement is None:
        return {"request": "unknown"}
    if not movement.accepted:
        return {"request": "refused", "code": movement.refusal}
    return {"request": "accepted", **_stated(movement.terms)}


def _stated(terms: Terms) -> dict[str, Any]:
    named = ((name, getattr(terms, name)) for name in Terms.__slots__)
    return {name: value for name, value in named if value is not None}
