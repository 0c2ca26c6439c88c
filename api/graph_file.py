"""A team's own graphs, as the ecosystem's `langgraph.json` names them: read, imported and checked.

    {"graphs": {"name": "./file.py:graph"}, "dependencies": ["."], "env": ".env"}

A graph is a compiled graph, a builder, or a factory of either; its path is relative to the file, or a module's name.
Local dependencies, and `src` below them, are put on `sys.path`; others must be installed. A file may import its
neighbours relatively. Of `env`, what the environment has already stays.
"""

import difflib
import functools
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from dotenv import dotenv_values
from langgraph.graph import StateGraph
from langgraph.pregel import Pregel

from api.graph_factory import Arguments, arguments_of
from api.serving import Graph
from db.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class OwnGraph:
    """`source` is the graph as its module has it; `arguments` are what it is called with, if it is a factory."""

    name: str
    description: str | None
    source: Graph | StateGraph[Any, Any, Any, Any] | Callable[..., Any]
    arguments: Arguments | None


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of `graphs`; `complain` names file and key before the fault."""

    file: Path
    key: str
    path: str
    description: str | None

    def complain(self, fault: str) -> InvalidInput:
        return InvalidInput(f"{self.file}: graphs.{self.key}", fault)


@functools.cache
def load(file: Path, taken: frozenset[str] = frozenset()) -> tuple[OwnGraph, ...]:
    """Raises InvalidInput that names file, key and fault. A module is run once in a process, however often this is
    called; whatever else its code raises is its authors' and comes through. `taken` are names served already."""
    content = _content(file)
    entries = _entries(file, content, taken)
    _set_environment(file, content.get("env", {}))
    for dependency in _strings(file, "dependencies", content.get("dependencies", [])):
        _add_to_path(file, dependency)
    return tuple(_own_graph(entry) for entry in entries)


def _content(file: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise InvalidInput(str(file), "there is no such file") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidInput(str(file), f"it cannot be read: {exc}") from exc
    except json.JSONDecodeError as exc:
        raise InvalidInput(f"{file}:{exc.lineno}:{exc.colno}", f"this is not JSON: {exc.msg}") from exc
    if not isinstance(content, dict):
        raise InvalidInput(str(file), "it must be a JSON object with `graphs`")
    return content


def _entries(file: Path, content: Mapping[str, Any], taken: Collection[str]) -> list[_Entry]:
    graphs = content.get("graphs")
    if not isinstance(graphs, dict) or not graphs:
        raise InvalidInput(f"{file}: graphs", 'must name at least one graph: {"name": "./file.py:graph"}')
    entries = []
    for key, value in graphs.items():
        given = {"path": value} if isinstance(value, str) else value
        if not isinstance(given, dict) or not isinstance(given.get("path"), str):
            raise InvalidInput(f"{file}: graphs.{key}", 'must be "./file.py:graph" or {"path": "./file.py:graph"}')
        entry = _Entry(file, key, given["path"], given.get("description"))
        if key in taken:
            raise entry.complain("a workflow of ours has this name; choose another")
        entries.append(entry)
    return entries


def _set_environment(file: Path, env: Any) -> None:
    if isinstance(env, str):
        path = file.parent / env
        if not path.is_file():
            raise InvalidInput(f"{file}: env", f"there is no file {path}")
        env = dotenv_values(path)
    if not isinstance(env, dict):
        raise InvalidInput(f"{file}: env", 'must be a file\'s name or {"NAME": "value"}')
    for name, value in env.items():
        if value is not None:
            os.environ.setdefault(name, str(value))


def _strings(file: Path, key: str, values: Any) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidInput(f"{file}: {key}", "must be a list of texts")
    return values


def _add_to_path(file: Path, dependency: str) -> None:
    """Only folders: a package's name says what must be installed, and the graph's own import proves it."""
    if not dependency.startswith("."):
        return
    folder = (file.parent / dependency).resolve()
    if not folder.is_dir():
        raise InvalidInput(f"{file}: dependencies", f"there is no folder {folder}")
    for path in (folder, folder / "src"):
        if path.is_dir() and str(path) not in sys.path:
            sys.path.append(str(path))


def _own_graph(entry: _Entry) -> OwnGraph:
    source_name, colon, attribute = entry.path.rpartition(":")
    if not colon or not attribute:
        raise entry.complain(f"{entry.path!r} names no graph; write ./file.py:graph")
    module = _module(entry, source_name)
    if not hasattr(module, attribute):
        raise entry.complain(f"{source_name} has no `{attribute}`{_suggestion(module, attribute)}")
    source = getattr(module, attribute)
    if isinstance(source, (Pregel, StateGraph)):
        return OwnGraph(entry.key, entry.description, source, None)
    if not callable(source):
        kind = type(source).__name__
        raise entry.complain(f"`{attribute}` of {source_name} is a {kind}, not a graph or a function that makes one")
    try:
        return OwnGraph(entry.key, entry.description, source, arguments_of(source))
    except TypeError as exc:
        raise entry.complain(f"`{attribute}` of {source_name}: {exc}") from exc


def _module(entry: _Entry, name: str) -> ModuleType:
    try:
        if not name.endswith(".py") and "/" not in name:
            return importlib.import_module(name)
        path = (entry.file.parent / name).resolve()
        if not path.is_file():
            raise entry.complain(f"there is no file {path}")
        return _module_of(path)
    except (ImportError, SyntaxError) as exc:
        raise entry.complain(f"{name} cannot be imported: {exc}") from exc


def _module_of(path: Path) -> ModuleType:
    """Under a name made of its path, so that two files of one name do not meet, and pickles find their classes."""
    name = f"{_package_of(path.parent)}.{path.stem.replace('.', '_')}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise ImportError("it is not a Python file")
    return _executed(spec)


def _package_of(folder: Path) -> str:
    """The folder as a package, below those that it is in: relative imports go by it."""
    initial = folder / "__init__.py"
    if initial.is_file() and (folder.parent / "__init__.py").is_file():
        name = f"{_package_of(folder.parent)}.{folder.name}"
    else:
        name = "_".join(folder.parts).lstrip("/\\_").replace(".", "_")
    if name not in sys.modules:
        spec = ModuleSpec(name, None, is_package=True)
        if initial.is_file():
            spec = importlib.util.spec_from_file_location(name, initial) or spec
        spec.submodule_search_locations = [str(folder)]
        _executed(spec)
    return name


def _executed(spec: ModuleSpec) -> ModuleType:
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    try:
        if spec.loader is not None:
            spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(spec.name, None)
        raise
    return module


def _suggestion(module: ModuleType, attribute: str) -> str:
    graphs = [name for name, value in vars(module).items() if isinstance(value, (Pregel, StateGraph))]
    meant = difflib.get_close_matches(attribute, vars(module), 1) or graphs[:1]
    return f"; did you mean `{meant[0]}`?" if meant else ""
