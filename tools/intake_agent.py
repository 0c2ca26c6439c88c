"""Free text to a workflow's own input: the model says where a value stands in the text, and we read it there.

A value comes with the words it was read from. They must stand in the text, whole; the value must follow from them by
rules of ours; and whose words they are stays with it. What is missing, refused or ambiguous is asked of the person.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic import Field as Bounded

from tools import intake_fields
from tools.intake_fields import Field
from tools.model import Abstained, Model
from tools.model_calls import Spender
from tools.model_prompts import prompt
from tools.rules.untrusted import visible
from tools.rules.written_values import is_whole, numbers

Source = Literal["typed_by_user", "untrusted"]
LONGEST_QUOTE = 160
_QUOTED_FROM = re.compile(
    r"^(?:>.*|-{2,}\s*(?:original message|ursprüngliche nachricht|forwarded message|weitergeleitete nachricht).*"
    r"|(?:from|von|on .{1,80} wrote|am .{1,80} schrieb.{0,80}):.*)$",
    re.IGNORECASE | re.MULTILINE,
)
"""Where, in what somebody typed, the words of others begin."""
_NUMERIC = ("amount", "amount_minor", "months", "whole")


class FoundValue(BaseModel):
    model_config = ConfigDict(extra="ignore")

    field: str = Bounded(max_length=200)
    quote: str = Bounded(max_length=2000)
    value: str | None = Bounded(default=None, max_length=2000, coerce_numbers_to_str=True)


class Reading(BaseModel):
    """What the model says."""

    model_config = ConfigDict(extra="ignore")

    found: list[FoundValue] = Bounded(max_length=100)


@dataclass(frozen=True, slots=True)
class Argument:
    """A value of the input and whose it is; `quote` at `start` to `end` of the text is what it was read from, None for
    one that was put in the form."""

    field: str
    value: Any
    source: Source
    quote: str | None = None
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class RefusedValue:
    """What the model said and we do not take; `quote` is empty where the text does not say it."""

    field: str
    quote: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReadText:
    arguments: tuple[Argument, ...]
    refused: tuple[RefusedValue, ...]
    model: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Judged:
    """The input, once nothing is left to ask; until then the questions: field and why it is asked."""

    input: dict[str, Any] | None
    questions: dict[str, str]


def shown(text: str) -> str:
    """The text as it is read, kept and quoted: nothing in it is invisible."""
    return "\n".join(visible(line.replace("\t", " ")) for line in text.splitlines())


async def read(model: Model, spender: Spender, shape: type[BaseModel], text: str, origin: Source) -> ReadText:
    """`text` is what `shown` made of it. A model that abstains has found nothing."""
    form = {field.path: field for field in intake_fields.fields(shape)}
    asked = prompt("intake")
    facts = {"fields": [field.described() for field in form.values()], "text": text}
    answer = await model.structured(asked, Reading, facts, spender)
    said: dict[str, Any] = {"model": model.name, "prompt": f"{asked.name} {asked.version} {asked.sha256}"}
    said["spent"] = spender.account()
    if isinstance(answer, Abstained):
        return ReadText((), (), said | {"abstained": answer.reason})
    arguments, refused = _taken(form, answer.found, text, origin)
    return ReadText(arguments, refused, said)


def judge(shape: type[BaseModel], arguments: Sequence[Argument], refused: Sequence[RefusedValue]) -> Judged:
    """By the workflow's own model, which knows what an input must be."""
    questions = {each.field: each.reason for each in refused if each.reason.startswith(AMBIGUOUS)}
    questions = {field: why for field, why in questions.items() if field not in {each.field for each in arguments}}
    try:
        wanted = shape.model_validate(_nested(arguments)).model_dump(mode="json")
    except ValidationError as exc:
        for fault in exc.errors(include_url=False, include_input=False):
            for path in _asked(shape, ".".join(str(part) for part in fault["loc"])):
                questions.setdefault(path, str(fault["msg"]))
        return Judged(None, questions)
    return Judged(None, questions) if questions else Judged(wanted, {})


def answer_form(shape: type[BaseModel], questions: Mapping[str, str]) -> dict[str, Any]:
    """JSON schema of the answers: every field may be given or mended by its path, those asked for must be."""
    whole = shape.model_json_schema()
    known = {field.path: field.schema for field in intake_fields.fields(shape)}
    lists = {path: schema for path, schema in whole["properties"].items() if _is_apart(path, known)}
    form = {"type": "object", "properties": lists | known, "required": sorted(questions), "additionalProperties": False}
    return form | ({"$defs": whole["$defs"]} if "$defs" in whole else {})


