"""The tests of a graph file, its tables `[[test]]`: what they say, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from runtime.graphs.conditions import ConditionMistake, compile_condition
from runtime.graphs.fields import Field
from runtime.graphs.file import GraphFile, Node
from runtime.graphs.findings import Findings, near
from runtime.types import JsonObject

ERROR: Final = "error"
"""As a mock, the failure of a step; in `expect`, the sentence with which a run ended that failed."""

_KEYS = ("name", "input", "settings", "mock", "expect")
_OWN = frozenset({"set", "branch", "map", "wait", "fail"})
"""Steps that do in a test what they do in a run: they call nothing."""


@dataclass(frozen=True, slots=True)
class Case:
    """One test: what a run is given, what stands in for its steps, and what must hold at its end."""

    name: str
    input: JsonObject = field(default_factory=dict)
    mock: Mapping[str, Any] = field(default_factory=dict)
    expect: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    line: int = 1


def cases_of(file: GraphFile) -> list[Case]:
    """Return the tests of a file that has passed its check."""
    return [
        Case(
            name=test["name"],
            input=test.get("input", {}),
            mock=test.get("mock", {}),
            expect=tuple(test["expect"]),
            settings=test.get("settings", {}),
            line=file.document.place("test", index).line,
        )
        for index, test in enumerate(file.document.data.get("test", []))
    ]


def names_in_expect(file: GraphFile) -> dict[str, Field]:
    """Return what `expect` may name: the state, the settings, and `error`."""
    return {ERROR: Field(ERROR, "text", optional=True), **file.fields, **file.setting_fields}


def needs_mock(node: Node) -> bool:
    """Whether a step calls something that a test has to stand in for."""
    return node.use not in _OWN


def setting_of(file: GraphFile, name: str, value: Any) -> Any:
    """Return a setting's value for one run; InvalidInput when it is not as the setting is declared."""
    return file.setting_fields[name].checked(value, f"The setting {name}")


def with_settings(file: GraphFile, given: Mapping[str, Any]) -> GraphFile:
    """Return the graph with other settings."""
    changed = {name: setting_of(file, name, value) for name, value in given.items()}
    return replace(file, settings={**file.settings, **changed}) if changed else file


# --------------------------------------------------------------------------- what is wrong with them


def check_cases(file: GraphFile, findings: Findings, meant: GraphFile | None) -> None:
    """Check the tests of a file against what it declares; `meant` is the graph when its ways are clear."""
    tests = file.document.data.get("test", [])
    if not isinstance(tests, list) or not all(isinstance(test, dict) for test in tests):
        findings.add_key("E03", "tests are tables [[test]]", "test", help="write [[test]]")
        return
    names = set[str]()
    for index, test in enumerate(tests):
        _CaseCheck(file, findings, index, test, names).check(meant)


