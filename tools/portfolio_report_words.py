"""The sentences of a portfolio report: what each figure is and how it was made, and what a recommendation asks for."""

from tools.letter_parts import NO_BREAK
from tools.letter_words import spell_day
from tools.rules.portfolio_advice import Action, ProfileStanding

SECTIONS = {
    "advice": "What we recommend",
    "adviser": "From your adviser",
    "money": "What became of your money",
    "performance": "How the investments did",
    "risk": "What could happen",
    "composition": "What you hold",
    "costs": "What it cost and what it paid",
    "notes": "About these figures",
}
ACTIONS: dict[Action, str] = {
    "none": "Nothing has to be done. Your portfolio is as it is meant to be.",
    "re_paper_profile": "Please tell us again what suits you, so that we can assess your investor profile.",
    "review_suitability": "Some of what you hold does not suit your investor profile. Please speak with your adviser.",
    "review_concentration": "Too much depends on a single holding or market. Please speak with your adviser.",
    "rebalance": "Your portfolio has drifted from its model. We recommend to bring it back.",
    "review_costs": "The products that you hold are expensive. Your adviser can show you others.",
}
METHODS = {
    "time_weighted": "Time-weighted: the return of each day with payments in and out taken out, the days linked, after"
    " all costs. It judges the investments, whenever you paid in. What you paid in counts from the start of its day,"
    " what you took out until the end of its day. A period shorter than a year is not made a year's (GIPS).",
    "money_weighted": "Money-weighted: the rate at which all that you put in and took out, and the value at the"
    " end, balance (internal rate of return, by calendar days). It judges the outcome,"
    " the moments at which you paid in included.",
    "value_at_risk": "What you could lose is estimated by historical simulation: what you hold today, put through the"
    " price movements of the last {days} weekdays. A loss that was not exceeded in 99 % of them was exceeded in the"
    " other 1 %, and the next year may be worse than the last one. Ten weekdays are windows that overlap.",
    "volatility": "Volatility is the standard deviation of daily returns times the root of 261, the weekdays of a year:"
    " in two years of three a return lies about that far from the mean or nearer. The deepest fall is from the"
    " highest value to the lowest after it, payments aside.",
    "model": "Dark marks are the weights of your model portfolio, pale areas how far a class may be off"
    " ({version}). {drift} of the portfolio would have to change class to meet it.",
    "no_model": "There is no model portfolio to compare with: it follows from an investor profile that is in force.",
    "costs": "Costs within the products' prices are a year's estimate from what you hold today; you do not pay them"
    " apart.",
    "valued": "Values by day are the bank's, at closing prices; holdings are at the latest prices, so that their sum"
    " may differ a little from the last value by day.",
    "exchange": "What is in other currencies was converted at the day's rate in values by day, and at today's rate"
    " elsewhere. The risk figures leave movements of exchange rates out.",
    "past": "Past returns are no promise of future ones.",
}

_PROFILES = {
    "none": "You have no investor profile.",
    "self_declared": "Your risk profile is {risk} by your own word alone; whether it suits you was never assessed, so"
    " this review does not say whether your portfolio does.",
    "expired": "Your investor profile is out of date, so this review does not say whether your portfolio suits you.",
    "contradicted": "Since we assessed your investor profile you told us that you are {risk}. Until we have asked"
    " again, this review does not say whether your portfolio suits you.",
}


def profile_words(profile: ProfileStanding) -> str:
    risk = (profile.risk_profile or "").replace("_", " ")
    if profile.state != "in_force":
        return _PROFILES[profile.state].format(risk=risk)
    assert profile.assessed_on and profile.valid_until
    return (
        f"Your investor profile is {risk}, assessed on {spell_day(profile.assessed_on.isoformat())} and valid until"
        f" {spell_day(profile.valid_until.isoformat())}. We compared your portfolio with it."
    )


def percent(bps: int) -> str:
    return f"{bps / 100:.2f}{NO_BREAK}%"


def signed_percent(bps: int) -> str:
    return f"{bps / 100:+.2f}{NO_BREAK}%"
