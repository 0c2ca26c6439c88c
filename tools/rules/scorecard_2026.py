"""Scorecard 2026-01: hand-set points over a bank's credit file, 300 to 850, in force until a trained one replaces it.

How it was set: by judgement, not fitted. 550 points shared out as payment history 51 % (280), credit history
and mix 20 % (110), utilisation 12 % (65), new credit 7 % (40), stability 10 % (55). Within an attribute
points never rise with risk. An unknown value has its own bin between the worst and the best, so that a person
without a file scores 565: band D, which policy refers to an underwriter and does not decline.

Deliberately absent: age, sex, marital status, origin, place, language (12 CFR 1002.4, 1002.6) and
debt-to-income, which policy judges apart. Retirement counts as employment (1002.6(b)(5)); an unknown length
of employment costs less than a short one, since some incomes have none.
"""

from tools.rules.reg_b import C1, reason
from tools.rules.scorecard_document import (
    BandCutoff,
    CategoricalAttribute,
    Category,
    Missing,
    NumericAttribute,
    Range,
    Scorecard,
)

_DELINQUENCY = reason("delinquency", C1.DELINQUENT_OBLIGATIONS)
_UTILISATION = reason("utilisation", C1.OTHER, "Balances high in relation to credit limits")
_INQUIRIES = reason("inquiries", C1.RECENT_INQUIRIES)
_EXPERIENCE = reason("limited_experience", C1.LIMITED_EXPERIENCE)
_COLLECTION = reason("collection_or_judgment", C1.COLLECTION_OR_JUDGMENT)
_BANKRUPTCY = reason("bankruptcy", C1.BANKRUPTCY)
_NO_EMPLOYMENT = reason("no_employment", C1.OTHER, "No present employment")
_EMPLOYMENT_LENGTH = reason("employment_length", C1.LENGTH_OF_EMPLOYMENT)
_HOUSING = reason("housing", C1.OTHER, "Type of housing")
_NO_FILE = reason("no_credit_file", C1.NO_CREDIT_FILE)
_UNVERIFIED_EMPLOYMENT = reason("employment_unverified", C1.UNVERIFIED_EMPLOYMENT)
_UNVERIFIED_RESIDENCE = reason("residence_unverified", C1.UNVERIFIED_RESIDENCE)

SCORECARD_2026_01 = Scorecard(
    version="2026-01",
    base_points=300,
    bands=(
        BandCutoff("A", 780),
        BandCutoff("B", 720),
        BandCutoff("C", 650),
        BandCutoff("D", 550),
        BandCutoff("E", 300),
    ),
    attributes=(
        NumericAttribute(
            "worst_days_past_due_24m",
            (Range(1, 95), Range(30, 65), Range(60, 40), Range(90, 15), Range(None, 0)),
            Missing(55, _NO_FILE),
            _DELINQUENCY,
        ),
        NumericAttribute(
            "delinquencies_24m",
            (Range(1, 70), Range(2, 45), Range(3, 20), Range(None, 0)),
            Missing(40, _NO_FILE),
            _DELINQUENCY,
        ),
        NumericAttribute(
            "oldest_account_months",
            (Range(12, 0), Range(24, 20), Range(60, 40), Range(120, 58), Range(None, 70)),
            Missing(10, _NO_FILE),
            _EXPERIENCE,
        ),
        NumericAttribute(
            "utilisation_bps",
            (Range(1_000, 65), Range(3_000, 55), Range(5_000, 40), Range(7_500, 20), Range(None, 0)),
            Missing(40, _EXPERIENCE),
            _UTILISATION,
        ),
        NumericAttribute(
            "collections", (Range(1, 45), Range(2, 15), Range(None, 0)), Missing(25, _NO_FILE), _COLLECTION
        ),
        NumericAttribute(
            "public_records", (Range(1, 40), Range(2, 10), Range(None, 0)), Missing(20, _NO_FILE), _COLLECTION
        ),
        NumericAttribute(
            "inquiries_6m",
            (Range(1, 40), Range(2, 34), Range(4, 24), Range(6, 10), Range(None, 0)),
            Missing(20, _NO_FILE),
            _INQUIRIES,
        ),
        NumericAttribute(
            "accounts_open",
            (Range(1, 0), Range(2, 15), Range(3, 30), Range(None, 40)),
            Missing(5, _NO_FILE),
            _EXPERIENCE,
        ),
        NumericAttribute("bankruptcies", (Range(1, 30), Range(None, 0)), Missing(15, _NO_FILE), _BANKRUPTCY),
        NumericAttribute(
            "employment_months",
            (Range(6, 0), Range(12, 10), Range(24, 18), Range(60, 25), Range(None, 30)),
            Missing(20, _UNVERIFIED_EMPLOYMENT),
            _EMPLOYMENT_LENGTH,
        ),
        CategoricalAttribute(
            "employment_status",
            (Category(("employed", "self_employed", "retired"), 15), Category(("unemployed",), 0)),
            Missing(10, _UNVERIFIED_EMPLOYMENT),
            _NO_EMPLOYMENT,
        ),
        CategoricalAttribute(
            "housing_status",
            (Category(("own", "mortgage"), 10), Category(("rent", "family"), 0)),
            Missing(5, _UNVERIFIED_RESIDENCE),
            _HOUSING,
        ),
    ),
)
