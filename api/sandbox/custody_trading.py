"""What a trade costs and how an order is filled: arithmetic alone."""

from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

CENTS = 100
"""Every currency in custody has two decimals."""

_MILLIONTH = Decimal("0.000001")


def amount_minor(quantity: Decimal, price: Decimal) -> int:
    """Half up."""
    return int((quantity * price * CENTS).quantize(Decimal(1), ROUND_HALF_UP))


def fee_minor(amount: int, fee_bps: int) -> int:
    """Half up; of each fill by itself."""
    return int((Decimal(amount) * fee_bps / 10_000).quantize(Decimal(1), ROUND_HALF_UP))


def cost_minor(parts: list[Decimal], price: Decimal, fee_bps: int) -> int:
    """What a buyer pays for these fills, exactly, if the price stays."""
    amounts = [amount_minor(part, price) for part in parts]
    return sum(amount + fee_minor(amount, fee_bps) for amount in amounts)


def parts_of(quantity: Decimal, outcome: str, *, whole_shares: bool) -> list[Decimal]:
    """The fills that an order will get: one, three of four, three and three tenths, six tenths and no more, or none."""
    unit = Decimal(1) if whole_shares else _MILLIONTH

    def share(tenths: int) -> Decimal:
        return (quantity * tenths / 10).quantize(unit, ROUND_DOWN)

    match outcome:
        case "reject":
            return []
        case "partial":
            first, second = share(4), share(3)
            parts = [first, second, quantity - first - second]
        case "short":
            parts = [share(6)]
        case _:
            parts = [quantity]
    return [part for part in parts if part > 0]


def cost_of_part(cost: int, part: Decimal, whole: Decimal) -> int:
    """What the sold part of a lot had cost, half up; all that is left if all is sold."""
    return int((cost * part / whole).quantize(Decimal(1), ROUND_HALF_UP))
