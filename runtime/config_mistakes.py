"""What is wrong in `config.toml`, in one sentence each: misspelt keys, wrong types, later keys."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel, ValidationError

from runtime.settings import PluginHost, Settings

LATER: Final[tuple[str, ...]] = (
    "auth.jwt",
    "storage.url",
    "bus",
    "search.chroma",
)
"""Keys of the design that have no effect yet: refused, because ignoring them would be a lie."""

LATER_VALUES: Final[dict[str, tuple[str, ...]]] = {
    "auth.mode": ("jwt",),
}

_TYPES: Final[dict[str, str]] = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text in quotes",
    "bool_type": "true or false",
    "tuple_type": "a list in brackets",
    "dict_type": "a table",
    "model_type": "a table",
    "path_type": "a path in quotes",
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong, and where: at the key, or at its value."""

    path: tuple[str | int, ...]
    message: str
    at_key: bool = False


# --------------------------------------------------------------------------- before the types are checked


def take_out_unknown(data: dict[str, Any]) -> list[Mistake]:
    """Remove the top-level words that are no tables of the file, `workspace` among them."""
    known = _known(())
    unknown = [name for name in data if name not in known]
    for name in unknown:
        del data[name]
    return [_unknown((name,), known) for name in unknown]


def take_out_later(data: dict[str, Any]) -> list[Mistake]:
    """Remove keys (and refuse values) that this version does not know what to do with."""
    found: list[Mistake] = []
    for pattern in LATER:
        for table, path in _matches(data, pattern.split("."), ()):
            if table.pop(path[-1]) != {}:  # an empty table asks for nothing
                message = f"{_subject(path)} is not part of this version; take it out."
                found.append(Mistake(path, message, at_key=True))
    for pattern, values in LATER_VALUES.items():
        for table, path in _matches(data, pattern.split("."), ()):
            if (value := table[path[-1]]) in values:
                del table[path[-1]]
                found.append(
                    Mistake(path, f'{_subject(path)} = "{value}" is not part of this version; take it out.')
                )
    return found


def _matches(
    table: Any, pattern: Sequence[str], path: tuple[str, ...]
) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
    """Yield the table and path of each key that matches; `*` stands for any one key."""
    if not isinstance(table, dict):
        return
    head, *rest = pattern
    for key in list(table) if head == "*" else [head]:
        if key in table:
            if rest:
                yield from _matches(table[key], rest, (*path, key))
            else:
                yield table, (*path, key)


def take_out_plugins(data: dict[str, Any]) -> list[Mistake]:
    """Turn `[plugins.NAME]` and `[plugins.NAME.host]` into the fields `tables` and `hosts`.

    A plugin's own table is checked later, by its own Settings class.
    """
    plugins = data.setdefault("plugins", {})
    for table in ("storage", "inference"):  # they too hold paths, which are resolved when they are validated
        data.setdefault(table, {})
    if not isinstance(plugins, dict):
        return []
    found: list[Mistake] = []
    own = {name: plugins.pop(name) for name in ("folder", "disabled") if name in plugins}
    tables: dict[str, Any] = {}
    hosts: dict[str, Any] = {}
    for name, table in plugins.items():
        if isinstance(table, dict):
            tables[name] = {key: value for key, value in table.items() if key != "host"}
            if "host" in table:
                hosts[name] = table["host"]
        else:
            found.append(_unknown(("plugins", name), ["folder", "disabled"]))
    data["plugins"] = {**own, "tables": tables, "hosts": hosts}
    return found


# --------------------------------------------------------------------------- after


def from_pydantic(error: ValidationError) -> list[Mistake]:
    """Return one sentence for each thing pydantic found."""
    found = []
    for detail in error.errors(include_url=False):
        at_key = detail["loc"][-1:] == ("[key]",)
        path = _as_written(tuple(part for part in detail["loc"] if part != "[key]"))
        if detail["type"] == "extra_forbidden":
            found.append(_unknown(path, _known(path[:-1])))
        elif detail["type"] == "missing":
            parent = path[:-1]
            example = ' = ["extractive"]' if path[-1] == "use" else ""
            found.append(
                Mistake(parent, f"{_table(parent)} needs {path[-1]}; add {path[-1]}{example}.", at_key=True)
            )
        else:
            subject = f"The name {path[-1]!r} in {_table(path[:-1])}" if at_key else _subject(path)
            sentence = f"{subject} {_what_is_wrong(detail)}"
            found.append(Mistake(path, sentence if sentence.endswith("?") else f"{sentence}.", at_key=at_key))
    return found


