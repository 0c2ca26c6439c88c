"""The notices of rights that a refusal carries: in the US in the words of Regulation B's sample forms C-1 and C-4."""

from collections.abc import Iterator

from tools.letter_facts import CreditBureau, Creditor, CreditScore
from tools.letter_parts import Block, Figures, Heading, Paragraph, Part, Points
from tools.letter_words import spell_day


def write_rights(bureau: CreditBureau | None, score: CreditScore | None, creditor: Creditor) -> Iterator[Part]:
    """As the creditor's law has them."""
    if creditor.jurisdiction == "EU":
        yield from _eu_rights(bureau, score, creditor)
    else:
        yield from _us_rights(bureau, score, creditor)


def _eu_rights(bureau: CreditBureau | None, score: CreditScore | None, creditor: Creditor) -> Iterator[Part]:
    """Of the database that was consulted and of a person's judgement (Directive (EU) 2023/2225, Articles 18 and 19)."""
    if bureau is not None:
        yield Heading("The database that we consulted")
        yield Paragraph(
            "Our decision rests in part on what the database named below told us, without charge to you: your"
            " obligations, how you have met them, and how long you have had them."
        )
        yield Block((bureau.name, *bureau.address, bureau.phone))
    if score is not None:
        yield from _score(score, creditor)
    yield Heading("Your right to have a person look at it")
    yield Paragraph(
        "Your creditworthiness was assessed by automated processing of your data. You have the right to have a person"
        " explain to you clearly how, and what it meant for our decision; to tell us your own view; and to have the"
        " assessment and the decision reviewed. Write to us or call us for it. If debts weigh on you, debt advisory"
        " services in your country help. The authority that supervises us in consumer credit is"
        f" {creditor.agency}, {creditor.agency_address}."
    )


def _us_rights(bureau: CreditBureau | None, score: CreditScore | None, creditor: Creditor) -> Iterator[Part]:
    """Of the credit report (15 USC 1681m(a)(2) to (4)) and of equal opportunity (12 CFR 1002.9(b)(1))."""
    if bureau is not None:
        yield Heading("Your credit report")
        yield Paragraph(
            "Our credit decision was based in whole or in part on information obtained in a report from the"
            " consumer reporting agency listed below. You have a right under the Fair Credit Reporting Act"
            " to know the information contained in your credit file at the consumer reporting agency. The"
            " reporting agency played no part in our decision and is unable to supply specific reasons why"
            " we have denied credit to you. You also have a right to a free copy of your report from the"
            " reporting agency, if you request it no later than 60 days after you receive this notice. In"
            " addition, if you find that any information contained in the report you receive is inaccurate"
            " or incomplete, you have the right to dispute the matter with the reporting agency."
        )
        yield Block((bureau.name, *bureau.address, bureau.phone))
    if score is not None:
        yield from _score(score, creditor)
    yield Heading("Equal Credit Opportunity Act")
    yield Paragraph(
        "The Federal Equal Credit Opportunity Act prohibits creditors from discriminating against credit"
        " applicants on the basis of race, color, religion, national origin, sex, marital status, age"
        " (provided the applicant has the capacity to enter into a binding contract); because all or part of"
        " the applicant's income derives from any public assistance program; or because the applicant has in"
        " good faith exercised any right under the Consumer Credit Protection Act. The Federal agency that"
        f" administers compliance with this law concerning this creditor is {creditor.agency},"
        f" {creditor.agency_address}."
    )


def _score(score: CreditScore, creditor: Creditor) -> Iterator[Part]:
    ours = score.provider == creditor.name
    source = "that we calculated" if ours else f"from {score.provider}"
    yield Heading("Your credit score")
    yield Paragraph(
        f"We used a credit score {source} in making our credit decision. Your credit score is a number that"
        " reflects the information in your credit report. Your credit score can change, depending on how the"
        " information in your credit report changes."
    )
    yield Figures(
        (
            ("Your credit score", str(score.points)),
            ("Date", spell_day(score.scored_on)),
            ("Scores range", f"from a low of {score.lowest} to a high of {score.highest}"),
        )
    )
    if score.key_factors:
        yield Paragraph("Key factors that adversely affected your credit score:")
        yield Points(score.key_factors)