class _CaseCheck:
    """Checks one test."""

    def __init__(
        self, file: GraphFile, findings: Findings, index: int, test: Mapping[str, Any], names: set[str]
    ) -> None:
        self._file, self._findings, self._test, self._names = file, findings, test, names
        self._path = ("test", index)
        self._before = 0

    def check(self, meant: GraphFile | None) -> None:
        self._before = len(self._findings.errors)
        for key in self._test:
            if key not in _KEYS:
                self._findings.add_key("E02", f"a test has no {key}", *self._path, key, help=near(key, _KEYS))
        self._check_name()
        if (given := self._table("input")) is not None:
            self._check_input(given)
        if (given := self._table("settings")) is not None:
            self._check_settings(given)
        mocks = self._table("mock")
        if mocks is not None:
            self._check_mocks(mocks)
        self._check_expect()
        if meant and mocks is not None and self._clean:
            self._check_way(meant, mocks)

    @property
    def _clean(self) -> bool:
        """Whether nothing was found so far: what is missing may only be misspelt."""
        return len(self._findings.errors) == self._before

    def _check_name(self) -> None:
        name = self._test.get("name")
        if name is None:
            self._findings.miss("name", "the test has no name", *self._path, help='add name = "…"')
        elif not isinstance(name, str) or not name.strip():
            self._findings.add("E03", "name must be text", *self._path, "name", help='write name = "…"')
        elif name in self._names:
            message = f"another test is called {name}"
            self._findings.add("E03", message, *self._path, "name", help="give each its own name")
        else:
            self._names.add(name)

    def _table(self, key: str) -> Mapping[str, Any] | None:
        value = self._test.get(key, {})
        if isinstance(value, dict):
            return value
        help = f"write {key} = {{ NAME = … }}"
        self._findings.add("E03", f"{key} must be a table", *self._path, key, help=help)
        return None

    def _check_input(self, given: Mapping[str, Any]) -> None:
        path = (*self._path, "input")
        self._check_named(given, self._file.input, "input", *path)
        for name, one in self._file.input.items():
            if name in given:
                self._check_value(one, given[name], f"the input {name}", *path, name)
            elif one.needed and self._clean:
                help = f"add it to the test's input (its type is {one.type})"
                self._findings.add_key("E04", f"the test does not give the input {name}", *path, help=help)

    def _check_settings(self, given: Mapping[str, Any]) -> None:
        path = (*self._path, "settings")
        known = self._file.setting_fields
        self._check_named(given, known, "setting", *path)
        for name in given.keys() & known.keys():
            self._check_value(known[name], given[name], f"the setting {name}", *path, name)

    def _check_named(self, given: Mapping[str, Any], known: Mapping[str, Any], what: str, *path: Any) -> None:
        for name in given:
            if name not in known:
                help = near(name, known)
                self._findings.add_key("E08", f"there is no {what} {name}", *path, name, help=help)

    def _check_value(self, one: Field, value: Any, what: str, *path: Any) -> None:
        if wrong := one.refusal(value):
            self._findings.add("E03", f"{what}{wrong.what}", *path, help=wrong.help)

    # ----------------------------------------------------------------- mocks

    def _check_mocks(self, mocks: Mapping[str, Any]) -> None:
        path = (*self._path, "mock")
        if steps := self._file.document.data.get("node"):
            # A step that could not be read is there all the same.
            self._check_named(mocks, steps, "step", *path)
        for name, mock in mocks.items():
            node = self._file.nodes.get(name)
            if node and node.use == "branch":
                help = "take it out, and give its conditions the values they look at"
                self._findings.add_key(
                    "E03", f"{name} is a branch and decides itself", *path, name, help=help
                )
            elif node and node.approval:
                choice = mock.get("choice") if isinstance(mock, dict) else mock
                if not isinstance(choice, str) or choice not in node.approval.choices:
                    help = near(str(choice), node.approval.choices)
                    self._findings.add("E05", f"{name} has no choice {choice}", *path, name, help=help)

    # ----------------------------------------------------------------- expectations

    def _check_expect(self) -> None:
        path, expect = (*self._path, "expect"), self._test.get("expect")
        if expect is None:
            help = "add expect = [\"answer != ''\"]"
            self._findings.miss("expect", "the test expects nothing", *self._path, help=help)
        elif not isinstance(expect, list) or not expect or not all(isinstance(one, str) for one in expect):
            help = "write expect = [\"answer != ''\"]"
            self._findings.add("E03", "expect must be a list of conditions", *path, help=help)
        else:
            names = names_in_expect(self._file)
            for at, condition in enumerate(expect):
                check_condition(condition, names, self._findings, *path, at)

    # ----------------------------------------------------------------- where it leads

    def _check_way(self, meant: GraphFile, mocks: Mapping[str, Any]) -> None:
        """Follow the test to the first step where a run may go one way or another."""
        nodes, open = meant.nodes, [meant.start]
        seen = set[str]()
        while open:
            node = nodes.get(open.pop())
            if node is None:  # the end, of the run or of an item
                continue
            if node.id in seen:
                return
            seen.add(node.id)
            if needs_mock(node) and node.id not in mocks:
                self._miss(node)
                return
            if node.use == "branch" or node.approval:
                return
            mock = mocks.get(node.id)
            if mock == ERROR or (isinstance(mock, list) and ERROR in mock):
                return
            open += [*([] if node.use == "fail" else [node.next]), *([node.each.do] if node.each else [])]
        if any(node.use == "branch" or node.approval or node.on_error for node in nodes.values()):
            message = "the test covers no branch"
            help = "let it lead to a branch, an approval or an error that is handled, or take it out"
            self._findings.add_key("E18", message, *self._path, "name", help=help)

    def _miss(self, node: Node) -> None:
        message = f"the test comes to the step {node.id}, which would call {node.use}"
        help = f"add {node.id} to its mock, with what the step would give"
        where = "mock" if "mock" in self._test else "name"
        self._findings.add_key("E18", message, *self._path, where, help=help)


def check_condition(text: str, fields: Mapping[str, Field], findings: Findings, *path: str | int) -> None:
    """Check one condition against the declared names."""
    try:
        compile_condition(text, fields)
    except ConditionMistake as mistake:
        help = near(mistake.name, mistake.known or fields) if mistake.name else mistake.help
        # A field of an object is not the same as a declared name that happens to be called so.
        name = "" if mistake.known else mistake.name
        code = "E08" if mistake.name else "E09"
        findings.add(code, mistake.message, *path, help=help, at=mistake.at, name=name)
