"""Answers to a review: a person's, asked for on the terminal, or the demo's own yes."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from rich.console import Console
from rich.prompt import Confirm, Prompt
from rich.text import Text

MAX_NOTE = 2000
NOTE = "Salary account and rent paid on time since the file began; the instalment is affordable."


YES: dict[str, dict[str, Any]] = {
    "underwriting": {"verdict": "approve", "note": NOTE},
    "acceptance": {"accepted": True},
    "cooling_off": {"decision": "disburse"},
    "release": {"verdict": "release", "note": "The customer confirmed it when called back."},
}


def by_itself(review: Mapping[str, Any]) -> dict[str, Any]:
    return dict(YES[review["kind"]])


def asked(console: Console, review: Mapping[str, Any]) -> dict[str, Any]:
    if review["kind"] == "cooling_off":
        at_once = Confirm.ask("  You may still cancel. Do you want to be paid out at once instead?", console=console)
        return {"decision": "disburse" if at_once else "cancel"}
    if review["kind"] == "acceptance":
        return {"accepted": Confirm.ask("  You are the applicant. Do you accept?", console=console)}
    if review["kind"] == "release":
        choice = Prompt.ask("  You are the operator. Your verdict", console=console, choices=["release", "refuse"])
        return {"verdict": choice, "note": _note(console)}
    choices = ["approve", "decline"]
    verdict = Prompt.ask("  You are the underwriter. Your verdict", console=console, choices=choices)
    answer: dict[str, Any] = {"verdict": verdict, "note": _note(console)}
    if verdict == "decline":
        answer["reasons"] = _reasons(console, review["form"]["properties"]["reasons"])
    return answer


def told(review: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    """The answer in a sentence, for the record on the screen."""
    if review["kind"] == "cooling_off":
        return "The applicant is paid at once." if answer["decision"] == "disburse" else "The applicant cancels."
    if review["kind"] == "acceptance":
        return "The applicant accepts." if answer["accepted"] else "The applicant declines the offer."
    who = "underwriter" if review["kind"] == "underwriting" else "operator"
    return f"The {who} says {answer['verdict']}: {answer['note']}"


def await_enter() -> None:
    with suppress(EOFError, KeyboardInterrupt):
        input()


def _note(console: Console) -> str:
    while True:
        note = Prompt.ask("  Why, for the file", console=console).strip()
        if 1 <= len(note) <= MAX_NOTE:
            return note
        console.print(Text(f"  From 1 to {MAX_NOTE} characters, please.", style="yellow"))


def _reasons(console: Console, form: Mapping[str, Any]) -> Sequence[str]:
    """The principal reasons that the applicant is told, picked by their numbers."""
    phrases, most = form["items"]["enum"], form["maxItems"]
    for number, phrase in enumerate(phrases, 1):
        console.print(Text(f"  {number:>3}  {phrase}"))
    while True:
        picked = Prompt.ask(f"  Which reasons is the applicant told? 1 to {most} numbers", console=console)
        numbers = picked.replace(",", " ").split()
        if 1 <= len(set(numbers)) <= most and all(n in map(str, range(1, len(phrases) + 1)) for n in numbers):
            return [phrases[int(number) - 1] for number in dict.fromkeys(numbers)]
        console.print(Text(f"  From 1 to {most} numbers of the list, please, such as 8 15.", style="yellow"))
