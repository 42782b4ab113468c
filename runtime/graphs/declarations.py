"""The declarations of a graph file: `[input]`, `[state]` and `[settings]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from runtime.graphs.fields import MERGES, TYPES, Field
from runtime.graphs.findings import near
from runtime.graphs.tables import Tables

_BOUNDED = ("text", "list", "int", "number")
_MERGED = {"append": ("list",), "messages": ("list",), "add": ("number", "int")}
_KINDS = {str: "text", bool: "bool", int: "int", float: "number", list: "list"}


class Declarations:
    """Reads the fields and settings of one file."""

    def __init__(self, tables: Tables) -> None:
        self._tables, self._findings = tables, tables.findings

    def fields(self, table: str) -> dict[str, Field]:
        """Return the fields of `[input]` or `[state]`."""
        found = {}
        for name, value in self._tables.table(table).items():
            self._tables.named(name, table, name)
            # What is declared wrongly is declared all the same: its uses are no mistakes.
            found[name] = self._field(name, value, table, name) or Field(name, "any", optional=True)
        return found

    def _field(self, name: str, value: Any, *path: str, given: str = "default") -> Field | None:
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
        known = ("type", "fields", "one_of", "min", "max", "match", given, "merge")
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
        before = len(self._findings.found)
        self._check_bounds(one, path)
        clear = len(self._findings.found) == before
        return self._with_default(one, table, path, given) if clear else one

    def _check_bounds(self, one: Field, path: tuple[str, ...]) -> None:
        if one.min is not None and one.max is not None and one.min > one.max:
            self._findings.add("E03", "max is less than min", *path, "max", help="exchange them")
        for bound in ("min", "max"):
            if getattr(one, bound) is not None and one.type not in _BOUNDED:
                message = f"{one.name} is declared as {one.type}, which has no {bound}"
                self._findings.add_key("E03", message, *path, bound, help="take it out")
        if one.match is not None and one.type != "text":
            message = f"{one.name} is declared as {one.type}, and only text matches a pattern"
            self._findings.add_key("E03", message, *path, "match", help="take it out")
        merged = _MERGED.get(one.merge or "")
        if merged and one.type not in (*merged, "any"):
            message = f'{one.name} is declared as {one.type}, and merge = "{one.merge}" is for {merged[0]}'
            help = f'declare it as "{merged[0]}", or take the merge out'
            self._findings.add("E03", message, *path, "merge", help=help)

    def _inner(self, table: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Field]:
        inner = table.get("fields", {})
        if not isinstance(inner, dict) or (inner and not table["type"].startswith("object")):
            self._findings.add(
                "E03", "fields belong to an object", *path, "fields", help='write type = "object"'
            )
            return {}
        found = {name: self._field(name, value, *path, "fields", name) for name, value in inner.items()}
        return {name: one or Field(name, "any", optional=True) for name, one in found.items()}

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

    def _with_default(
        self, one: Field, table: Mapping[str, Any], path: tuple[str, ...], given: str
    ) -> Field | None:
        if given not in table:
            return one
        if wrong := one.refusal(table[given]):
            message = f"the {given} of {one.name}{wrong.what}"
            self._findings.add("E03", message, *path, given, help=wrong.help)
            return None
        return replace(one, default=one.checked(table[given], one.name))

    def settings(self) -> dict[str, Field]:
        """Read [settings]: numbers and texts an analyst tunes; the value is the field's default."""
        found = {}
        for name, value in self._tables.table("settings").items():
            self._tables.named(name, "settings", name)
            if not isinstance(value, dict):
                kind = _KINDS.get(type(value), "any")
                found[name] = Field(name, kind, default=value)
                continue
            if "value" not in value:
                message = f"the setting {name} has no value"
                self._findings.miss("value", message, "settings", name, help="add value = …")
            found[name] = self._setting(name, value) or Field(name, "any", optional=True)
        return found

    def _setting(self, name: str, table: dict[str, Any]) -> Field | None:
        before = len(self._findings.found)
        one = self._field(name, table, "settings", name, given="value")
        if len(self._findings.found) == before:
            return one
        return None
