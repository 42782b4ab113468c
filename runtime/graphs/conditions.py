"""Conditions: one CEL expression each, checked against the declared names, bounded, never raising."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from runtime.graphs.fields import Field

LONGEST = 400
"""Characters of a condition."""

_STRING = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")
_PATH = re.compile(r"(?<![\w.])([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(\s*\()?")
_MACRO = re.compile(r"\.(all|exists|exists_one|map|filter)\s*\(")
_ERROR = re.compile(r"ERROR: [^:]*:\d+:(?P<column>\d+): (?P<what>[^\n]*)")
_MIXED = re.compile(r"'_(<|<=|>|>=|==|!=)_' applied to '\((int|double|uint), (int|double|uint)\)'")
_UNKNOWN = re.compile(r"undeclared reference to '(?P<name>[^']*)'")
_OVERLOAD = re.compile(r"found no matching overload for '(?P<operator>[^']*)' applied to '\((?P<types>.*)\)'")
_HABITS = (
    (re.compile(r"(?<![&])&(?!&)"), "write && for 'and'"),
    (re.compile(r"(?<![|])\|(?!\|)"), "write || for 'or'"),
    (re.compile(r"(?<![=!<>])=(?!=)"), "write == to compare"),
    (re.compile(r"\band\b"), "write && for 'and'"),
    (re.compile(r"\bor\b"), "write || for 'or'"),
    (re.compile(r"\bnot\b"), "write ! for 'not'"),
    (re.compile(r"\b(is|equals)\b"), "write == to compare"),
    (re.compile(r"<>"), "write != for 'not equal'"),
    (re.compile(r"\b(True|False|None)\b"), "write true, false and null in small letters"),
)


class ConditionMistake(Exception):
    """What is wrong with a condition: a sentence, the offset of the mistake, a remedy, an unknown name."""

    def __init__(self, message: str, at: int = 0, help: str = "", name: str = "") -> None:
        super().__init__(message)
        self.message, self.at, self.help, self.name = message, at, help, name


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was checked, and can be asked any number of times.

    `paths` are the values it looks at: `("lead", "country")`.
    """

    text: str
    program: Any
    paths: tuple[tuple[str, ...], ...] = ()

    def holds(self, values: Mapping[str, Any]) -> tuple[bool, str]:
        """Return whether it is true, and why it could not be said when it meets a missing value.

        `values` has every declared name; None stands for one that is not set.
        """
        present = {name: value for name, value in values.items() if value is not None}
        outcome = self.program.eval(data={**values, "state": present})
        value = outcome.value()
        return (True, "") if value is True else (False, "" if value is False else str(outcome))


def compile_condition(text: str, fields: Mapping[str, Field]) -> Condition:
    """Return the condition; ConditionMistake when it cannot be one."""
    bare = _STRING.sub(lambda found: "'" + "_" * (len(found[0]) - 2) + "'", text)
    _bounded(text, bare)
    strict, loose = _environments(_signature(fields))
    checked = _compile(strict, text)
    # Whole and decimal numbers compare freely: only the strict environment minds.
    if isinstance(checked, list):
        serious = [problem for problem in checked if not _MIXED.search(problem[1])]
        if serious:
            raise _explain(serious[0], bare)
    program = _compile(loose, text)
    if isinstance(program, list):
        raise _explain(program[0], bare)
    kind = "BOOL" if isinstance(checked, list) else str(checked.return_type())
    if kind not in ("BOOL", "DYN"):
        raise ConditionMistake(
            f"this is {_TYPES.get(kind, kind)}, not a condition", help="compare it with something"
        )
    return Condition(text, program, tuple(dict.fromkeys(_paths(bare, fields))))


def _paths(bare: str, fields: Mapping[str, Field]) -> Iterator[tuple[str, ...]]:
    """Yield the declared values that a condition names; `bare` is its text without what stands in quotes."""
    for found in _PATH.finditer(bare):
        parts = found[1].split(".")
        path = tuple(parts[:-1] if found[2] else parts)  # before a bracket stands a function
        if path and (path[0] in fields or (path[0] == "state" and len(path) > 1)):
            yield path


def _bounded(text: str, bare: str) -> None:
    if len(text) > LONGEST:
        raise ConditionMistake(
            f"a condition has at most {LONGEST} characters", LONGEST, "move part of it into another step"
        )
    if not text.strip():
        raise ConditionMistake("the condition is empty", help="write for example score > 0.5")
    macros = list(_MACRO.finditer(bare))
    if len(macros) > 1:
        # One pass over a list is cheap; a pass inside a pass is not.
        raise ConditionMistake(
            "a condition goes over a list at most once",
            macros[1].start(),
            "prepare the value in a step before",
        )


def _signature(fields: Mapping[str, Field]) -> tuple[tuple[str, str, bool], ...]:
    return tuple((name, one.type, one.optional) for name, one in sorted(fields.items()))


@lru_cache(maxsize=256)
def _environments(signature: tuple[tuple[str, str, bool], ...]) -> tuple[Any, Any]:
    """Return one environment that knows every type, and one in which numbers are of any kind."""
    from cel_expr_python import cel

    kinds = cel.Type
    plain = {"text": kinds.STRING, "bool": kinds.BOOL, "int": kinds.INT, "number": kinds.DOUBLE}
    plain |= {"list": kinds.List(kinds.DYN), "object": kinds.Map(kinds.STRING, kinds.DYN), "any": kinds.DYN}
    state = {"state": kinds.Map(kinds.STRING, kinds.DYN)}
    strict = {name: kinds.DYN if optional else plain[type] for name, type, optional in signature}
    loose = {name: kinds.DYN for name, type, optional in signature}
    return cel.NewEnv(variables={**strict, **state}), cel.NewEnv(variables={**loose, **state})


def _compile(environment: Any, text: str) -> Any:
    """Return the program, or its problems as (offset, what)."""
    try:
        return environment.compile(text)
    except RuntimeError as error:
        found = [(int(each["column"]) - 1, each["what"]) for each in _ERROR.finditer(str(error))]
        return found or [(0, str(error).split("\n")[0])]


def _explain(problem: tuple[int, str], bare: str) -> ConditionMistake:
    at, what = problem
    if unknown := _UNKNOWN.search(what):
        name = unknown["name"]
        return ConditionMistake(f"nothing is called {name}", at, name=name)
    if overload := _OVERLOAD.search(what):
        operator = overload["operator"].replace("_", "")
        types = " and ".join(
            _TYPES.get(each.strip().upper(), each.strip()) for each in overload["types"].split(",")
        )
        return ConditionMistake(f"{operator} does not work on {types}", at, "compare things of one kind")
    for habit, remedy in _HABITS:
        if found := habit.search(bare):
            return ConditionMistake("this is not CEL, the language of conditions", found.start(), remedy)
    if "<EOF>" in what:
        return ConditionMistake("the condition stops in the middle", at, "write for example score > 0.5")
    told = what.removeprefix("Syntax error: ").partition(" expecting ")[0]
    return ConditionMistake(f"this is not CEL ({told})", at, "write for example score > 0.5")


_TYPES = {
    "STRING": "text",
    "BOOL": "a truth value",
    "INT": "a whole number",
    "UINT": "a whole number",
    "DOUBLE": "a decimal number",
    "LIST": "a list",
    "MAP": "an object",
    "NULL": "nothing",
    "NULL_TYPE": "nothing",
    "DYN": "anything",
}
