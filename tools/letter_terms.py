"""How letters set out what a loan costs and how it is repaid, in the words of the creditor's law."""

from collections.abc import Iterator, Sequence

from tools.letter_parts import CostBox, Figures, Part, Table
from tools.letter_words import pluralise, spell_amount, spell_day, spell_figure, spell_loan, spell_rate
from tools.rules.amortisation import Instalment
from tools.rules.jurisdictions import Jurisdiction
from tools.rules.pricing import LoanTerms

_Words = tuple[tuple[str, str], ...]

_COST_WORDS: dict[Jurisdiction, _Words] = {
    # Regulation Z, model form H-2.
    "US": (
        ("Annual percentage rate", "The cost of your credit as a yearly rate."),
        ("Finance charge", "The amount the credit will cost you."),
        ("Amount financed", "The amount of credit provided to you or on your behalf."),
        ("Total of payments", "The amount you will have paid after you have made all payments as scheduled."),
    ),
    # Directive (EU) 2023/2225, Article 3; what a fee keeps back is no part of the total amount of credit (C-377/14).
    "EU": (
        ("Annual percentage rate of charge", "The total cost of the credit as a yearly rate, compounded."),
        ("Total cost of the credit", "The interest and all charges that you pay for the credit."),
        ("Total amount of credit", "The sum that we make available to you."),
        ("Total amount payable", "The total amount of credit and the total cost of the credit."),
    ),
}


def write_terms(terms: LoanTerms, asked: str, first_due_on: str, jurisdiction: Jurisdiction) -> Iterator[Part]:
    """The four figures that an applicant must see first, then what they are made of."""
    currency, financed_minor = terms.currency, terms.principal_minor - terms.fee_minor
    figures = (
        spell_rate(terms.apr_bps),
        *(spell_amount(each, currency) for each in (terms.total_cost_minor, financed_minor, terms.total_payable_minor)),
    )
    words = _COST_WORDS[jurisdiction]
    yield CostBox(tuple((label, figure, gloss) for (label, gloss), figure in zip(words, figures, strict=True)))
    yield Figures(
        (
            ("You requested", asked),
            ("We offer", spell_loan(terms.principal_minor, currency, terms.term_months)),
            ("Interest rate", f"{spell_rate(terms.annual_rate_bps)} a year"),
            ("Fee, withheld when we pay out", spell_amount(terms.fee_minor, currency)),
            ("Paid out to you", spell_amount(financed_minor, currency)),
            ("Payments", spell_payments(terms)),
            ("First payment due", spell_day(first_due_on)),
        )
    )


def schedule_table(lines: Sequence[Instalment], currency: str, of: str) -> Table:
    """Every payment with its parts; `of` says whose they are."""
    sums_minor = (
        sum(line.payment_minor for line in lines),
        sum(line.interest_minor for line in lines),
        sum(line.principal_minor for line in lines),
    )
    return Table(
        title=f"Payment schedule of {of}, amounts in {currency}",
        header=("No.", "Due", "Payment", "Interest", "Principal", "Balance after"),
        rows=tuple(_row(line, currency) for line in lines),
        total=("", "Total", *(spell_figure(amount, currency) for amount in sums_minor), ""),
    )


def spell_payments(terms: LoanTerms) -> str:
    """The level payments, and the last where rounding makes it another amount."""
    level, count = spell_amount(terms.instalment_minor, terms.currency), terms.term_months
    last_minor = terms.total_payable_minor - terms.instalment_minor * (count - 1)
    if last_minor == terms.instalment_minor:
        return f"{count} monthly {pluralise(count, 'payment')} of {level}"
    last = spell_amount(last_minor, terms.currency)
    if count == 1:
        return f"1 payment of {last}"
    return f"{count - 1} monthly {pluralise(count - 1, 'payment')} of {level} and a last payment of {last}"


def _row(line: Instalment, currency: str) -> tuple[str, ...]:
    amounts = (line.payment_minor, line.interest_minor, line.principal_minor, line.balance_minor)
    return (str(line.number), spell_day(line.due_on), *(spell_figure(amount, currency) for amount in amounts))
