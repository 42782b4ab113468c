"""Where the code of a plugin comes from: what was read of a file runs as a fresh module of its own name."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib
import importlib.machinery
import importlib.util
import itertools
import re
import sys
import threading
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from pathlib import Path

from runtime.errors import PluginError
from runtime.extensions.failures import in_words, line_in, place
from runtime.extensions.finder import PluginFile
from runtime.extensions.header import check_header, install_line

MAX_BYTES = 4 * 1024 * 1024

INSIDES = frozenset({"runtime", "hub"})
"""Packages of ours that may change at any time: a plugin should import only `hubbub`."""

_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")

_numbers = itertools.count(1)

_PARSING = threading.Lock()
"""One tree at a time: some versions of Python 3.11 fail where two threads build one at once (gh-106905)."""


@dataclass(frozen=True, slots=True)
class Text:
    """What a plugin file says: its code, and which of our own packages it imports, with their lines."""

    digest: str
    code: types.CodeType
    insides: tuple[tuple[str, int], ...]


def read(path: Path) -> Text:
    """Return what the file says; PluginError when it is not Python, or needs what is not installed."""
    if not path.is_file():  # also a pipe, which would be read for ever
        raise PluginError("it is no file that can be read; mend that or move it away")
    try:
        with path.open("rb") as file:
            source = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or error
        raise PluginError(f"it cannot be read ({reason}); mend that or move it away") from None
    if len(source) > MAX_BYTES:
        raise PluginError("it is larger than 4 MiB; a plugin is one file of code, keep data elsewhere")
    try:
        check_header(importlib.util.decode_source(source))
        return _compiled(source, str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise PluginError(f"{in_words(error)}; mend that line") from error


@lru_cache(maxsize=64)
def _compiled(source: bytes, path: str) -> Text:
    """Compile a text once, however often it is loaded: with other settings, or by another engine."""
    with _PARSING:
        tree = ast.parse(source, path)
    code = compile(tree, path, "exec", dont_inherit=True)
    return Text(hashlib.sha256(source).hexdigest(), code, tuple(_insides_imported(tree)))


@dataclass(frozen=True, slots=True)
class Code:
    """A plugin that was found: where its code is, how it is run, and what tells it from another."""

    path: Path
    execute: Callable[[], types.ModuleType]
    digest: str
    version: str
    warnings: tuple[str, ...] = ()


def package(file: PluginFile) -> Code:
    """Return the plugin of an installed package, which is imported as any other module."""
    try:
        spec = importlib.util.find_spec(file.module)
    except Exception as error:  # whatever the package around it does when it is imported
        raise PluginError(f"{file.shown}: {in_words(error)}; mend or remove the package") from None
    if spec is None:
        raise PluginError(f"{file.shown}: there is no module {file.module}; mend or remove the package")

    def execute() -> types.ModuleType:
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(file.module)

    return Code(Path(spec.origin or file.path), execute, "", file.version)


def digest(path: Path) -> str:
    """Return what tells the file's text from another; "" when it cannot be read."""
    try:
        if path.is_file() and path.stat().st_size <= MAX_BYTES:
            return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        pass
    return ""


def execute(name: str, path: Path, code: types.CodeType) -> types.ModuleType:
    """Run the code as a new module and return it; raises whatever the plugin's own code raises.

    The module has a name of its own in `sys.modules`, where pydantic and dataclasses look it up, and
    the real path of the file, which tracebacks show.  No bytecode is written or read.
    """
    private = f"hubbub_plugin_{re.sub(r'[^0-9A-Za-z_]', '_', name)}_{next(_numbers)}"
    module = types.ModuleType(private)
    module.__file__ = str(path)
    module.__spec__ = importlib.machinery.ModuleSpec(private, None, origin=str(path))
    sys.modules[private] = module
    try:
        # Standard output may be a pipe with a protocol on it, or JSON that someone parses.
        with contextlib.redirect_stdout(sys.stderr):
            exec(code, module.__dict__)  # noqa: S102 - running plugins is the point
    except BaseException:
        forget(private)
        raise
    return module


def forget(private: str) -> None:
    """Take a plugin's module out of `sys.modules`."""
    sys.modules.pop(private, None)


def _insides_imported(tree: ast.Module) -> list[tuple[str, int]]:
    """Return the imports of our own packages, with their lines."""
    found = []
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        else:
            continue
        found += [(name, node.lineno) for name in names if name.partition(".")[0] in INSIDES]
    return sorted(found, key=itemgetter(1))


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield all statements, in no order: expressions hold no import, and are nine nodes of ten."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += (inner for block in _BLOCKS for inner in getattr(node, block, ()))


def import_failure(error: BaseException, path: Path, shown: str) -> PluginError:
    """Say what the plugin's own code raised while it was imported, with its own line."""
    where = place(shown, line_in(error, str(path)))
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        return PluginError(
            f"{where}: it imports {package}, which is not installed; name the package that has it in the "
            f"file's `# /// script` header, and if it has that name, run: {install_line([package])}"
        )
    return PluginError(f"{where}: {in_words(error)}; mend that line.")
