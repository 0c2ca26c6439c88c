"""Rules' dataclasses to JSON-plain values and back, strictly: nothing is guessed, dropped or converted silently."""

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from datetime import date
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
Reader = Callable[[Any], Any]


def to_plain(value: Any) -> Any:
    """Dataclasses as dicts, tuples as lists, dates as ISO 8601; what JSON holds already stays. TypeError otherwise."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if is_dataclass(value):
        return {name: to_plain(getattr(value, name)) for name in _field_names(type(value))}  # type: ignore[arg-type]  # classes are hashable
    raise TypeError(f"{type(value).__name__} has no JSON-plain form")


def from_plain(kind: type[T], plain: Any) -> T:
    """The dataclass `kind` from what to_plain (or dataclasses.asdict) made of it.

    Misfit names the path of a missing or unknown field, of a value of another type (floats are never accepted), and of
    what the dataclass itself refuses.
    """
    try:
        value: T = _reader(kind)(plain)  # type: ignore[arg-type]  # classes are hashable
    except _MisfitError as misfit:
        raise Misfit(kind.__name__, misfit.path.removeprefix("."), misfit.fault) from misfit
    return value


class Misfit(ValueError):
    """What `from_plain` cannot read: `path` is `prices[2].fee_bps`, empty for the whole."""

    def __init__(self, kind: str, path: str, fault: str) -> None:
        super().__init__(f"{kind}{'.' if path and path[0] != '[' else ''}{path}: {fault}")
        self.path = path
        self.fault = fault


class OutOfRange(ValueError):
    """Raised by a dataclass that is made of a field's value that it may not have."""

    def __init__(self, field: str, fault: str) -> None:
        super().__init__(f"{field}: {fault}")
        self.field = field
        self.fault = fault


class _MisfitError(Exception):
    """A value that does not fit, with its path from where it is being read."""

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault
        self.path = ""

    def below(self, step: str) -> "_MisfitError":
        self.path = step + self.path
        return self


@cache
def _field_names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@cache
def _reader(kind: Any) -> Reader:
    """How values of this type are read, put together once."""
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _read_member(get_args(kind))
    if origin is Literal:
        return _read_literal(get_args(kind))
    if origin is tuple:
        return _read_tuple(_reader(get_args(kind)[0]))
    if isinstance(kind, type) and is_dataclass(kind):
        return _read_dataclass(kind)
    if kind is date:
        return _read_date
    if kind in (int, str, bool, NoneType):
        return _read_exactly(kind)
    raise TypeError(f"{kind} has no JSON-plain form")


def _read_member(kinds: tuple[Any, ...]) -> Reader:
    """The only member, None aside, decides alone, so that its error keeps its path; several are tried in turn."""
    readers = [_reader(kind) for kind in kinds if kind is not NoneType]
    nullable = NoneType in kinds

    def read(plain: Any) -> Any:
        if plain is None and nullable:
            return None
        for reader in readers[:-1]:
            try:
                return reader(plain)
            except _MisfitError:
                continue
        return readers[-1](plain)

    return read


def _read_literal(values: tuple[Any, ...]) -> Reader:
    def read(plain: Any) -> Any:
        if plain not in values:
            raise _MisfitError(f"{plain!r:.40} is none of {', '.join(map(str, values))}")
        return plain

    return read


def _read_tuple(item: Reader) -> Reader:
    def read(plain: Any) -> Any:
        if not isinstance(plain, list | tuple):
            raise _MisfitError(f"{type(plain).__name__} where a list belongs")
        read_items = []
        for at, value in enumerate(plain):
            try:
                read_items.append(item(value))
            except _MisfitError as misfit:
                raise misfit.below(f"[{at}]") from None
        return tuple(read_items)

    return read


def _read_dataclass(kind: type) -> Reader:
    hints = get_type_hints(kind)
    readers = {name: _reader(hints[name]) for name in _field_names(kind)}
    required = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]

    def read(plain: Any) -> Any:
        if not isinstance(plain, dict):
            raise _MisfitError(f"{type(plain).__name__} where {kind.__name__} belongs")
        values = {}
        for name, value in plain.items():
            if name not in readers:
                raise _MisfitError("unknown field").below(f".{name}")
            try:
                values[name] = readers[name](value)
            except _MisfitError as misfit:
                raise misfit.below(f".{name}") from None
        for name in required:
            if name not in values:
                raise _MisfitError("missing").below(f".{name}")
        try:
            return kind(**values)
        except OutOfRange as exc:
            raise _MisfitError(exc.fault).below(f".{exc.field}") from exc
        except ValueError as exc:
            raise _MisfitError(str(exc)) from exc

    return read


def _read_date(plain: Any) -> date:
    if isinstance(plain, date):
        return plain
    try:
        return date.fromisoformat(plain)
    except (TypeError, ValueError):
        raise _MisfitError(f"{plain!r:.40} is no ISO 8601 date") from None


def _read_exactly(kind: type) -> Reader:
    def read(plain: Any) -> Any:
        if type(plain) is not kind:
            raise _MisfitError(f"{type(plain).__name__} where {kind.__name__} belongs")
        return plain

    return read
