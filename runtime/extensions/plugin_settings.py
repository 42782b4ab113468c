"""A plugin's own Settings, filled from `[plugins.NAME]` and checked with the place of every mistake."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, TypeAlias

from pydantic import BaseModel, ValidationError

from runtime.errors import ConfigError, MissingSecret, PluginError
from runtime.secrets import hide_secrets
from runtime.settings import Settings

PREFIX = "secret:"

Path: TypeAlias = tuple[str | int, ...]


def plugin_settings(
    declared: object, name: str, settings: Settings
) -> tuple[BaseModel | None, MissingSecret | None]:
    """Return the validated settings, and the first secret that they name and that is not there.

    `declared` is the plugin's class `Settings`, or None.  Texts `secret:NAME`, also in defaults, are
    replaced by the secret before validation, so that authors see plain values.  A missing one does not
    keep the plugin from loading: its settings then hold the reference as it was written, and the caller
    makes every call of the plugin raise the MissingSecret.  PluginError for everything else.
    """
    table = settings.plugins.tables.get(name, {})
    if declared is None:
        if table:
            raise PluginError(
                _say(settings, name, (), "has keys, but the plugin declares no Settings; take them out")
            )
        return None, None
    if not (isinstance(declared, type) and issubclass(declared, BaseModel)):
        raise PluginError("its Settings is no pydantic model; write class Settings(BaseModel)")
    _refuse_unknown(declared, name, table, settings)
    missing: dict[Path, MissingSecret] = {}
    resolved = _resolve({**_default_secrets(declared), **table}, (), name, settings, missing)
    try:
        made = declared.model_validate(resolved)
    except ValidationError as error:
        raise PluginError(_mistake(error, name, settings, missing)) from None
    return made, next(iter(missing.values()), None)


def _default_secrets(declared: type[BaseModel]) -> dict[str, str]:
    """Return the secrets that the plugin itself names, in the defaults of its settings."""
    fields = declared.model_fields.items()
    return {
        name: field.default
        for name, field in fields
        if isinstance(field.default, str) and field.default.startswith(PREFIX)
    }


def _resolve(
    value: Any, path: Path, name: str, settings: Settings, missing: dict[Path, MissingSecret]
) -> Any:
    if isinstance(value, dict):
        return {key: _resolve(part, (*path, key), name, settings, missing) for key, part in value.items()}
    if isinstance(value, list):
        return [_resolve(part, (*path, at), name, settings, missing) for at, part in enumerate(value)]
    if isinstance(value, str) and value.startswith(PREFIX):
        try:
            return settings.secret(value, needed_by=f"[plugins.{name}] {_dotted(path)}")
        except MissingSecret as error:
            # It is kept: with its traceback it would keep every frame of the load.
            missing[path] = error.with_traceback(None)
    return value


def _refuse_unknown(model: type[BaseModel], name: str, table: dict[str, Any], settings: Settings) -> None:
    """Misspelt keys are mistakes also when the author's model would ignore them."""
    if model.model_config.get("extra") == "allow":
        return
    known = list(model.model_fields)
    for field in model.model_fields.values():
        known += [alias for alias in (field.alias, field.validation_alias) if isinstance(alias, str)]
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            rest = (
                f"; did you mean {near[0]}?" if near else f"; known are {', '.join(sorted(known)) or 'none'}"
            )
            raise PluginError(_say(settings, name, (key,), f"has no key {key}{rest}", at_key=True))


def _mistake(
    error: ValidationError, name: str, settings: Settings, missing: dict[Path, MissingSecret]
) -> str:
    """Put the first mistake into words; one that only a missing secret made is that secret's."""
    details = error.errors(include_url=False, include_input=False, include_context=False)
    for detail in details:
        path = detail["loc"]
        if path in missing:
            continue
        words = hide_secrets(" ".join(detail["msg"].split())).rstrip(".")
        if detail["type"] == "missing":
            return _say(settings, name, path[:-1], f"needs {path[-1]}; add it")
        subject = f"{_dotted(path)} is wrong: " if path else "is wrong: "
        return _say(settings, name, path, f"{subject}{words[:1].lower()}{words[1:]}; mend it")
    return str(next(iter(missing.values())))


def _say(settings: Settings, name: str, path: Path, words: str, *, at_key: bool = False) -> str:
    """Begin a sentence with the place in `config.toml`, where there is one."""
    message = f"[plugins.{name}] {words}"
    document = settings.document
    if document is None:
        return message
    full = ("plugins", name, *path)
    line, column = document.place(*full) if at_key or not path else document.value_place(*full)
    return str(ConfigError(message, file=document.file, line=line, column=column))


def _dotted(path: Sequence[str | int]) -> str:
    return ".".join(str(part) for part in path)
