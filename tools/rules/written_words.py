"""German and English words for months, currencies, scales, and the values that forms list."""

_MONTHS = (
    "january januar jänner jan", "february februar feb", "march märz maerz mar mär", "april apr", "may mai",
    "june juni jun", "july juli jul", "august aug", "september sep sept", "october oktober oct okt",
    "november nov", "december dezember dec dez",
)  # fmt: skip
MONTHS = {word: number for number, words in enumerate(_MONTHS, 1) for word in words.split()}
YEARS = frozenset({"year", "years", "jahr", "jahre", "jahren", "yr", "yrs"})
SCALES = {
    "k": 1000, "thousand": 1000, "tausend": 1000, "tsd": 1000,
    "million": 10**6, "millions": 10**6, "mio": 10**6, "millionen": 10**6,
}  # fmt: skip
CURRENCIES = {
    "$": "USD", "usd": "USD", "dollar": "USD", "dollars": "USD", "€": "EUR", "eur": "EUR", "euro": "EUR",
    "euros": "EUR", "£": "GBP", "gbp": "GBP", "pounds": "GBP", "¥": "JPY", "jpy": "JPY", "chf": "CHF",
    "franken": "CHF",
}  # fmt: skip
MEANINGS: dict[str, tuple[str, ...]] = {
    "debt_consolidation": ("umschuldung", "consolidate", "refinance"),
    "education": ("studium", "ausbildung", "bildung", "tuition", "studies"),
    "home_improvement": ("renovierung", "sanierung", "renovation", "renovate", "renovieren", "modernisierung"),
    "household": ("haushalt", "möbel", "furniture"),
    "medical": ("arzt", "medizinisch", "zahnarzt", "surgery", "dentist"),
    "securities": ("wertpapiere", "aktien", "shares"),
    "vehicle": ("auto", "car", "fahrzeug", "pkw", "motorrad", "motorcycle"),
    "employed": ("angestellt", "angestellte", "angestellter", "employee"),
    "self_employed": ("selbständig", "selbstständig", "freelance", "freelancer", "freiberuflich"),
    "retired": ("rentner", "rentnerin", "pensioniert", "im ruhestand"),
    "unemployed": ("arbeitslos", "arbeitssuchend"),
    "own": ("eigentum", "eigenheim", "owner"),
    "mortgage": ("hypothek",),
    "rent": ("miete", "zur miete", "mieter", "mieterin", "renting", "tenant", "kaltmiete", "warmmiete"),
    "family": ("bei den eltern", "bei meinen eltern", "with my parents"),
    "branch": ("filiale",),
    "mobile": ("handy", "app"),
    "web": ("online", "internet"),
    "buy": ("kaufen", "kauf", "purchase"),
    "sell": (
        "verkaufen",
        "verkauf",
    ),
}
"""Words that state one of a form's listed values, beside the value's own name. What has none is asked for."""
