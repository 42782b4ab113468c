"""How much work a condition would be with the values of a run: what is too much is not begun.

CEL runs inside the interpreter's lock and cannot be stopped, so a condition that takes long would hold up
the whole hub.  Its text is short and goes over a list at most once; the sizes of the values decide the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

MOST_ITEMS: Final = 100_000
"""List items and fields that the values of one condition may have, all together."""
MOST_CHARACTERS: Final = 2_000_000
"""Characters of all their texts."""
_PASSES = 1_000_000
"""Items, or 20 characters each, that the passes over a list may look at: about 50 ms."""
_PAIRS = 1_000_000_000
"""Characters times characters, where one text is searched for in another."""
_COPIES = 60_000_000

_MACRO = re.compile(r"(?:(?<![\w.)\]])([A-Za-z_][\w.]*))?\.(?:all|exists|exists_one|map|filter)\s*\(")
_SEARCH = re.compile(r"\.(?:contains|startsWith|endsWith|matches)\s*\(\s*(?!['\"])")


@dataclass(slots=True)
class _Size:
    """Of one value: its items, the characters of its texts, and those of the longest."""

    items: int = 0
    characters: int = 0
    longest: int = 0

    def add(self, value: Any) -> None:
        """Count a value and all inside it, until it is too much anyway."""
        if isinstance(value, str):
            self.characters += len(value)
            self.longest = max(self.longest, len(value))
        elif isinstance(value, Mapping | list | tuple):
            self.items += len(value)
            if self.items <= MOST_ITEMS:
                for inner in value.values() if isinstance(value, Mapping) else value:
                    if isinstance(inner, str | Mapping | list | tuple):
                        self.add(inner)


@dataclass(frozen=True, slots=True)
class Effort:
    """What the text of a condition asks for.  `receiver` is the name of the list that it goes over."""

    passes: bool
    receiver: str
    searches: bool
    sums: int

    def too_much(self, named: Sequence[tuple[str, Any]]) -> str:
        """Say why it would take too long, or nothing; `named` are the values as often as they are named."""
        sizes = [(name, _measured(value)) for name, value in named]
        items = sum(size.items for _, size in sizes)
        characters = sum(size.characters for _, size in sizes)
        if items > MOST_ITEMS or characters > MOST_CHARACTERS:
            return "its values are too large"
        if (self.sums + 1) ** 2 * (characters + 50 * items) > _COPIES:
            return "it would add up values that are too large"
        rounds = self._rounds(sizes, items) if self.passes else 1
        if self.passes and rounds * self._beside(sizes) > _PASSES:
            return "it would go over values that are too large"
        if self.searches:
            longest = sorted((size.longest for _, size in sizes), reverse=True)
            other = longest[1] if len(longest) > 1 and not self.passes else max(longest, default=0)
            if rounds * max(longest, default=0) * other > _PAIRS:
                return "it would search texts that are too long"
        return ""

    def _rounds(self, sizes: Sequence[tuple[str, _Size]], items: int) -> int:
        return next((size.items for name, size in sizes if name == self.receiver), items)

    def _beside(self, sizes: Sequence[tuple[str, _Size]]) -> int:
        """Return what each round may look at beside its own item."""
        work = [(name, size.items + size.characters // 20) for name, size in sizes]
        everything = sum(each for _, each in work)
        return everything - next((each for name, each in work if name == self.receiver), 0)


def effort_of(bare: str) -> Effort:
    """Return what a condition asks for; `bare` is its text without what stands in quotes."""
    macro = _MACRO.search(bare)
    return Effort(
        passes=macro is not None,
        receiver=(macro[1] or "") if macro else "",
        searches=_SEARCH.search(bare) is not None,
        sums=bare.count("+"),
    )


def _measured(value: Any) -> _Size:
    size = _Size()
    size.add(value)
    return size