def is_unmistakable(shape: type[BaseModel], arguments: Sequence[Argument], text: str) -> bool:
    """Whether a model could not have mixed values up: the user typed each, no two are of one kind, and the text has no
    number but the one that was read."""
    kinds = {field.path: field.kind for field in intake_fields.fields(shape)}
    read_there = [each for each in arguments if each.quote is not None]
    if any(each.source != "typed_by_user" for each in arguments):
        return False
    found = [("number" if kinds[each.field] in _NUMERIC else kinds[each.field]) for each in read_there]
    try:
        stated = len(numbers(text))
    except ValueError:
        return False
    return len(found) == len(set(found)) and ("number" not in found or stated == 1)


AMBIGUOUS = "ambiguous"


def _taken(
    form: Mapping[str, Field], found: Sequence[FoundValue], text: str, origin: Source
) -> tuple[tuple[Argument, ...], tuple[RefusedValue, ...]]:
    """Currencies first: an amount in minor units needs one."""
    order = sorted(found, key=lambda one: one.field not in form or form[one.field].kind != "currency")
    taken: dict[str, list[Argument]] = {}
    refused: list[RefusedValue] = []
    for one in order:
        currencies = [each.value for path, of in taken.items() if form[path].kind == "currency" for each in of]
        got = _argument(form.get(one.field), one, (text, origin), next(iter(currencies), None))
        if isinstance(got, RefusedValue):
            refused.append(got)
        else:
            taken.setdefault(one.field, []).append(got)
    for path, why in _ambiguous(form, taken, text):
        refused.append(RefusedValue(path, "; ".join(str(each.quote) for each in taken.pop(path)), why))
    return tuple(of[0] for of in taken.values()), tuple(refused)


def _argument(
    field: Field | None, one: FoundValue, said: tuple[str, Source], currency: str | None
) -> Argument | RefusedValue:
    def refuse(reason: str) -> RefusedValue:
        return RefusedValue(one.field, one.quote, reason)

    text, origin = said
    if field is None:
        return RefusedValue("", "", "the form has no such field")
    if not one.quote.strip() or len(one.quote) > LONGEST_QUOTE:
        return RefusedValue(one.field, "", f"a quote of 1 to {LONGEST_QUOTE} characters is needed")
    places = _places(one.quote, text)
    if not places:
        # Not in its words: what a model made up is shown to nobody.
        return RefusedValue(one.field, "", "the text does not say this")
    whole = [place for place in places if is_whole(text, *place)]
    if not whole:
        return refuse("it is a piece of a longer word or number")
    try:
        value = intake_fields.stated(field, one.quote, currency)
    except ValueError as exc:
        return refuse(str(exc))
    if value is None:
        return refuse(f"these words do not state one {field.kind.replace('_', ' ')}")
    if not intake_fields.same(field, one.value, value):
        return refuse(f"these words state {value}, and not what was read there")
    others = _QUOTED_FROM.search(text)
    mine = [place for place in whole if origin == "typed_by_user" and (others is None or place[1] <= others.start())]
    start, end = (mine or whole)[0]
    return Argument(one.field, value, "typed_by_user" if mine else "untrusted", text[start:end], start, end)


def _places(quote: str, text: str) -> list[tuple[int, int]]:
    """Where the quote stands; blanks and line ends are alike."""
    words = r"\s+".join(map(re.escape, quote.split()))
    return [found.span() for found in re.finditer(words, text)]


def _ambiguous(form: Mapping[str, Field], taken: Mapping[str, Sequence[Argument]], text: str) -> Iterable[Any]:
    """Fields with two values; and those of a kind of which the text states more than the form asks for."""
    for path, of in list(taken.items()):
        values = list(dict.fromkeys(str(each.value) for each in of))
        kind = form[path].kind
        room = sum(field.kind == kind for field in form.values())
        stated = intake_fields.candidates(kind, text)
        if len(values) > 1:
            yield path, f"{AMBIGUOUS}: the text states {', '.join(values)}"
        elif len(stated) > room:
            yield path, f"{AMBIGUOUS}: the text states {', '.join(sorted(stated))}"


def _asked(shape: type[BaseModel], path: str) -> list[str]:
    """A whole part that is missing is asked for by its fields; what is within a list, by the list."""
    known = intake_fields.fields(shape)
    if any(field.path == path for field in known):
        return [path]
    within = [field.path for field in known if field.path.startswith(f"{path}.") and "default" not in field.schema]
    return within or [path.partition(".")[0]]


def _is_apart(path: str, known: Iterable[str]) -> bool:
    return not any(each == path or each.startswith(f"{path}.") for each in known)


def _nested(arguments: Iterable[Argument]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for each in arguments:
        *parents, last = each.field.split(".")
        at = whole
        for parent in parents:
            at = at.setdefault(parent, {})
        at[last] = each.value
    return whole


def plain(values: Iterable[Argument | RefusedValue]) -> list[dict[str, Any]]:
    return [asdict(each) for each in values]
