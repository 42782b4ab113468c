"""The kinds of steps that are part of the format, and have keys of their own, from their tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from runtime.errors import InvalidInput
from runtime.graphs.file import END, MAX_PARALLEL, Approval, Each, Node, Way
from runtime.graphs.findings import near
from runtime.graphs.parameters import fixed
from runtime.graphs.tables import Tables
from runtime.graphs.waiting import moment, span

_MOST_PARALLEL: Final = 256


class BuiltIns:
    """Reads the steps of one file that no plugin knows."""

    def __init__(self, tables: Tables) -> None:
        self._tables, self._findings = tables, tables.findings
        self.kinds: Final[Mapping[str, Callable[[str, dict[str, Any]], Node]]] = {
            "branch": self._branch,
            "approve": self._approve,
            "map": self._map,
            "graph": self._graph,
            "wait": self._wait,
            "fail": self._fail,
        }
        """Reads a step, by what it uses."""

    def _branch(self, id: str, table: dict[str, Any]) -> Node:
        path = ("node", id)
        known = ("use", "when", "max_loops")
        self._refuse_others("a branch", table, known, *path)
        loops = table.get("max_loops")
        ways = list(self._ways(table.get("when"), *path, "when"))
        if ways and all(way.condition is not None for way in ways):
            self._findings.add_key(
                "E04", f"the branch {id} has no else", *path, "when", help='end it with { else = "STEP" }'
            )
        return Node(
            id,
            "branch",
            ways=tuple(ways),
            max_loops=None
            if loops is None
            else int(self._tables.number(loops, 1, 1_000_000, *path, "max_loops", whole=True) or 1),
        )

    def _approve(self, id: str, table: dict[str, Any]) -> Node:
        path = ("node", id)
        known = ("use", "show", "choices", "wait", "save")
        self._refuse_others("an approval", table, known, *path)
        show = table.get("show", [])
        if not isinstance(show, list) or not all(isinstance(name, str) for name in show):
            self._findings.add("E03", "show must be a list of names", *path, "show", help='write ["answer"]')
            show = []
        choices = self._choices(table.get("choices"), *path)
        at_most, then = self._patience(table.get("wait"), choices, *path, "wait")
        return Node(
            id,
            "approve",
            save=self._tables.save(table.get("save"), *path, "save"),
            approval=Approval(choices, tuple(show), at_most, then),
        )

    def _choices(self, value: Any, *path: str) -> dict[str, str]:
        if not isinstance(value, dict) or not value:
            help = 'write choices = { approve = "STEP", reject = "STEP" }'
            self._findings.miss("choices", "an approval needs its choices", *path, help=help)
            return {}
        return {name: self._tables.step(step, *path, "choices", name) for name, step in value.items()}

    def _patience(
        self, value: Any, choices: Mapping[str, str], *path: str
    ) -> tuple[float | None, str | None]:
        if value is None:
            return None, None
        if not isinstance(value, dict) or set(value) != {"at_most", "then"}:
            help = 'write wait = { at_most = "48h", then = "reject" }'
            self._findings.add("E03", "wait says how long, and which choice is made then", *path, help=help)
            return None, None
        then = value["then"]
        if choices and then not in choices:
            message = f"there is no choice {then}"
            self._findings.add("E05", message, *path, "then", help=near(str(then), choices))
        return self._tables.seconds(value["at_most"], *path, "at_most"), str(then)

    def _ways(self, value: Any, *path: str | int) -> Iterable[Way]:
        if not isinstance(value, list) or not value:
            help = 'write when = [{ if = "…", go = "STEP" }, { else = "STEP" }]'
            self._findings.miss("when", "a branch needs its ways", *path[:-1], help=help)
            return
        for index, way in enumerate(value):
            here: tuple[str | int, ...] = (*path, index)
            if isinstance(way, dict) and set(way) == {"else"}:
                if index < len(value) - 1:
                    self._findings.add("E03", "else comes last", *here, help="move it to the end")
                yield Way(self._tables.step(way["else"], *here, "else"))
            elif isinstance(way, dict) and set(way) == {"if", "go"} and isinstance(way["if"], str):
                yield Way(self._tables.step(way["go"], *here, "go"), way["if"])
            else:
                self._findings.add(
                    "E03",
                    "this is no way of a branch",
                    *here,
                    help='write { if = "…", go = "STEP" } or { else = "STEP" }',
                )

    def _map(self, id: str, table: dict[str, Any]) -> Node:
        path = ("node", id)
        known = ("use", "over", "as", "do", "max_parallel", "next", "on_error")
        self._refuse_others("a map", table, known, *path)
        each = Each(
            over=self._text(table, "over", "the name of a list", *path),
            name=self._text(table, "as", "a name for one item", *path) or "item",
            do=self._text(table, "do", "the step that is done for each item", *path),
            max_parallel=int(
                self._tables.number(
                    table.get("max_parallel", MAX_PARALLEL),
                    1,
                    _MOST_PARALLEL,
                    *path,
                    "max_parallel",
                    whole=True,
                )
                or MAX_PARALLEL
            ),
        )
        if "as" in table:
            self._tables.named(each.name, *path, "as")
        return Node(
            id,
            "map",
            next=self._tables.step(table.get("next", END), *path, "next"),
            on_error=self._tables.step(table["on_error"], *path, "on_error") if "on_error" in table else None,
            each=each,
        )

    def _graph(self, id: str, table: dict[str, Any]) -> Node:
        path = ("node", id)
        known = ("use", "graph", "input", "save", "next", "timeout", "on_error")
        self._refuse_others("a graph step", table, known, *path)
        input = table.get("input", {})
        if not isinstance(input, dict):
            help = 'write input = { question = "{{ question }}" }'
            self._findings.add("E03", "input must be a table", *path, "input", help=help)
            input = {}
        return Node(
            id,
            "graph",
            {"graph": self._text(table, "graph", "the name of a graph", *path), "input": input},
            next=self._tables.step(table.get("next", END), *path, "next"),
            save=self._tables.save(table.get("save"), *path, "save"),
            timeout=self._tables.seconds(table["timeout"], *path, "timeout") if "timeout" in table else None,
            on_error=self._tables.step(table["on_error"], *path, "on_error") if "on_error" in table else None,
        )

    def _wait(self, id: str, table: dict[str, Any]) -> Node:
        path = ("node", id)
        self._refuse_others("a wait", table, ("use", "for", "until", "next"), *path)
        params: dict[str, Any] = {key: table[key] for key in ("for", "until") if key in table}
        if len(params) != 1:
            message = f"the step {id} must say how long it waits: for, or until"
            self._findings.add_key("E04", message, *path, help='write for = "2h", or until = "{{ date }}"')
        for key, value in params.items():
            read = span if key == "for" else moment
            if fixed(value):
                self._try(read, value, *path, key)
        return Node(id, "wait", params, next=self._tables.step(table.get("next", END), *path, "next"))

    def _try(self, read: Callable[[Any], float], value: Any, *path: str) -> None:
        try:
            read(value)
        except InvalidInput as error:
            sentence, _, remedy = str(error).partition("; ")
            self._findings.add("E03", sentence, *path, help=remedy)

    def _fail(self, id: str, table: dict[str, Any]) -> Node:
        path = ("node", id)
        self._refuse_others("a fail step", table, ("use", "message"), *path)
        message = self._text(table, "message", "what the caller is told", *path)
        return Node(id, "fail", {"message": message} if message else {})

    def _text(self, table: Mapping[str, Any], key: str, what: str, *path: str) -> str:
        value = table.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if value is None:
            self._findings.miss(
                key, f"the step {path[-1]} needs {key}, {what}", *path, help=f'add {key} = "…"'
            )
        else:
            self._findings.add("E03", f"{key} must be {what}, as text", *path, key, help=f'write {key} = "…"')
        return ""

    def _refuse_others(self, what: str, table: Mapping[str, Any], known: tuple[str, ...], *path: str) -> None:
        for key in table:
            if key not in known:
                self._findings.add_key("E02", f"{what} has no {key}", *path, key, help=near(key, known))
