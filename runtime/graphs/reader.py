"""From the tables of a graph file to its data; each mistake in its shape is found with its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from runtime.graphs.declarations import Declarations
from runtime.graphs.file import END, LATER, MAX_STEPS, Approval, GraphFile, Limits, Node, Way
from runtime.graphs.findings import Findings, near
from runtime.graphs.tables import Tables
from runtime.toml import TomlDocument

_LATER_KEYS: Final = {"cache": "caching", "undo": "undoing", "guard": "guardrails of a step"}
_TOP = ("graph", "about", "start", "output", "limits", "input", "state", "settings", "node", "test")
_STANDARD = ("use", "save", "next", "timeout", "retry", "on_error")
_MAX_RETRIES = 20


def read_file(document: TomlDocument, findings: Findings) -> GraphFile:
    """Read a document; what is wrong with its shape goes to `findings`, and is left out."""
    return _Reader(document, findings).read()


class _Reader:
    def __init__(self, document: TomlDocument, findings: Findings) -> None:
        self._document, self._data, self._findings = document, document.data, findings
        self._tables = Tables(document, findings)

    def read(self) -> GraphFile:
        for key in self._data:
            if key not in _TOP:
                self._findings.add_key("E02", f"a graph file has no {key}", key, help=near(key, _TOP))
        declared = Declarations(self._tables)
        input, state = declared.fields("input"), declared.fields("state")
        for name in input.keys() & state.keys():
            self._findings.add_key(
                "E03", f"{name} is declared under [input] already", "state", name, help="keep one"
            )
        settings = declared.settings()
        return GraphFile(
            document=self._document,
            name=self._text("graph", required=True),
            about=self._text("about"),
            start=self._text("start", required=True),
            output=self._output(),
            limits=self._limits(),
            input=input,
            state=state,
            settings={name: one.default for name, one in settings.items()},
            setting_fields=settings,
            nodes=self._nodes(),
        )

    # ----------------------------------------------------------------- the top

    def _text(self, key: str, *, required: bool = False) -> str:
        value = self._data.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if value is not None:
            self._findings.add("E03", f"{key} must be text", key, help=f'write {key} = "…"')
        elif required:
            elsewhere = next((t for t, v in self._data.items() if isinstance(v, dict) and key in v), None)
            if elsewhere:
                self._findings.add_key(
                    "E04",
                    f"{key} stands under [{elsewhere}]",
                    elsewhere,
                    key,
                    help="move it above the first table",
                )
            else:
                self._findings.add_key("E04", f"the file has no {key}", help=f'add {key} = "…" at its top')
        return ""

    def _output(self) -> tuple[str, ...]:
        value = self._data.get("output")
        if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
            return tuple(dict.fromkeys(value))
        if value is None:
            self._findings.add_key("E04", "the file has no output", help='add output = ["answer"] at its top')
        else:
            self._findings.add(
                "E03", "output must be a list of names", "output", help='write output = ["answer"]'
            )
        return ()

    def _limits(self) -> Limits:
        table = self._tables.table("limits")
        given: dict[str, Any] = {}
        for key, value in table.items():
            path = ("limits", key)
            if key == "timeout":
                given[key] = self._tables.seconds(value, *path)
            elif key == "max_steps":
                given[key] = self._tables.number(value, 1, 1_000_000, *path, whole=True) or MAX_STEPS
            elif key == "max_cost_usd":
                given[key] = self._tables.number(value, 0, 1_000_000, *path)
            else:
                known = ("max_steps", "max_cost_usd", "timeout")
                self._findings.add_key("E02", f"limits has no {key}", *path, help=near(key, known))
        return Limits(**given)

    # ----------------------------------------------------------------- steps

    def _nodes(self) -> dict[str, Node]:
        table = self._tables.table("node")
        if not table and "node" not in self._data:
            self._findings.add_key("E04", "the file has no steps", help="add a table [node.NAME]")
        found = {}
        for id, value in table.items():
            if not isinstance(value, dict):
                self._findings.add(
                    "E03", f"the step {id} must be a table", "node", id, help=f"write [node.{id}]"
                )
            elif self._tables.named(id, "node", id) and (node := self._node(id, value)):
                found[id] = node
        return found

    def _node(self, id: str, table: dict[str, Any]) -> Node | None:
        path = ("node", id)
        use = table.get("use")
        if not isinstance(use, str):
            self._findings.add_key(
                "E04", f"the step {id} does not say what it uses", *path, help='add use = "…"'
            )
            return None
        if use in LATER:
            self._findings.add(
                "E16", f"{LATER[use]} are not part of this version", *path, "use", help="take the step out"
            )
            return None
        for key, what in _LATER_KEYS.items():
            if key in table:
                self._findings.add_key(
                    "E16", f"{what} is not part of this version", *path, key, help="take it out"
                )
        if use == "branch":
            return self._branch(id, table)
        if use == "approve":
            return self._approve(id, table)
        params = {key: value for key, value in table.items() if key not in (*_STANDARD, *_LATER_KEYS)}
        if "next" not in table:
            self._findings.add_key(
                "E04", f"the step {id} does not say what follows", *path, help='add next = "end"'
            )
        return Node(
            id,
            use,
            params,
            next=self._tables.step(table.get("next", END), *path, "next"),
            save=self._save(table.get("save"), *path, "save"),
            timeout=self._tables.seconds(table["timeout"], *path, "timeout") if "timeout" in table else None,
            retry=int(
                self._tables.number(table.get("retry", 0), 0, _MAX_RETRIES, *path, "retry", whole=True) or 0
            ),
            on_error=self._tables.step(table["on_error"], *path, "on_error") if "on_error" in table else None,
        )

    def _branch(self, id: str, table: dict[str, Any]) -> Node:
        path = ("node", id)
        known = ("use", "when", "max_loops")
        for key in table:
            if key not in (*known, *_LATER_KEYS):
                self._findings.add_key("E02", f"a branch has no {key}", *path, key, help=near(key, known))
        loops = table.get("max_loops")
        ways = list(self._ways(table.get("when"), *path, "when"))
        if ways and ways[-1].condition is not None:
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
        for key in table:
            if key not in (*known, *_LATER_KEYS):
                self._findings.add_key("E02", f"an approval has no {key}", *path, key, help=near(key, known))
        show = table.get("show", [])
        if not isinstance(show, list) or not all(isinstance(name, str) for name in show):
            self._findings.add("E03", "show must be a list of names", *path, "show", help='write ["answer"]')
            show = []
        choices = self._choices(table.get("choices"), *path)
        at_most, then = self._patience(table.get("wait"), choices, *path, "wait")
        return Node(
            id,
            "approve",
            save=self._save(table.get("save"), *path, "save"),
            approval=Approval(choices, tuple(show), at_most, then),
        )

    def _choices(self, value: Any, *path: str) -> dict[str, str]:
        if not isinstance(value, dict) or not value:
            help = 'write choices = { approve = "STEP", reject = "STEP" }'
            self._findings.add_key("E04", "an approval needs its choices", *path, help=help)
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
            self._findings.add(
                "E04",
                "a branch needs its ways",
                *path,
                help='write when = [{ if = "…", go = "STEP" }, { else = "STEP" }]',
            )
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

    def _save(self, value: Any, *path: str) -> Any:
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
            return tuple(value)
        if isinstance(value, dict) and value:
            return value
        self._findings.add(
            "E03", "save must be a name, a list of names or a table", *path, help='write save = "answer"'
        )
        return None
