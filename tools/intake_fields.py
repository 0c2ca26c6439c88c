"""The fields of any workflow's input, out of its JSON schema, and what each may be read from."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel

from tools.rules import written_values as written
from tools.rules.account_numbers import check
from tools.rules.money import to_minor
from tools.rules.written_words import MEANINGS

Kind = Literal["amount", "amount_minor", "months", "whole", "date", "listed", "currency", "iban", "text"]


@dataclass(frozen=True, slots=True)
class Field:
    """One value of the input: `path` as `employment.since`; `options` if only these are taken."""

    path: str
    kind: Kind
    required: bool
    schema: dict[str, Any]
    options: tuple[str, ...] = ()

    def described(self) -> dict[str, Any]:
        """For the model."""
        said: dict[str, Any] = {"field": self.path, "type": self.kind}
        if self.options:
            said["one of"] = list(self.options)
        if "description" in self.schema:
            said["meaning"] = self.schema["description"]
        return said


def fields(shape: type[BaseModel]) -> tuple[Field, ...]:
    """All but lists and what no sentence states (times, yes or no): these the person fills in."""
    schema = shape.model_json_schema()
    return tuple(_fields(schema, schema.get("$defs", {}), "", required=True))


def stated(field: Field, quote: str, currency: str | None = None) -> Any:
    """What the quote states for this field, JSON-plain; None: nothing, or more than one thing. Raises ValueError for
    what is no number in any spelling."""
    return _READERS[field.kind](field, quote, currency)


def candidates(kind: Kind, text: str) -> set[str]:
    """All that a whole text states of a kind whose mix-up would send money elsewhere."""
    match kind:
        case "iban":
            return set(written.ibans(text))
        case "currency":
            return set(written.currencies(text))
        case _:
            return set()


def _fields(schema: Mapping[str, Any], defs: Mapping[str, Any], at: str, *, required: bool) -> Iterator[Field]:
    for name, given in schema.get("properties", {}).items():
        needed = required and name in schema.get("required", ())
        found = _resolved(given, defs)
        path = f"{at}{name}"
        if "properties" in found:
            yield from _fields(found, defs, f"{path}.", required=needed)
            continue
        kind = _kind(name, found)
        if kind is not None:
            yield Field(path, kind, needed, found, tuple(map(str, _options(found))))


def _resolved(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> dict[str, Any]:
    """References followed, and null left out of what may be null."""
    found = dict(schema)
    while "$ref" in found:
        found = {**defs[found.pop("$ref").rpartition("/")[2]], **found}
    choices = [one for one in found.get("anyOf", ()) if one.get("type") != "null"]
    if len(choices) == 1 and len(found["anyOf"]) > 1:
        rest = {key: value for key, value in found.items() if key not in ("anyOf", "default")}
        return _resolved({**choices[0], **rest}, defs)
    return found


def _options(schema: Mapping[str, Any]) -> list[Any]:
    return list(schema["enum"]) if "enum" in schema else [schema["const"]] if "const" in schema else []


def _kind(name: str, schema: Mapping[str, Any]) -> Kind | None:
    types = {schema.get("type")} | {one.get("type") for one in schema.get("anyOf", ())}
    if "number" in types:
        return "amount"
    if schema.get("type") == "integer":
        return "amount_minor" if name.endswith("_minor") else "months" if name.endswith("_months") else "whole"
    if schema.get("type") != "string":
        return None
    if name == "currency":
        return "currency"
    if _options(schema):
        return "listed"
    match schema.get("format"):
        case "date":
            return "date"
        case None:
            return "iban" if name.endswith("iban") else "text"
        case "uuid":
            return "text"
        case _:
            return None


def _amount(field: Field, quote: str, currency: str | None) -> Any:
    value = written.amount(quote)
    return None if value is None or value < 0 else str(value)


def _amount_minor(field: Field, quote: str, currency: str | None) -> Any:
    value = written.amount(quote)
    if value is None or value < 0 or currency is None:
        return None
    return to_minor(value, currency)


def _months(field: Field, quote: str, currency: str | None) -> Any:
    return written.months(quote)


def _whole(field: Field, quote: str, currency: str | None) -> Any:
    value = written.amount(quote)
    return int(value) if value is not None and value == value.to_integral_value() else None


def _date(field: Field, quote: str, currency: str | None) -> Any:
    found = written.dates(quote)
    return found[0].isoformat() if len(found) == 1 else None


def _listed(field: Field, quote: str, currency: str | None) -> Any:
    meant = [
        option
        for option in field.options
        if any(written.mentions(words, quote) for words in (option, *MEANINGS.get(option, ())))
    ]
    return meant[0] if len(meant) == 1 else None


def _currency(field: Field, quote: str, currency: str | None) -> Any:
    found = written.currencies(quote)
    return found[0] if len(found) == 1 else None


def _iban(field: Field, quote: str, currency: str | None) -> Any:
    checked = check("iban", quote)
    if checked.fault is None:
        return checked.value
    found = written.ibans(quote)
    return found[0] if len(found) == 1 else None


def _text(field: Field, quote: str, currency: str | None) -> Any:
    """The very words: what is read as a name or an id is what was written."""
    return " ".join(quote.split()).strip(" .,;:\"'“”„‘’()") or None


_READERS: dict[Kind, Callable[[Field, str, str | None], Any]] = {
    "amount": _amount,
    "amount_minor": _amount_minor,
    "months": _months,
    "whole": _whole,
    "date": _date,
    "listed": _listed,
    "currency": _currency,
    "iban": _iban,
    "text": _text,
}


def same(field: Field, claimed: str | None, value: Any) -> bool:
    """Whether what the model made of its quote is what we make of it; it may leave that to us."""
    if claimed is None:
        return True
    if field.kind in ("amount", "amount_minor", "months", "whole"):
        try:
            return Decimal(claimed.replace("_", "")) == Decimal(str(value)) or stated(field, claimed) == value
        except (ArithmeticError, ValueError):
            return False
    if field.kind == "iban":
        return bool(check("iban", claimed).value == value)
    return " ".join(claimed.split()).casefold() == str(value).casefold()
