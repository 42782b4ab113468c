"""`config.toml`, the environment and the command line become `Settings`; the only reader of configuration."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from runtime.config_mistakes import Mistake, from_pydantic, take_out_later, take_out_plugins, take_out_unknown
from runtime.errors import CannotStart, ConfigError
from runtime.settings import (
    AuthSettings,
    EgressSettings,
    HubLimits,
    HubSettings,
    ModelAlias,
    PluginHost,
    PluginsSettings,
    RunsSettings,
    SearchSettings,
    SecretsSettings,
    Settings,
    StorageSettings,
    TelemetrySettings,
)
from runtime.toml import MAX_BYTES, TomlDocument, TomlSyntaxError, parse_toml

__all__ = [
    "AuthSettings",
    "EgressSettings",
    "HubLimits",
    "HubSettings",
    "ModelAlias",
    "PluginHost",
    "PluginsSettings",
    "RunsSettings",
    "SearchSettings",
    "SecretsSettings",
    "Settings",
    "StorageSettings",
    "TelemetrySettings",
    "load_settings",
]

FILE = "config.toml"


def load_settings(workspace: Path, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the workspace's settings; without a `config.toml`, the defaults.

    `overrides` come from the command line, with dotted keys: `{"hub.port": 0}`; None values are left
    out.  The variable HUBBUB_MODELS goes before `[search] models`.  ConfigError holds every mistake,
    one a line, each with its place; CannotStart when there is no such folder.
    """
    root = workspace.expanduser().resolve()
    if not root.is_dir():
        raise CannotStart(f"There is no folder {workspace}; make a workspace with: hubbub init {workspace}")
    file = str(workspace / FILE)
    document = _read(root / FILE, file)
    data = copy.deepcopy(document.data) if document else {}
    chosen = {tuple(key.split(".")): value for key, value in (overrides or {}).items() if value is not None}
    if folder := os.environ.get("HUBBUB_MODELS"):
        chosen[("search", "models")] = str(Path(folder).absolute())
    for path, value in chosen.items():
        _put(data, path, value)
    mistakes = [*take_out_unknown(data), *take_out_later(data), *take_out_plugins(data)]
    settings = None
    try:
        settings = Settings.model_validate(
            {**data, "workspace": root}, context={"workspace": root, "document": document}
        )
    except ValidationError as error:
        mistakes += from_pydantic(error)
    if settings is None or mistakes:
        raise _config_error(mistakes, document, file, set(chosen))
    return settings


def _read(path: Path, file: str) -> TomlDocument | None:
    try:
        with path.open("rb") as opened:
            source = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = error.strerror or "it is not a file"
        raise ConfigError(f"It cannot be read ({reason}); mend that or move it away.", file=file) from None
    try:
        return parse_toml(source, file)
    except TomlSyntaxError as error:
        raise ConfigError(error.message, file=file, line=error.line, column=error.column) from None


def _put(data: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    """Set one value; a wrong table on its way stays, its own mistake will be reported."""
    table: object = data
    for part in path[:-1]:
        if not isinstance(table, dict):
            return
        table = table.setdefault(part, {})
    if isinstance(table, dict):
        table[path[-1]] = value


def _config_error(
    mistakes: list[Mistake], document: TomlDocument | None, file: str, chosen: set[tuple[str, ...]]
) -> ConfigError:
    """Put all mistakes into one error, in the order of the file."""
    found: list[tuple[int, int, str]] = []
    for mistake in mistakes:
        outside = any(mistake.path[: len(path)] == path for path in chosen)
        if document is None or outside:
            found.append((0, 0, mistake.message))
        else:
            place = document.place(*mistake.path) if mistake.at_key else document.value_place(*mistake.path)
            found.append((place.line, place.column, mistake.message))
    found.sort()
    lines = [f"{file}:{line}:{column}: {text}" if line else text for line, column, text in found]
    line, column, first = found[0]
    rest = "".join(f"\n{text}" for text in lines[1:])
    return ConfigError(first + rest, file=file if line else "command line", line=line, column=column)
