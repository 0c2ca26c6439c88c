"""Amounts of money as integers of the currency's minor unit (cents, yen, fils), exact or refused."""

from decimal import Context, Decimal, Inexact, InvalidOperation

MAX_MINOR = 10**15
"""Largest magnitude of any amount: fits a PostgreSQL bigint and a JSON number without loss (below 2**53)."""

# ISO 4217 list one, active codes of national currencies, without funds, metals and test codes.
_TWO_DECIMALS = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY
    COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF
    IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR
    MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG
    SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES
    WST XCD XCG YER ZAR ZMW ZWG
"""
_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_EXPONENTS = {
    code: exponent
    for exponent, codes in ((0, _NO_DECIMALS), (2, _TWO_DECIMALS), (3, _THREE_DECIMALS))
    for code in codes.split()
}

_MAX_ADJUSTED = len(str(MAX_MINOR)) - 1  # decimal exponent of the leading digit, as Decimal.adjusted counts
_EXACT = Context(prec=40, traps=[Inexact, InvalidOperation])


def minor_exponent(currency: str) -> int:
    """Decimal places of the currency by ISO 4217. ValueError unless it is an active code in capitals."""
    try:
        return _EXPONENTS[currency]
    except KeyError:
        raise ValueError(f"{currency!r:.12} is no active ISO 4217 currency code") from None


def to_minor(amount: Decimal, currency: str) -> int:
    """Minor units of an amount in major units, never rounded: 125.50 USD is 12550, and so is 125.5000.

    ValueError for NaN, infinity, a fraction of the minor unit, and magnitudes above MAX_MINOR.
    """
    exponent = minor_exponent(currency)
    if not amount.is_finite():
        raise ValueError("amount must be a finite number")
    # Size first: quantizing 1E+999999 would fail for its length, with another reason.
    if amount and amount.adjusted() > _MAX_ADJUSTED:
        raise ValueError(_too_large(currency))
    try:
        whole_minors = amount.quantize(Decimal(1).scaleb(-exponent), context=_EXACT)
    except (Inexact, InvalidOperation):
        raise ValueError(f"amount must have at most {exponent} decimals in {currency}") from None
    minor = int(whole_minors.scaleb(exponent, context=_EXACT))
    if abs(minor) > MAX_MINOR:
        raise ValueError(_too_large(currency))
    return minor


def from_minor(minor: int, currency: str) -> Decimal:
    """The amount in major units with exactly the currency's decimals: 12550 USD is Decimal("125.50")."""
    return Decimal(minor).scaleb(-minor_exponent(currency), context=_EXACT)


def format_minor(minor: int, currency: str) -> str:
    """For people: 1200000 USD is "12,000.00 USD"; comma for thousands, point for decimals, sign in front."""
    return f"{from_minor(minor, currency):,f} {currency}"


def _too_large(currency: str) -> str:
    return f"amount must be at most {format_minor(MAX_MINOR, currency)}"
