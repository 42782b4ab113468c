"""From the tables of a graph file to its data; each mistake in its shape is found with its place."""

from __future__ import annotations

from typing import Any, Final

from runtime.graphs.bodies import item_names, undoing
from runtime.graphs.built_in import BuiltIns
from runtime.graphs.declarations import Declarations
from runtime.graphs.file import END, MAX_STEPS, GraphFile, Limits, Node
from runtime.graphs.findings import Findings, alike, near
from runtime.graphs.tables import Tables
from runtime.toml import TomlDocument

_TOP = ("graph", "about", "start", "output", "limits", "input", "state", "settings", "node", "test")
STANDARD: Final = ("use", "save", "next", "timeout", "retry", "on_error", "undo", "cache", "guard")
"""Keys that every step may have."""
_DECIDING = ("branch", "approve", "fail")
_MAX_RETRIES = 20


def read_file(document: TomlDocument, findings: Findings) -> GraphFile:
    """Read a document; what is wrong with its shape goes to `findings`, and is left out."""
    return _Reader(document, findings).read()


class _Reader:
    def __init__(self, document: TomlDocument, findings: Findings) -> None:
        self._document, self._data, self._findings = document, document.data, findings
        self._tables = Tables(document, findings)
        self._built_in = BuiltIns(self._tables)

    def read(self) -> GraphFile:
        for key in self._data:
            if key not in _TOP:
                missing = [name for name in _TOP if name not in self._data]
                help = near(key, missing if alike(key, missing) else _TOP)
                self._findings.add_key("E02", f"a graph file has no {key}", key, help=help)
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
                value = self._data[elsewhere][key]
                return value if isinstance(value, str) else ""
            self._findings.miss(key, f"the file has no {key}", help=f'add {key} = "…" at its top')
        return ""

    def _output(self) -> tuple[str, ...]:
        value = self._data.get("output")
        if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
            return tuple(dict.fromkeys(value))
        if value is None:
            help = 'add output = ["answer"] at its top'
            self._findings.miss("output", "the file has no output", help=help)
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
            self._findings.miss("node", "the file has no steps", help="add a table [node.NAME]")
        found = {}
        for id, value in table.items():
            if not isinstance(value, dict):
                self._findings.add(
                    "E03", f"the step {id} must be a table", "node", id, help=f"write [node.{id}]"
                )
            elif self._tables.named(id, "node", id) and (node := self._node(id, value)):
                found[id] = node
        self._check_next(table, found)
        return found

    def _guard(self, value: Any, *path: str) -> tuple[str, ...]:
        names = [value] if isinstance(value, str) else value
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            return tuple(names)
        self._findings.add("E03", "guard must be a list of guardrails", *path, help='write guard = ["pii"]')
        return ()

    def _check_next(self, table: dict[str, Any], nodes: dict[str, Node]) -> None:
        """Every step says what follows, but for those of an item of a map, and those that undo another."""
        inner = item_names(nodes).keys() | undoing(nodes).keys()
        for id, node in nodes.items():
            if "next" not in table[id] and node.use not in _DECIDING and id not in inner:
                message = f"the step {id} does not say what follows"
                self._findings.miss("next", message, "node", id, help='add next = "end"')

    def _node(self, id: str, table: dict[str, Any]) -> Node | None:
        path = ("node", id)
        use = table.get("use")
        if not isinstance(use, str):
            self._findings.add_key(
                "E04", f"the step {id} does not say what it uses", *path, help='add use = "…"'
            )
            return None
        if use in self._built_in.kinds:
            return self._built_in.kinds[use](id, table)
        params = {key: value for key, value in table.items() if key not in STANDARD}
        return Node(
            id,
            use,
            params,
            next=self._tables.step(table.get("next", END), *path, "next"),
            save=self._tables.save(table.get("save"), *path, "save"),
            timeout=self._tables.seconds(table["timeout"], *path, "timeout") if "timeout" in table else None,
            retry=int(
                self._tables.number(table.get("retry", 0), 0, _MAX_RETRIES, *path, "retry", whole=True) or 0
            ),
            on_error=self._tables.step(table["on_error"], *path, "on_error") if "on_error" in table else None,
            cache=self._tables.seconds(table["cache"], *path, "cache") if "cache" in table else None,
            guard=self._guard(table.get("guard", []), *path, "guard"),
            undo=self._tables.step(table["undo"], *path, "undo") if "undo" in table else None,
        )
