"""Conditions: one CEL expression each, checked against the declared names, and bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from runtime.errors import InvalidInput
from runtime.graphs.condition_mistakes import ConditionMistake, explain, type_in_words
from runtime.graphs.effort import Effort, effort_of
from runtime.graphs.fields import Field
from runtime.graphs.templates import look_up

__all__ = ["LONGEST", "Condition", "ConditionMistake", "compile_condition"]

LONGEST = 400
"""Characters of a condition."""

_STRING = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")
_PATH = re.compile(r"(?<![\w.])([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(\s*\()?")
_MACRO = re.compile(r"\.(all|exists|exists_one|map|filter)\s*\(\s*(\w*)")
_PATTERN = re.compile(r"\.matches\s*\(\s*")
_ERROR = re.compile(r"ERROR: [^:]*:\d+:(?P<column>\d+): (?P<what>[^\n]*)")
_NUMBER = r"(?:int|double|uint)"
_MIXED = re.compile(rf"'_(<|<=|>|>=|==|!=)_' applied to '\({_NUMBER}, {_NUMBER}\)'")
_MIXED_IN = re.compile(rf"'@in' applied to '\({_NUMBER}, list\({_NUMBER}\)\)'")
_NOTHING = re.compile(r"'_(==|!=)_' applied to '\((null\w*, .*|.*, null\w*)\)'")
_SIZED = (str, list, tuple, dict)
_ROOTS = ("state", "input", "settings")
_INSIDE_HAS = re.compile(r"\bhas\s*\(\s*$")


class _Named(NamedTuple):
    """A declared value that a condition names, and where."""

    path: tuple[str, ...]
    at: int


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was checked, and can be asked any number of times.

    `paths` are the values it looks at, as often as it names them: `("lead", "country")`.
    """

    text: str
    program: Any
    paths: tuple[tuple[str, ...], ...] = ()
    _effort: Effort = field(default=Effort(False, "", False, 0), repr=False)

    def holds(self, values: Mapping[str, Any]) -> tuple[bool, str]:
        """Return whether it is true, and why it could not be said when it meets a missing value.

        `values` has every declared name; None stands for one that is not set.  InvalidInput when it would
        take too long.
        """
        looked_up = ((path, look_up(values, path)) for path in self.paths)
        named = [(".".join(path), value) for path, value in looked_up if isinstance(value, _SIZED)]
        if named and (reason := self._effort.too_much(named)):
            raise self._too_long(reason)
        try:
            outcome = self.program.eval(data=self._data(values))
        except RuntimeError as error:
            if "budget exceeded" in str(error):
                raise self._too_long("it would go over more than 10,000 items") from None
            return False, str(error)
        value = outcome.value()
        return (True, "") if value is True else (False, "" if value is False else str(outcome))

    def _too_long(self, reason: str) -> InvalidInput:
        return InvalidInput(
            f"the condition {self.text} would take too long ({reason}); prepare the value in a step before"
        )

    def _data(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what it names and nothing else: each value is copied before it is looked at."""
        data: dict[str, Any] = {}
        for path in self.paths:
            first = path[0]
            if first not in _ROOTS:
                data[first] = values.get(first)
            elif len(path) == 1:
                data[first] = {name: each for name, each in values.get(first, {}).items() if each is not None}
            elif (found := look_up(values, path[:2])) is not None:
                data.setdefault(first, {})[path[1]] = found
            else:
                data.setdefault(first, {})
        return data


def compile_condition(text: str, fields: Mapping[str, Field]) -> Condition:
    """Return the condition; ConditionMistake when it cannot be one."""
    bare = _STRING.sub(lambda found: "'" + "_" * (len(found[0]) - 2) + "'", text)
    _check_bounds(text, bare)
    named = list(_named(bare, fields))
    typed, flat = _with_typed_fields(text, bare, named, fields)
    checked = _compile(_strict(_signature(fields) + tuple(flat.items())), typed)
    if isinstance(checked, list):
        # Whole and decimal numbers compare freely, and anything may be nothing: only CEL minds.
        serious = [problem for problem in checked if not _harmless(problem[1])]
        if serious:
            at, what = serious[0]
            raise explain(at, what, bare)
    program = _compile(_loose(tuple(sorted(fields))), text)
    if isinstance(program, list):
        at, what = program[0]
        raise explain(at, what, bare)
    kind = "BOOL" if isinstance(checked, list) else str(checked.return_type())
    if kind not in ("BOOL", "DYN"):
        raise ConditionMistake(
            f"this is {type_in_words(kind)}, not a condition", help="compare it with something"
        )
    _check_patterns(text, bare)
    return Condition(text, program, tuple(each.path for each in named), effort_of(bare))


def _harmless(what: str) -> bool:
    return any(kind.search(what) for kind in (_MIXED, _MIXED_IN, _NOTHING))


def _check_bounds(text: str, bare: str) -> None:
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


def _check_patterns(text: str, bare: str) -> None:
    """Refuse patterns of `matches` that are none."""
    for found in _PATTERN.finditer(bare):
        pattern = _STRING.match(text, found.end())
        if pattern:
            outcome = _compile(_loose(()), f"''.matches({pattern[0]})").eval(data={})
            if not isinstance(outcome.value(), bool):
                raise ConditionMistake("this is no regular expression", found.end(), "mend the pattern")


# --------------------------------------------------------------------------- the names in it


def _named(bare: str, fields: Mapping[str, Field]) -> Iterator[_Named]:
    """Yield the declared values that a condition names; ConditionMistake for a field that is not declared."""
    items = {found[2] for found in _MACRO.finditer(bare)}  # in a pass over a list the item has a name
    for found in _PATH.finditer(bare):
        parts = found[1].split(".")
        path = tuple(parts[:-1] if found[2] else parts)  # before a bracket stands a function
        if not path or path[0] in items:
            continue
        if path[0] in _ROOTS and path[0] not in fields:
            if len(path) > 1 and path[1] not in fields:
                at = found.start() + len(path[0]) + 1
                raise ConditionMistake(f"nothing is called {path[1]}", at, name=path[1])
            yield _Named(path, found.start())
        elif path[0] in fields:
            yield _Named(path, found.start())


def _with_typed_fields(
    text: str, bare: str, named: list[_Named], fields: Mapping[str, Field]
) -> tuple[str, dict[str, tuple[str, str]]]:
    """Return the text with declared fields of objects as names of the same length, and their types.

    CEL does not see the fields of a map: `lead.size` becomes `lead_size`, a whole number.
    """
    characters, flat = list(text), dict[str, tuple[str, str]]()
    for path, at in named:
        skipped = 1 if path[0] in _ROOTS and path[0] not in fields else 0
        one, length = fields.get(path[skipped] if len(path) > skipped else ""), skipped + 1
        while one and one.fields and length < len(path):
            if path[length] not in one.fields:
                at += len(".".join(path[:length])) + 1
                message = f"{one.name} has no field {path[length]}"
                raise ConditionMistake(message, at, name=path[length], known=one.fields)
            one, length = one.fields[path[length]], length + 1
        name = "_".join(path[:length])
        if one and length > 1 and name not in fields and not _INSIDE_HAS.search(bare[:at]):
            flat[name] = (name, one.type)
            characters[at : at + len(name)] = name
    return "".join(characters), flat


def _signature(fields: Mapping[str, Field]) -> tuple[tuple[str, tuple[str, str]], ...]:
    return tuple((name, (name, one.type)) for name, one in sorted(fields.items()))


# --------------------------------------------------------------------------- CEL


@lru_cache(maxsize=256)
def _strict(signature: tuple[tuple[str, tuple[str, str]], ...]) -> Any:
    """Return the environment that knows every type."""
    from cel_expr_python import cel

    kinds = cel.Type
    plain = {"text": kinds.STRING, "bool": kinds.BOOL, "int": kinds.INT, "number": kinds.DOUBLE}
    plain |= {"list": kinds.List(kinds.DYN), "object": kinds.Map(kinds.STRING, kinds.DYN), "any": kinds.DYN}
    roots = dict.fromkeys(_ROOTS, kinds.Map(kinds.STRING, kinds.DYN))
    return cel.NewEnv(variables={**roots, **{name: plain[type] for _, (name, type) in signature}})


@lru_cache(maxsize=256)
def _loose(names: tuple[str, ...]) -> Any:
    """Return the environment in which everything may be anything."""
    from cel_expr_python import cel

    roots = dict.fromkeys(_ROOTS, cel.Type.Map(cel.Type.STRING, cel.Type.DYN))
    return cel.NewEnv(variables={**roots, **dict.fromkeys(names, cel.Type.DYN)})


def _compile(environment: Any, text: str) -> Any:
    """Return the program, or its problems as (offset, what)."""
    try:
        return environment.compile(text)
    except RuntimeError as error:
        found = [(int(each["column"]) - 1, each["what"]) for each in _ERROR.finditer(str(error))]
        return found or [(0, str(error).split("\n")[0])]
