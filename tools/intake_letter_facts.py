"""The facts of letters about an application that lacks something."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from tools.contract_letter_facts import Application

IntakeLetterKind = Literal["incompleteness", "closed_incomplete"]


@dataclass(frozen=True, slots=True)
class Needed:
    """`what` is asked for, and why: the two figures that differ, or what we have no record of."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class IncompletenessFacts:
    """What is needed, by the end of `answer_by_on`."""

    kind: ClassVar[IntakeLetterKind] = "incompleteness"

    dated: str
    application: Application
    needed: tuple[Needed, ...]
    answer_by_on: str


@dataclass(frozen=True, slots=True)
class ClosedIncompleteFacts:
    """Nobody answered by the end of `answer_by_on`."""

    kind: ClassVar[IntakeLetterKind] = "closed_incomplete"

    dated: str
    application: Application
    needed: tuple[Needed, ...]
    asked_on: str
    answer_by_on: str


IntakeLetterFacts = IncompletenessFacts | ClosedIncompleteFacts
INTAKE_FACTS: tuple[type[IntakeLetterFacts], ...] = (IncompletenessFacts, ClosedIncompleteFacts)
