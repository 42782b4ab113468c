"""Reads `langgraph.json`: which graphs an application has, and what it needs around them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

from runtime.errors import CannotStart
from runtime.graphs.findings import near

_IMAGES: Final = frozenset(
    (
        *("$schema", "api_version", "base_image", "building_tools_to_uninstall", "dockerfile_lines"),
        *("image_distro", "keep_pkg_tools", "node_version", "pip_config_file", "pip_installer"),
        "python_version",
    )
)
"""Keys that say how an image is built, which is not done here."""

_ELSEWHERE: Final = {
    "auth": "clients are known by [auth] in config.toml",
    "checkpointer": "state is kept in Hubbub's own journal",
    "disable_studio": "there is no Studio here",
    "encryption": "state is kept as it is",
    "http": "Hubbub's own addresses are served",
    "store": "search in the store is set in config.toml",
    "ui": "web components are not served",
    "ui_config": "web components are not served",
    "webhooks": "webhooks are set in config.toml",
}
"""Keys of parts of the other server that this one has its own way for."""

_READ: Final = frozenset({"graphs", "dependencies", "env"})


@dataclass(frozen=True, slots=True)
class GraphPlace:
    """Where a graph is: `module` is a path to a file, or the dotted name of a module without `file`."""

    name: str
    module: str
    variable: str
    file: Path | None = None
    about: str = ""


@dataclass(frozen=True, slots=True)
class Application:
    """What a `langgraph.json` says.  `env` is a mapping or a file; `odd` are sentences for the log."""

    path: Path
    graphs: tuple[GraphPlace, ...]
    folders: tuple[Path, ...] = ()
    packages: tuple[str, ...] = ()
    env: dict[str, str] | Path = field(default_factory=dict)
    odd: tuple[str, ...] = ()


def read_application(path: Path) -> Application:
    """Return what the file says; CannotStart with file and key for the first thing that is wrong."""
    data = _load(path)
    found = data.get("graphs")
    if not isinstance(found, dict) or not found:
        _refuse(path, "graphs", 'names no graph; write {"graphs": {"agent": "./agent.py:graph"}}')
    folders, packages = _dependencies(path, data.get("dependencies", []))
    return Application(
        path,
        tuple(_graph(path, name, told) for name, told in found.items()),
        folders,
        packages,
        _env(path, data.get("env", {})),
        tuple(_odd(path, data)),
    )


def _refuse(path: Path, key: str, words: str) -> NoReturn:
    raise CannotStart(f"{path}: {key} {words}." if key else f"{path}: {words}.")


def _load(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        _refuse(path, "", f"it cannot be read ({error.strerror}); name a langgraph.json that is there")
    except UnicodeDecodeError:
        _refuse(path, "", "it is not UTF-8; save it as that")
    except json.JSONDecodeError as error:
        _refuse(path, "", f"line {error.lineno} is not JSON ({error.msg}); mend it")
    if not isinstance(data, dict):
        _refuse(path, "", 'it is not an object; write {"graphs": {"agent": "./agent.py:graph"}}')
    return data


def _graph(path: Path, name: str, told: Any) -> GraphPlace:
    key = f"graphs.{name}"
    if not (0 < len(name) <= 100 and name.isprintable() and "/" not in name):
        _refuse(path, key, "is no name; use at most 100 printable characters without '/'")
    about = ""
    if isinstance(told, dict):
        about, told = str(told.get("description") or ""), told.get("path")
    if not isinstance(told, str):
        _refuse(path, key, 'is neither a text nor an object with a path; write "./agent.py:graph"')
    module, colon, variable = told.rpartition(":")
    if module.endswith((".ts", ".js", ".mts", ".mjs", ".tsx")):
        _refuse(path, key, f"is {told}, which is JavaScript; only graphs in Python run here")
    if not colon or not variable.isidentifier():
        _refuse(path, key, f"is {told}, which names no variable; write {told.rstrip(':')}:graph")
    if "/" not in module and not module.endswith(".py"):
        return GraphPlace(name, module, variable, None, about)
    file = (path.parent / module).resolve()
    if not file.is_file():
        _refuse(path, key, f"is {told}, and there is no file {file}; mend the path")
    return GraphPlace(name, module, variable, file, about)


def _dependencies(path: Path, told: Any) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    if not isinstance(told, list) or not all(isinstance(each, str) for each in told):
        _refuse(path, "dependencies", 'is no list of texts; write ["."]')
    folders, packages = [], []
    for each in told:
        if not each.startswith((".", "/")):
            packages.append(each)
            continue
        folder = (path.parent / each).resolve()
        if not folder.is_dir():
            _refuse(path, "dependencies", f"has {each}, and there is no folder {folder}; mend the path")
        folders.append(folder)
    return tuple(folders), tuple(packages)


def _env(path: Path, told: Any) -> dict[str, str] | Path:
    if isinstance(told, str):
        file = (path.parent / told).resolve()
        if not file.is_file():
            _refuse(path, "env", f"is {told}, and there is no file {file}; write it, or leave env out")
        return file
    if not isinstance(told, dict):
        _refuse(path, "env", 'is neither a file nor an object; write ".env"')
    for name, value in told.items():
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            _refuse(path, f"env.{name}", "is no text; write it in quotes")
    return {name: str(value) for name, value in told.items()}


def _odd(path: Path, keys: Iterable[str]) -> Iterable[str]:
    for key in keys:
        if key in _ELSEWHERE:
            yield f"{path}: {key} is not used here: {_ELSEWHERE[key]}"
        elif key not in _READ | _IMAGES:
            yield f"{path}: nobody knows the key {key}; {near(key, _READ)}"
