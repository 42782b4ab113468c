"""Imports the graphs of a `langgraph.json`: environment, folders on the path, packages, then the modules."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
import types
from pathlib import Path
from typing import NoReturn

from runtime.errors import CannotStart
from runtime.extensions.failures import in_words, line_in, place
from runtime.extensions.header import install_line, missing_requirement
from runtime.graphs.authored import AuthoredGraph, graph_misfit
from runtime.graphs.findings import near
from runtime.graphs.langgraph_json import Application, GraphPlace


def import_graphs(application: Application) -> list[AuthoredGraph]:
    """Return the application's graphs; CannotStart with file and key for the first thing that is wrong.

    Like the program that the file was written for this changes the process: variables of `env` that
    are not set yet are set, and the folders of `dependencies` are put on `sys.path`.
    """
    _set_environment(application)
    _require(application)
    for folder in (application.path.parent, *application.folders):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
    modules: dict[str, types.ModuleType] = {}
    for found in application.graphs:
        if found.module not in modules:
            modules[found.module] = _module(application, found)
    return [_graph(application, found, modules[found.module]) for found in application.graphs]


def _set_environment(application: Application) -> None:
    if isinstance(application.env, Path):
        from dotenv import dotenv_values

        values = {name: value for name, value in dotenv_values(application.env).items() if value is not None}
    else:
        values = application.env
    for name, value in values.items():
        os.environ.setdefault(name, value)


def _require(application: Application) -> None:
    try:
        missing = [shown for each in application.packages if (shown := missing_requirement(each))]
    except ValueError as error:
        raise CannotStart(f"{application.path}: dependencies has {error}.") from None
    if missing:
        raise CannotStart(
            f"{application.path}: dependencies needs {' and '.join(missing)}, not installed here; "
            f"run: {install_line(missing)}"
        )


def _key(application: Application, found: GraphPlace) -> str:
    return f"{application.path}: graphs.{found.name}"


def _graph(application: Application, found: GraphPlace, module: types.ModuleType) -> AuthoredGraph:
    key = _key(application, found)
    if found.variable not in vars(module):
        public = [name for name in vars(module) if not name.startswith("_")]
        _refuse(f"{key}: {found.module} has no variable {found.variable}", near(found.variable, public))
    value = vars(module)[found.variable]
    if words := graph_misfit(value):
        what, _, remedy = words.partition("; ")
        _refuse(f"{key}: {found.variable} in {found.module} {what}", remedy)
    return AuthoredGraph(found.name, value, module.__file__ or "", key, found.about)


def _refuse(words: str, remedy: str) -> NoReturn:
    raise CannotStart(f"{words}; {remedy.rstrip('.?')}{'?' if remedy.endswith('?') else '.'}")


def _module(application: Application, found: GraphPlace) -> types.ModuleType:
    try:
        if found.file is None:
            return importlib.import_module(found.module)
        return _execute(_stable_name(application, found.file), found.file)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise CannotStart(_failure(application, found, error)) from error


def _stable_name(application: Application, file: Path) -> str:
    """Return a module name that is the same after a restart: types in checkpoints are found by it."""
    folder = application.path.parent.resolve()
    shown = str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file)
    return "langgraph_app__" + re.sub(r"\W", "_", shown.removesuffix(".py"))


def _execute(name: str, file: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _failure(application: Application, found: GraphPlace, error: BaseException) -> str:
    line = line_in(error, str(found.file)) if found.file else 0
    where = f"{_key(application, found)}: {place(found.module, line)}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{where} imports {error.name}, which is not installed; {_install(application, error.name)}"
    return f"{where} cannot be imported: {in_words(error)}; mend that."


def _install(application: Application, module: str) -> str:
    """Return the command that most likely brings a missing module."""
    for folder in (*application.folders, application.path.parent):
        if (folder / "requirements.txt").is_file():
            return f"run: {install_line(['-r', str(folder / 'requirements.txt')])}"
        if (folder / "pyproject.toml").is_file() or (folder / "setup.py").is_file():
            return f"run: {install_line(['-e', str(folder)])}"
    if any(name.partition(".")[0] == module.partition(".")[0] for name in sys.modules):
        return "mend the import."
    return f"run: {install_line([module.partition('.')[0].replace('_', '-')])}"
