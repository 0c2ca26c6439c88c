"""Whether this bank looks at check digits of account numbers. A test world may do without, loudly."""

import re

OFF = "OFF: account numbers are not checked; for test worlds alone"
FORM = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_checked = True


def leave_out_check_digits(out: bool) -> None:
    """For the whole process, which serves one bank."""
    global _checked
    _checked = not out


def has_check_digits() -> bool:
    return _checked
