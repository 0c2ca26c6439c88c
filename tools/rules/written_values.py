"""What a piece of somebody's writing states, by its form alone: amounts, whole numbers, dates, account numbers, words.

German and English, read as they are written in either; what could be read in two ways states nothing.
"""

import re
from datetime import date
from decimal import Decimal
from itertools import pairwise

from tools.rules import account_numbers
from tools.rules.written_words import CURRENCIES, MONTHS, SCALES, YEARS

_NUMBER = re.compile(r"(?<![\w.,])[-−]?[0-9](?:[0-9.,'’\u00a0\u202f]*[0-9])?")
_BLANKS = re.compile(r"(?<=[0-9])[ \u00a0\u202f'’](?=[0-9]{3}(?![0-9]))")
_GROUPED = re.compile(r"[0-9]{1,3}(?:([.,])[0-9]{3})(?:\1[0-9]{3})*")
_WORD = re.compile(r"[^\W\d_]+\.?")
_ISO = re.compile(r"(?<![0-9])([0-9]{4})-([0-9]{2})-([0-9]{2})(?![0-9])")
_DOTTED = re.compile(r"(?<![0-9.])([0-9]{1,2})\.\s?([0-9]{1,2})\.\s?([0-9]{4})(?![0-9])")
_SLASHED = re.compile(r"(?<![0-9/])([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})(?![0-9/])")
_DAY_FIRST = re.compile(r"(?<![0-9])([0-9]{1,2})(?:\.|st|nd|rd|th)?\s+(?:of\s+)?([^\W\d_]{3,9})\.?,?\s+([0-9]{4})")
_MONTH_FIRST = re.compile(r"\b([^\W\d_]{3,9})\.?\s+([0-9]{1,2})(?:st|nd|rd|th)?,?\s+([0-9]{4})(?![0-9])")
_IBAN = re.compile(r"\b[A-Z]{2}[0-9]{2}(?:[ \u00a0-]?[A-Z0-9]){11,30}\b", re.IGNORECASE)


def numbers(text: str) -> tuple[Decimal, ...]:
    """Each number that the text states, scaled by a word behind it (`12 Tsd.`, `12k`); dates are none.

    `1.234,56` and `1,234.56` are the same; `1.234` and `1,234` are whole, since nobody writes three decimals of an
    amount. Raises ValueError for a number that neither language writes so.
    """
    bare = _BLANKS.sub("", _without_dates(text))
    found = []
    for match in _NUMBER.finditer(bare):
        value = _number(match.group().replace("−", "-"))
        found.append(value * _scale(bare[match.end() :]))
    return tuple(found)


def amount(text: str) -> Decimal | None:
    """The one amount that the text states; None: none, or several."""
    return _only(numbers(text))


def months(text: str) -> int | None:
    """The one term that the text states, in months: `36 Monate`, `3 years`."""
    stated = _only(numbers(text))
    if stated is None:
        return None
    words = {word.casefold().rstrip(".") for word in _WORD.findall(text)}
    in_months = stated * 12 if words & YEARS else stated
    return int(in_months) if in_months == in_months.to_integral_value() else None


def dates(text: str) -> tuple[date, ...]:
    """Each day that the text states; `03/04/2026` is two days to two readers, so it is none."""
    found = [_day(int(y), int(m), int(d)) for y, m, d in _ISO.findall(text)]
    found += [_day(int(y), int(m), int(d)) for d, m, y in _DOTTED.findall(text)]
    for first, second, year in _SLASHED.findall(text):
        if int(first) > 12 or int(second) > 12 or first == second:
            month, day = sorted((int(first), int(second)))
            found.append(_day(int(year), month, day))
    named = [(d, m, y) for d, m, y in _DAY_FIRST.findall(text)] + [(d, m, y) for m, d, y in _MONTH_FIRST.findall(text)]
    found += [_day(int(y), MONTHS[m.casefold()], int(d)) for d, m, y in named if m.casefold() in MONTHS]
    return tuple(dict.fromkeys(day for day in found if day is not None))


def ibans(text: str) -> tuple[str, ...]:
    """Each well-formed IBAN in the text, without blanks."""
    found = []
    for match in _IBAN.finditer(text):
        # What follows an IBAN may look like a part of it: the longest beginning that is one, or where only forms are
        # looked at, the shortest.
        groups = re.split(r"[ \u00a0-]", match.group())
        counts = range(1, len(groups) + 1)
        for count in reversed(counts) if account_numbers.has_check_digits() else counts:
            checked = account_numbers.check("iban", "".join(groups[:count]))
            if checked.fault is None:
                found.append(checked.value)
                break
    return tuple(dict.fromkeys(found))


def currencies(text: str) -> tuple[str, ...]:
    """Each currency that the text names by sign, code or word."""
    words = re.findall(r"[^\W\d_]+|[$€£¥]", text)
    return tuple(dict.fromkeys(CURRENCIES[word.casefold()] for word in words if word.casefold() in CURRENCIES))


def is_whole(text: str, start: int, end: int) -> bool:
    """Whether the span is no piece of a longer word or number: `125` of `125.50`, `50` of `-50` are."""
    before, after = text[:start], text[end:]
    if before and text[start].isalnum() and (before[-1].isalnum() or before[-1] in "_-−"):
        return False
    if after and text[end - 1].isalnum() and (after[0].isalnum() or after[0] == "_"):
        return False
    cut_before = bool(re.search(r"[0-9][.,'’ \u00a0]$", before)) and text[start].isdigit()
    cut_after = bool(re.match(r"[.,'’ \u00a0][0-9]{2,}", after)) and text[end - 1].isdigit()
    return not (cut_before or cut_after)


def _without_dates(text: str) -> str:
    for form in (_ISO, _DOTTED, _SLASHED):
        text = form.sub(" ", text)
    return text


def _number(written: str) -> Decimal:
    sign, digits = (-1, written[1:]) if written.startswith("-") else (1, written)
    digits = digits.replace("'", "").replace("’", "")
    if _GROUPED.fullmatch(digits):
        return sign * Decimal(re.sub(r"[.,]", "", digits))
    whole, mark, cents = digits.rpartition(max(".,", key=digits.rfind)) if re.search("[.,]", digits) else ("", "", "")
    if not mark:
        return sign * Decimal(digits)
    if len(cents) > 2 or not (whole.isdigit() or (_GROUPED.fullmatch(whole) and mark not in whole)):
        raise ValueError(f"{written} is no number as German or English writes it")
    return sign * Decimal(f"{re.sub(r'[.,]', '', whole)}.{cents}")


def _scale(after: str) -> int:
    word = re.match(r"\s?([^\W\d_]+)", after)
    return SCALES.get(word[1].casefold(), 1) if word else 1


def _only(found: tuple[Decimal, ...]) -> Decimal | None:
    different = set(found)
    return different.pop() if len(different) == 1 else None


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def mentions(words: str, text: str) -> bool:
    """Whether these words stand in the text as they are, whatever their case: `home improvement` for
    `home_improvement`."""
    wanted = [word.casefold() for word in re.findall(r"[^\W_]+", words)]
    said = [word.casefold() for word in re.findall(r"[^\W_]+", text)]
    if len(wanted) == 1:
        return wanted[0] in said
    return any(said[at : at + len(wanted)] == wanted for at, _ in enumerate(pairwise([*said, ""])))
