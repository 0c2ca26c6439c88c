"""A bank's file of loans: what is read, and what is said of a file that cannot be trained on."""

import pytest

from tools.modelling.credit_file import Asked, BadCreditFile, CreditTable, Numbers, Texts, credit_table

ROWS = 240


def _content(header: str = "ends,ratio,job", odd: str | None = None) -> bytes:
    """Every fourth loan is bad; the row `odd` stands on line 7."""
    rows = [f"{'bad' if n % 4 == 0 else 'good'},{n}.25,{'clerk' if n % 3 else 'smith'}" for n in range(ROWS)]
    if odd is not None:
        rows[5] = odd
    return "\n".join([header, *rows, ""]).encode()


def _read(content: bytes, **asked: object) -> CreditTable:
    return credit_table("loans.csv", content, Asked("ends", **asked))  # type: ignore[arg-type]  # by name


def test_numbers_are_exact_and_texts_stay() -> None:
    table = _read(_content(odd="good,NA,"), special={"ratio": ["7.25", "-9"]})

    ratio, job = table.columns
    assert isinstance(ratio, Numbers)
    assert isinstance(job, Texts)
    assert (ratio.decimals, ratio.values[:2], ratio.values[5], ratio.special) == (2, (25, 125), None, (725,))
    assert (job.values[1], job.values[5]) == ("clerk", None)
    assert (table.bad, sum(table.bads)) == ("bad", ROWS // 4)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (_content(odd="good,many,clerk"), "line 7, column 'ratio': 'many' is no number"),
        (_content(odd="good,1.5"), "line 7 has 2 cells, the header has 3 columns"),
        (_content(odd="late,1.5,clerk"), "it holds 3: 'bad', 'good', 'late'"),
        (_content(odd="good,1e60,clerk"), "line 7, column 'ratio': the number is too large"),
        (_content(odd='good,"1,clerk'), "is not CSV"),
        (_content(header="ends,ratio,ratio"), "a name of its own"),
        (_content(header="ends,age_in_years,job"), "'age_in_years' speaks of 'age'.*--drop age_in_years"),
        (_content(header="ends,ratio,Sex"), "'Sex' speaks of 'sex'"),
        (_content(header="ended,ratio,job"), "has no column 'ends'; it has ended, ratio, job"),
        (b"ends,ratio\nbad,1\n", "at least 200 rows"),
        (_content() + b"good,1,\xe9\n", "not UTF-8 in line 242"),
    ],
)
def test_bad_file_is_named_by_line_and_column(content: bytes, said: str) -> None:
    with pytest.raises(BadCreditFile, match=said):
        _read(content)


def test_column_with_nothing_in_it_is_refused() -> None:
    content = b"ends,ratio\n" + b"".join(b"%s,\n" % (b"good" if n % 3 else b"bad") for n in range(ROWS))

    with pytest.raises(BadCreditFile, match="column 'ratio' is empty"):
        _read(content)
    with pytest.raises(BadCreditFile, match="no column left"):
        _read(content, left_out=["ratio"])


def test_prohibited_column_may_be_left_out() -> None:
    table = _read(_content(header="ends,age,job"), left_out=["age"])

    assert ([each.name for each in table.columns], table.left_out) == (["job"], ("age",))


def test_which_end_is_bad_must_be_said_if_the_words_do_not() -> None:
    content = _content().replace(b"bad", b"lost")

    with pytest.raises(BadCreditFile, match="say with --bad which of 'good' and 'lost'"):
        _read(content)
    assert sum(_read(content, bad="lost").bads) == ROWS // 4
