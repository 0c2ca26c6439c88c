"""A market event as it is validated at the edge, and a follow-up of one client."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from tools.loan_request import RecordId
from tools.payment_request import Name, Reference

MoveBps = Annotated[int, Field(strict=True, ge=-10_000, le=100_000)]
Rating = Annotated[str, Field(pattern=r"^(AAA|AA|A|BBB|BB|B|CCC|CC|C|D)[+-]?$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PriceShock(_Strict):
    kind: Literal["price_shock"]
    instrument_id: RecordId
    move_bps: MoveBps


class Downgrade(_Strict):
    """`rating` is what it is now, in the letters of S&P and Fitch."""

    kind: Literal["downgrade"]
    instrument_id: RecordId
    rating: Rating


class CorporateAction(_Strict):
    kind: Literal["corporate_action"]
    instrument_id: RecordId
    action: Literal["merger", "split", "tender_offer", "rights_issue", "delisting", "call"]


class RateChange(_Strict):
    """Concerns whoever holds bonds in the currency."""

    kind: Literal["rate_change"]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    move_bps: MoveBps


class MarketEvent(_Strict):
    """The same `event_id` is the same event. `draft_by`: an agent of this kind drafts each follow-up first."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "event_id": "husa-2026-11-20",
                    "event": {"kind": "price_shock", "instrument_id": "HUSA", "move_bps": -1800},
                    "headline": "Shares of the USA fall by 18 %",
                }
            ]
        },
    )

    event_id: RecordId
    event: Annotated[PriceShock | Downgrade | CorporateAction | RateChange, Field(discriminator="kind")]
    headline: Annotated[Reference, Field(min_length=1)]
    draft_by: Name | None = None


class FollowUpRequest(_Strict):
    """One client of an event; started by the event's own case."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"event_id": "husa-2026-11-20", "client_id": "client-001", "draft_by": None}]},
    )

    event_id: RecordId
    client_id: RecordId
    draft_by: Name | None = None


class Draft(_Strict):
    """What an agent proposes to an adviser. `lapsed`: nobody drafted in time."""

    text: Annotated[str, Field(max_length=4000)] = ""
    lapsed: bool = False


class FollowUpVerdict(_Strict):
    """`contacted`: the client was spoken to, and `note` says of what; `rebalance`: a task is made for an agent."""

    verdict: Literal["no_action", "contacted", "rebalance"]
    note: Annotated[str, Field(min_length=1, max_length=2000)]
