"""What a client is to hold by their profile, what stands in for what they exclude, and documents that are refused."""

import json
from dataclasses import replace
from importlib import resources
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.rules.investor import InvestorProfile
from tools.rules.model_portfolios import NothingSuits, Offered, Targets, load, shipped, targets
from tools.rules.risk_profile import LEVELS, KnowledgeByKind

TEXT = (resources.files("tools.rules.data") / "model_portfolios.json").read_text(encoding="utf-8")
MODERATE = InvestorProfile("moderate", 10, 1000, KnowledgeByKind(), (), "none")
TAGS = {"HWLD": "broad", "HUSA": "broad", "HEUR": "broad", "HESG": "esg", "HREI": "property", "HGLD": "gold"}
CLASSES = {
    "equities": ("HWLD", "HUSA", "HEUR", "HEMK", "HESG", "HDIV"),
    "bonds": ("HAGG", "HGOV", "HINF", "HCRP", "HEUB"),
    "real_assets": ("HREI", "HGLD", "HINR"),
}
OFFERED = {
    name: Offered(name, of_class, "EUR" if name in ("HEUR", "HEUB") else "USD", (TAGS.get(name, "other"),))
    for of_class, names in CLASSES.items()
    for name in names
}


def weights(found: Targets) -> dict[str, int]:
    return {each.asset_class: each.weight_bps for each in found.classes}


def parts(found: Targets, asset_class: str) -> dict[str, int]:
    (of_class,) = (each for each in found.classes if each.asset_class == asset_class)
    return {part.instrument_id: part.weight_bps for part in of_class.instruments}


@pytest.mark.parametrize(
    ("years", "risk_profile", "expected"),
    [
        (10, "moderate", {"equities": 5200, "bonds": 3500, "real_assets": 600, "cash": 700}),
        # 2400 of 5800 is risky: equities 5200 * 2400 // 5800, real assets 600 * 2400 // 5800, the rest bonds.
        (3, "moderate", {"equities": 2151, "bonds": 6901, "real_assets": 248, "cash": 700}),
        # 1000 of 3300, the rest cash: the nearest step counts.
        (1, "moderately_conservative", {"equities": 848, "bonds": 5500, "real_assets": 151, "cash": 3501}),
        (3, "conservative", {"equities": 1200, "bonds": 6300, "real_assets": 300, "cash": 2200}),
    ],
)
def test_less_time_means_less_risk(years: int, risk_profile: Any, expected: dict[str, int]) -> None:
    profile = replace(MODERATE, horizon_years=years, risk_profile=risk_profile)

    assert weights(targets(shipped(), profile, OFFERED, ["USD", "EUR"])) == expected


def test_what_is_excluded_has_a_substitute_and_says_why() -> None:
    found = targets(shipped(), replace(MODERATE, exclusions=("HUSA", "gold")), OFFERED, ["USD"])

    assert parts(found, "equities") == {"HWLD": 2340, "HESG": 2340, "HEMK": 520}
    assert parts(found, "real_assets") == {"HREI": 600}
    stood = {each.instrument_id: (each.by, each.because) for each in found.substituted}
    assert stood == {
        "HUSA": ("HESG", "the client excludes it"),
        "HEUR": ("HWLD", "no account has cash in EUR"),
        "HGLD": ("HREI", "the client excludes it"),
    }


def test_class_of_which_nothing_may_be_bought_is_named() -> None:
    with pytest.raises(NothingSuits, match="bonds"):
        targets(shipped(), replace(MODERATE, esg="require"), OFFERED, ["USD"])


@settings(max_examples=50)
@given(
    risk_profile=st.sampled_from(LEVELS),
    years=st.integers(0, 40),
    exclusions=st.sets(st.sampled_from(["HWLD", "HUSA", "HAGG", "HGOV", "HREI", "gold", "esg", "broad"]), max_size=3),
    currencies=st.sampled_from([("USD",), ("USD", "EUR")]),
)
def test_weights_always_sum_and_nothing_excluded_is_a_target(
    risk_profile: Any, years: int, exclusions: set[str], currencies: tuple[str, ...]
) -> None:
    profile = replace(MODERATE, risk_profile=risk_profile, horizon_years=years, exclusions=tuple(exclusions))
    try:
        found = targets(shipped(), profile, OFFERED, currencies)
    except NothingSuits:
        return

    assert sum(weights(found).values()) == 10_000
    for each in found.classes:
        if each.asset_class != "cash":
            assert sum(part.weight_bps for part in each.instruments) == each.weight_bps
        for part in each.instruments:
            one = OFFERED[part.instrument_id]
            assert not {one.instrument_id, *one.tags} & exclusions and one.currency in currencies


def changed(*path: Any, to: Any) -> str:
    document: Any = json.loads(TEXT)
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (
            changed("models", 2, "classes", 0, "weight_bps", to=5199),
            r"models\[2\]\.classes: weights must .* sum to 10000",
        ),
        (changed("classes", 0, "instruments", 0, "weight_bps", to=1), r"classes\[0\]\.instruments: weights must"),
        (changed("models", 0, "classes", 0, "weight_bps", to=12.5), "no whole number"),
        (changed("models", 0, "classes", 0, "after_bps", to=500), r"models\[0\]\.classes\[0\]\.after_bps"),
        (changed("models", 0, "classes", 0, "asset_class", to="art"), r"models\[0\]\.classes: must be those of"),
        (changed("glide_path", 0, "to", to="equities"), r"glide_path\[0\]\.to"),
        (changed("price_age_minutes", to=0), "price_age_minutes: must be 1 to"),
        (changed("extra", to=1), "extra: unknown field"),
        (changed("substitutes", 1, "instrument_id", to="HWLD"), "substitutes: HWLD is there twice"),
    ],
)
def test_document_that_is_wrong_names_its_field(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        load(text)
