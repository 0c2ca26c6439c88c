"""Numbers that name an account, a bank, a firm or a security: are they well formed, and if not, what is wrong.

Only what the number itself can tell: nothing here knows whether the account or the bank exists. Structures and
check digits are those of schwifty (IBAN registry, ISO 9362) and python-stdnum (ABA, LEI, ISIN, CUSIP).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from schwifty import BIC, IBAN
from schwifty import exceptions as bank_faults
from stdnum import cusip, isin, lei
from stdnum import exceptions as number_faults
from stdnum.us import rtn

Scheme = Literal["iban", "bic", "aba", "lei", "isin", "cusip"]
FaultCode = Literal["characters", "length", "unknown_country", "structure", "range", "checksum"]

_SEPARATORS = re.compile(r"[ \u00a0-]+")
_ALPHANUMERIC = re.compile(r"[A-Z0-9]+")
_DIGITS = re.compile(r"[0-9]+")
_LENGTHS = {"bic": (8, 11), "aba": (9,), "lei": (20,), "isin": (12,), "cusip": (9,)}
_ABA_FIRST_TWO = frozenset((*range(13), *range(21, 33), *range(61, 73), 80))
"""ABA routing number policy: Federal Reserve districts, thrifts, electronic transactions, traveller's cheques."""
_KOSOVO = "XK"  # no ISO 3166 code, yet assigned by SWIFT to the banks of Kosovo; schwifty does not know it in a BIC


OFF = "OFF: account numbers are not checked; for test worlds alone"
_FORM = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_checked = True


def leave_out_check_digits(out: bool) -> None:
    """For the whole process: with a test world, whose IBANs nobody could have, their form alone is looked at."""
    global _checked
    _checked = not out


def has_check_digits() -> bool:
    return _checked


@dataclass(frozen=True, slots=True)
class Fault:
    """`text` completes the sentence "this IBAN …" for whoever typed the number."""

    code: FaultCode
    text: str


@dataclass(frozen=True, slots=True)
class CheckedNumber:
    """`value` is the number without separators in upper case; `fault` is None exactly if it is well formed."""

    scheme: Scheme
    value: str
    fault: Fault | None


def check(scheme: Scheme, text: str) -> CheckedNumber:
    """Spaces and hyphens may separate, case does not matter; every other character must belong to the number."""
    value = _SEPARATORS.sub("", text.strip())
    value = value.upper() if value.isascii() else value  # "ß" must not become "SS"
    return CheckedNumber(scheme, value, _general_fault(scheme, value) or _CHECKS[scheme](value))


def us_account(routing_number: str, account_number: str) -> str:
    """One text for both, as statements and payees are compared by it; neither number has a slash."""
    return f"{routing_number}/{account_number}"


def _general_fault(scheme: Scheme, value: str) -> Fault | None:
    allowed = _DIGITS if scheme == "aba" else _ALPHANUMERIC
    if not allowed.fullmatch(value):
        kind = "digits" if scheme == "aba" else "the letters A to Z and digits"
        return Fault("characters", f"may hold {kind} only" if value else "is empty")
    lengths = _LENGTHS.get(scheme, (len(value),))
    if len(value) not in lengths:
        return Fault("length", f"must have {' or '.join(map(str, lengths))} characters, not {len(value)}")
    return None


def _iban_fault(value: str) -> Fault | None:
    if not _checked and _FORM.fullmatch(value):
        return None
    iban = IBAN(value, allow_invalid=True)
    try:
        length = iban.spec.iban_length
    except bank_faults.InvalidCountryCode:
        return Fault("unknown_country", f"begins with {value[:2]}, no country that uses IBANs")
    if len(value) != length:
        return Fault("length", f"must have {length} characters in {value[:2]}, not {len(value)}")
    try:
        iban.validate()
    except bank_faults.InvalidStructure:
        return Fault("structure", f"has a letter or a digit where {value[:2]} does not allow it")
    except bank_faults.InvalidChecksumDigits:
        return Fault("checksum", f"does not fit its check digits {value[2:4]}")
    return None


def _bic_fault(value: str) -> Fault | None:
    try:
        BIC(value)
    except bank_faults.InvalidCountryCode:
        if value[4:6] != _KOSOVO:
            return Fault("unknown_country", f"names no known country with {value[4:6]}")
    except bank_faults.InvalidStructure:
        return Fault("structure", "must be four characters, two letters for the country, two characters, branch")
    return None


def _aba_fault(value: str) -> Fault | None:
    if int(value[:2]) not in _ABA_FIRST_TWO:
        return Fault("range", f"begins with {value[:2]}, which is not assigned")
    return _checksum_fault(rtn.validate, value)


def _checksum_fault(validate: Callable[[str], str], value: str) -> Fault | None:
    try:
        validate(value)
    except number_faults.InvalidChecksum:
        return Fault("checksum", "does not fit its check digits")
    except number_faults.InvalidComponent:
        return Fault("unknown_country", f"begins with {value[:2]}, no country or numbering agency")
    except number_faults.ValidationError:
        return Fault("structure", "has a letter where a digit belongs, or the reverse")
    return None


_CHECKS: dict[Scheme, Callable[[str], Fault | None]] = {
    "iban": _iban_fault,
    "bic": _bic_fault,
    "aba": _aba_fault,
    "lei": lambda value: _checksum_fault(lei.validate, value),
    "isin": lambda value: _checksum_fault(isin.validate, value),
    "cusip": lambda value: _checksum_fault(cusip.validate, value),
}
