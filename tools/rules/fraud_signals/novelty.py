"""Novelty: a device, a channel or an hour that this account never used before, or an account that woke up."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tools.rules.fraud_signals.background import Background
from tools.rules.fraud_signals.scored import Scored, Signal, added_up

VERSION = "2026-01"
NEW_DEVICE, NEW_DEVICES, NEW_CHANNEL, UNUSUAL_HOUR, DORMANT = 250, 300, 100, 200, 200
MANY_DEVICES_24H = 3
LEAST_PAYMENTS = 10
"""Until then no hour is unusual."""
HOURS_AROUND = 3
DORMANT_DAYS = 60


@dataclass(frozen=True, slots=True)
class NoveltyFacts:
    """`*_before` count the account's earlier payments that came through us, in 90 days: with any device, with this
    one, and by this channel. `near_hour` counts those (of `payments_90d`) made within three hours of this time of day,
    in UTC. `idle_days` is None if nothing ever left the account in 90 days."""

    device_given: bool
    with_any_device_before: int
    with_this_device_before: int
    devices_24h: int
    uses_before: int
    by_this_channel_before: int
    payments_90d: int
    near_hour: int
    idle_days: int | None


def look(background: Background) -> NoveltyFacts:
    payment = background.payment
    devices = [use.device for use in background.uses if use.device is not None]
    lately = {use.device for use in background.uses if use.at > payment.at - timedelta(days=1)} | {payment.device}
    paid = list(background.paid())
    return NoveltyFacts(
        device_given=payment.device is not None,
        with_any_device_before=len(devices),
        with_this_device_before=devices.count(payment.device) if payment.device is not None else 0,
        devices_24h=len(lately - {None}),
        uses_before=len(background.uses),
        by_this_channel_before=sum(use.channel == payment.channel for use in background.uses),
        payments_90d=len(paid),
        near_hour=sum(_hours_apart(_hour(move.at), _hour(payment.at)) <= HOURS_AROUND for move in paid),
        idle_days=(payment.at - paid[-1].at).days if paid else None,
    )


def score(facts: NoveltyFacts) -> Scored:
    return added_up("novelty", VERSION, _signals(facts))


def _hour(at: datetime) -> int:
    return at.astimezone(UTC).hour


def _hours_apart(one: int, other: int) -> int:
    apart = abs(one - other)
    return min(apart, 24 - apart)


def _signals(facts: NoveltyFacts) -> Iterator[Signal]:
    if facts.device_given and facts.with_any_device_before and not facts.with_this_device_before:
        text = f"a device that none of {facts.with_any_device_before} earlier payments was made with"
        yield Signal("new_device", NEW_DEVICE, text)
    if facts.devices_24h >= MANY_DEVICES_24H:
        yield Signal("many_devices", NEW_DEVICES, f"{facts.devices_24h} devices within a day")
    if facts.uses_before and not facts.by_this_channel_before:
        text = f"a channel that none of {facts.uses_before} earlier payments came by"
        yield Signal("new_channel", NEW_CHANNEL, text)
    if facts.payments_90d >= LEAST_PAYMENTS and not facts.near_hour:
        text = f"none of {facts.payments_90d} payments was made within {HOURS_AROUND} hours of this time of day"
        yield Signal("unusual_hour", UNUSUAL_HOUR, text)
    if facts.idle_days is not None and facts.idle_days >= DORMANT_DAYS:
        yield Signal("dormant_account", DORMANT, f"nothing had left the account for {facts.idle_days} days")