def _what_is_wrong(detail: Mapping[str, Any]) -> str:
    """Return the rest of a sentence that begins with the key."""
    kind, bounds, value = detail["type"], detail.get("ctx", {}), detail["input"]
    if kind == "value_error":
        return str(bounds["error"])
    if kind in _TYPES:
        return f"must be {_TYPES[kind]}, not {_kind_of(value)}"
    if kind == "literal_error":
        choices = str(bounds["expected"]).replace("'", '"')
        guess = _did_you_mean(value, re.findall(r'"(.*?)"', choices))
        return f"must be {choices}{guess}"
    if kind == "too_short":
        return f"is empty; name at least {bounds['min_length']}"
    if kind == "string_too_short":
        return "must not be empty"
    limits = {
        "greater_than": f"more than {bounds.get('gt')}",
        "greater_than_equal": f"at least {bounds.get('ge')}",
        "less_than_equal": f"at most {bounds.get('le')}",
    }
    return f"must be {limits[kind]}" if kind in limits else f"is wrong: {detail['msg']}"


def _unknown(path: tuple[str | int, ...], known: Sequence[str]) -> Mistake:
    """Say that there is no such key, with the nearest one, or where it belongs, or what there is."""
    key = str(path[-1])
    what = f"There is no table or key {key}" if len(path) == 1 else f"{_table(path[:-1])} has no key {key}"
    if guess := _did_you_mean(key, known):
        return Mistake(path, f"{what}{guess}", at_key=True)
    homes = [name for name, model in _sections() if key in model.model_fields]
    if homes:
        return Mistake(path, f"{what}; it belongs under [{homes[0]}].", at_key=True)
    present = sorted(name for name in known if len(path) > 1 or name not in LATER)
    return Mistake(path, f"{what}; known are {', '.join(present)}.", at_key=True)


def _did_you_mean(word: object, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(word).lower(), known, 1)
    return f"; did you mean {near[0]}?" if near else ""


def _sections() -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield name, field.annotation


def _known(path: tuple[str | int, ...]) -> list[str]:
    """Return the keys that the table at `path` may have."""
    if path == ("plugins",):
        return ["folder", "disabled"]
    model: Any = Settings
    if path[:1] == ("plugins",):  # plugins.NAME.host
        model, path = PluginHost, path[3:]
    for part in path:
        model = model.model_fields[part].annotation if part in model.model_fields else None
        if get_origin(model) is dict:
            model = get_args(model)[1]
            break
    later = [key for key in LATER if "." not in key] if not path else []
    return [name for name in model.model_fields if name not in ("workspace", "tables", "hosts")] + later


# --------------------------------------------------------------------------- words


def _as_written(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Turn the place of a field into the place in the file."""
    if path[:1] == ("models",) and path[2:3] == ("use",) and path[4:] == ("model",):
        return path[:4]  # a candidate may be written as its name alone
    if path[:2] == ("plugins", "hosts") and len(path) > 2:
        return ("plugins", path[2], "host", *path[3:])
    return path


def _split(path: tuple[str | int, ...]) -> int:
    """Return how many parts of a path are the table's name as people write it."""
    return {"models": 2, "plugins": 3 if "host" in path else 2 if len(path) > 2 else 1}.get(str(path[0]), 1)


def _table(path: tuple[str | int, ...]) -> str:
    head = _split(path)
    inner = ".".join(str(part) for part in path[head:])
    return f"[{'.'.join(str(part) for part in path[:head])}]" + (f" {inner}" if inner else "")


def _subject(path: tuple[str | int, ...]) -> str:
    """Return `[hub] port`, or `[hub]` for the table itself; list items are counted from 1."""
    words = ""
    for part in path[_split(path) :]:
        words += f" item {part + 1}" if isinstance(part, int) else f"{'.' if words else ''}{part}"
    return f"[{'.'.join(str(part) for part in path[: _split(path)])}]" + (f" {words}" if words else "")


def _kind_of(value: object) -> str:
    """Say what a TOML value is, never what it holds."""
    kinds: dict[type, str] = {
        bool: "true or false", int: "a whole number", float: "a decimal number", str: "text", list: "a list",
        dict: "a table",
    }  # fmt: skip
    return kinds.get(type(value), "a date or time")
