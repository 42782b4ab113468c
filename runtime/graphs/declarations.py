"""The declarations of a graph file: `[input]`, `[state]` and `[settings]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from runtime.errors import InvalidInput
from runtime.graphs.fields import MERGES, TYPES, Field
from runtime.graphs.findings import near
from runtime.graphs.tables import Tables

_KINDS = {str: "text", bool: "bool", int: "int", float: "number", list: "list"}


class Declarations:
    """Reads the fields and settings of one file."""

    def __init__(self, tables: Tables) -> None:
        self._tables, self._findings = tables, tables.findings

    def fields(self, table: str) -> dict[str, Field]:
        """Return the fields of `[input]` or `[state]`."""
        found = {}
        for name, value in self._tables.table(table).items():
            if self._tables.named(name, table, name) and (one := self._field(name, value, table, name)):
                found[name] = one
        return found

    def _field(self, name: str, value: Any, *path: str) -> Field | None:
        table = {"type": value} if isinstance(value, str) else value
        if not isinstance(table, dict) or not isinstance(table.get("type"), str):
            self._findings.add("E03", f"{name} needs a type", *path, help=f'write {name} = "text"')
            return None
        inside = isinstance(value, dict)
        type_path = (*path, "type") if inside else path
        kind = table["type"].removesuffix("?").strip()
        if kind not in TYPES:
            self._findings.add("E03", f"there is no type {kind}", *type_path, help=near(kind, TYPES))
            return None
        known = ("type", "fields", "one_of", "min", "max", "match", "default", "merge")
        for key in table:
            if key not in known:
                self._findings.add_key("E02", f"a field has no {key}", *path, key, help=near(key, known))
        one = Field(
            name,
            kind,
            optional=table["type"].endswith("?"),
            fields=self._inner(table, path),
            one_of=tuple(table.get("one_of") or ()) if isinstance(table.get("one_of", []), list) else (),
            min=self._bound(table, "min", path),
            max=self._bound(table, "max", path),
            match=self._pattern(table, path),
            merge=self._merge(table, path),
        )
        return self._with_default(one, table, path)

    def _inner(self, table: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Field]:
        inner = table.get("fields", {})
        if not isinstance(inner, dict) or (inner and not table["type"].startswith("object")):
            self._findings.add(
                "E03", "fields belong to an object", *path, "fields", help='write type = "object"'
            )
            return {}
        found = {name: self._field(name, value, *path, "fields", name) for name, value in inner.items()}
        return {name: one for name, one in found.items() if one}

    def _bound(self, table: Mapping[str, Any], key: str, path: tuple[str, ...]) -> float | None:
        return None if key not in table else self._tables.number(table[key], None, None, *path, key)

    def _pattern(self, table: Mapping[str, Any], path: tuple[str, ...]) -> str | None:
        from pydantic import Field as Constraint
        from pydantic import TypeAdapter

        pattern = table.get("match")
        if pattern is None:
            return None
        try:
            # Whole text, and in linear time: pydantic's engine does not backtrack.
            whole = f"^(?:{pattern})$"
            TypeAdapter(Annotated[str, Constraint(pattern=whole)])
        except Exception:
            self._findings.add("E03", "match is no regular expression", *path, "match", help="mend it")
            return None
        return whole

    def _merge(self, table: Mapping[str, Any], path: tuple[str, ...]) -> Any:
        merge = table.get("merge")
        if merge is not None and merge not in MERGES:
            self._findings.add(
                "E03", f"there is no merge {merge}", *path, "merge", help=near(str(merge), MERGES)
            )
            return None
        return merge

    def _with_default(self, one: Field, table: Mapping[str, Any], path: tuple[str, ...]) -> Field | None:
        if "default" not in table:
            return one
        try:
            return replace(one, default=one.checked(table["default"], "The default"))
        except InvalidInput as error:
            self._findings.add("E03", str(error).rstrip("."), *path, "default")
            return None

    def settings(self) -> dict[str, Field]:
        """Read [settings]: numbers and texts an analyst tunes; the value is the field's default."""
        found = {}
        for name, value in self._tables.table("settings").items():
            if not self._tables.named(name, "settings", name):
                continue
            if not isinstance(value, dict):
                kind = _KINDS.get(type(value), "any")
                found[name] = Field(name, kind, default=value)
                continue
            table = {("default" if key == "value" else key): each for key, each in value.items()}
            if "value" not in value:
                self._findings.add_key(
                    "E04", f"the setting {name} has no value", "settings", name, help="add value = …"
                )
            elif one := self._setting(name, table):
                found[name] = one
        return found

    def _setting(self, name: str, table: dict[str, Any]) -> Field | None:
        before = len(self._findings.found)
        one = self._field(name, table, "settings", name)
        if len(self._findings.found) == before:
            return one
        return None
