"""What changed between two texts of a graph, in meaning: comments, order and layout are no change."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from runtime.graphs.renames import follow, renamed_steps

_LONG = 60
"""Characters of a text above which it is shown line by line."""

_TABLES: Final = {"input": "input", "state": "state", "settings": "setting", "limits": "limit"}
_SCALARS: Final = ("about", "start", "output")


@dataclass(frozen=True, slots=True)
class Change:
    """One change: the place, in the words of the file, and what it was and is as JSON (None: not there).

    `lines` shows a longer text as `- old` and `+ new`.
    """

    what: str
    where: str
    before: Any = None
    after: Any = None
    lines: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.what != "changed":
            return f"{self.where} {self.what}"
        if self.lines or self.before is None is self.after:
            return f"{self.where} changed"
        if self.before is None:
            return f"{self.where} set to {_shown(self.after)}"
        if self.after is None:
            return f"{self.where} taken out, it was {_shown(self.before)}"
        return f"{self.where}: {_shown(self.before)} -> {_shown(self.after)}"


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Return what changed between two graph files, both as TOML gives them and without mistakes."""
    renamed = renamed_steps(before["node"], after["node"])
    return [
        *_top(before, after, renamed),
        *_steps(before["node"], after["node"], renamed),
        *_tests(before.get("test", []), after.get("test", [])),
    ]


def _top(before: Mapping[str, Any], after: Mapping[str, Any], renamed: Mapping[str, str]) -> Iterator[Change]:
    old = {**before, "start": renamed.get(before["start"], before["start"])}
    for name in _SCALARS:
        yield from _value(name, old.get(name), after.get(name))
    for table, word in _TABLES.items():
        yield from _table(word, before.get(table, {}), after.get(table, {}))


def _table(word: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for name in [*before, *(each for each in after if each not in before)]:
        where, old, new = f"{word} {name}", before.get(name), after.get(name)
        if old is None or new is None:
            yield Change("removed" if new is None else "added", where, old, new)
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            for key in dict.fromkeys([*old, *new]):
                yield from _value(where if key == "value" else f"{where}, {key}", old.get(key), new.get(key))
        else:
            yield from _value(where, old, new)


def _steps(
    before: Mapping[str, Any], after: Mapping[str, Any], renamed: Mapping[str, str]
) -> Iterator[Change]:
    known = set(renamed.values())
    for name, step in before.items():
        new = renamed.get(name, name)
        if new not in after:
            yield Change("removed", f"step {name}", before=step)
            continue
        if new != name:
            yield Change(f"renamed to {new}", f"step {name}", before=name, after=new)
        yield from _step(new, follow(step, renamed), after[new])
    for name, step in after.items():
        if name not in before and name not in known:
            yield Change("added", f"step {name}", after=step)


def _step(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        if key == "when" and isinstance(old, list) and isinstance(new, list):
            yield from _ways(name, old, new)
        elif key == "use":
            yield from _value(f"step {name}", old, new)
        else:
            yield from _value(f"step {name}, {key}", old, new)


def _ways(name: str, before: Sequence[Any], after: Sequence[Any]) -> Iterator[Change]:
    """Compare the ways out of a branch; those that are the same, or only their condition or target is not."""
    old, new = [_way(way) for way in before], [_way(way) for way in after]
    for kind, first, last, other, end in difflib.SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        if kind == "replace" and last - first == end - other:
            for index in range(last - first):
                (condition, target), (now, goes) = old[first + index], new[other + index]
                where = f"step {name}, way {other + index + 1}"
                yield from _value(f"{where}, condition", condition or "else", now or "else")
                yield from _value(f"{where}, goes to", target, goes)
        elif kind != "equal":
            for condition, target in old[first:last]:
                yield Change("removed", f"step {name}, way {_path(condition, target)}", before=condition)
            for condition, target in new[other:end]:
                yield Change("added", f"step {name}, way {_path(condition, target)}", after=condition)


def _way(way: Mapping[str, Any]) -> tuple[str, str]:
    return str(way.get("if", "")), str(way.get("go", way.get("else", "")))


def _path(condition: str, target: str) -> str:
    return f"{condition or 'else'} -> {target}"


def _tests(before: Sequence[Any], after: Sequence[Any]) -> Iterator[Change]:
    old, new = ({str(each.get("name")): each for each in tests} for tests in (before, after))
    for name in dict.fromkeys([*old, *new]):
        if name not in old or name not in new:
            yield Change("removed" if name in old else "added", f"test {name}")
        elif old[name] != new[name]:
            yield Change("changed", f"test {name}")


def _value(where: str, before: Any, after: Any) -> Iterator[Change]:
    if before == after and type(before) is type(after):
        return
    lines: tuple[str, ...] = ()
    if isinstance(before, str) and isinstance(after, str) and max(len(before), len(after)) > _LONG:
        if before.split() == after.split():
            return
        lines = tuple(_lines(before, after))
    yield Change("changed", where, before, after, lines)


def _lines(before: str, after: str) -> Iterator[str]:
    for line in difflib.ndiff(before.strip().splitlines(), after.strip().splitlines()):
        if line[0] in "+-":
            yield line.rstrip()


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"
