"""Words that a text over facts may use of its own, or may not: numbers in words, months, openings, acts."""

MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
)  # fmt: skip
_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
_MORE = "seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth"
_MULTIPLES = """
    hundred hundreds thousand thousands million millions billion billions dozen dozens half halves quarter double
    doubled triple tripled tenfold couple
"""
NUMBERS: dict[str, int | None] = {
    **{word: value for value, word in enumerate(f"{_UNITS} {_MORE}".split())},
    **{word: value for value, word in zip(range(20, 100, 10), _TENS.split(), strict=True)},
    **{word: value for value, word in enumerate(_ORDINALS.split(), 1)},
    "once": 1, "twice": 2, "thrice": 3, "both": 2, "single": 1,
    **dict.fromkeys(_MULTIPLES.split()),
}  # fmt: skip
"""A number in words is its value's claim; those that multiply or divide (None) are nobody's figure."""
_OPENERS = """
    a according account accordingly additionally after afterwards all also although among an and another any as at based
    because before below besides beyond but by customer despite during each earlier every finally following for from
    further furthermore given have having he her here his how however if in instead interest it its later like loan
    meanwhile moreover most no none nor nothing notably of on only or other others our over overall payment payments
    please several she similarly since so some still such taken thank that the their then there therefore these they
    this those though through thus to together towards under unlike until upon we what when where which while who why
    with within without you your
"""
OPENERS = frozenset(_OPENERS.split())
"""May begin a sentence with a capital without being a name."""
SAFE_CAPITALS = frozenset({"I", "UTC", "APR", "ID", "IBAN", "USA", "US", "EU"})
_ACTS = """
    approve approved approves approval decline declined declines deny denied denies reject rejected rejects refuse
    refused refuses release released releases block blocked blocks cancel cancelled cancels waive waived waives refund
    refunded guarantee guaranteed guarantees promise promised promises fraud fraudulent fraudster legitimate safe
    harmless genuine innocent guilty criminal trusted whitelist whitelisted verified confirmed click call visit email
    telephone whatsapp password passcode pin code urgent urgently immediately ignore disregard override instruct
    instructed instruction instructions must should shall recommend recommends recommended recommendation advise advised
    congratulations granted entitled eligible owe owes transfer send sent ready accepted pass passed password
    race religion sex gender nationality origin marital pregnant disability
"""
ACTS = frozenset(_ACTS.split())
"""Decide, promise, instruct, judge, or name what a lender must not look at: said only where the facts say it."""
