"""Rules' dataclasses to JSON-plain values and back, strictly: nothing is guessed, dropped or converted silently."""

from dataclasses import fields, is_dataclass
from datetime import date
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Dataclasses as dicts, tuples as lists, dates as ISO 8601; what JSON holds already stays. TypeError
    otherwise."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} has no JSON-plain form")


def from_plain(kind: type[T], plain: Any) -> T:
    """The dataclass `kind` from what to_plain (or dataclasses.asdict) made of it.

    ValueError names the path of a missing or unknown field or a value of another type; floats are never
    accepted.
    """
    value: T = _value(kind, plain, kind.__name__)
    return value


def _value(kind: Any, plain: Any, path: str) -> Any:
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _member(get_args(kind), plain, path)
    if origin is Literal and plain in get_args(kind):
        return plain
    if origin is tuple and isinstance(plain, list | tuple):
        return tuple(_value(get_args(kind)[0], item, f"{path}[{at}]") for at, item in enumerate(plain))
    if kind is NoneType and plain is None:
        return None
    if isinstance(kind, type) and is_dataclass(kind) and isinstance(plain, dict):
        return _dataclass(kind, plain, path)
    if kind is date and isinstance(plain, str | date):
        return _date(plain, path)
    if kind in (int, str, bool) and type(plain) is kind:
        return plain
    raise ValueError(f"{path}: {type(plain).__name__} where {getattr(kind, '__name__', kind)} belongs")


def _member(kinds: tuple[Any, ...], plain: Any, path: str) -> Any:
    """The only member, None aside, decides alone, so that its error keeps its path; several are tried in turn."""
    if plain is None and NoneType in kinds:
        return None
    rest = [kind for kind in kinds if kind is not NoneType]
    for kind in rest[:-1]:
        try:
            return _value(kind, plain, path)
        except ValueError:
            continue
    return _value(rest[-1], plain, path)


def _dataclass(kind: type, plain: dict[str, Any], path: str) -> Any:
    hints = _hints(kind)
    if unknown := sorted(plain.keys() - hints.keys()):
        raise ValueError(f"{path}.{unknown[0]}: unknown field")
    try:
        return kind(**{name: _value(hints[name], item, f"{path}.{name}") for name, item in plain.items()})
    except TypeError as exc:
        raise ValueError(f"{path}: {exc}") from exc


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _date(plain: str | date, path: str) -> date:
    try:
        return plain if isinstance(plain, date) else date.fromisoformat(plain)
    except ValueError as exc:
        raise ValueError(f"{path}: {plain!r} is no ISO 8601 date") from exc
