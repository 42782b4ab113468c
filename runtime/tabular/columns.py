"""What a column of a table is: numbers, dates, categories, texts, ids or nothing that differs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from runtime.errors import InvalidInput
from runtime.tabular.dates import date_format, parse_date
from runtime.tabular.numbers import decimal_mark, parse_number
from runtime.tabular.table import Cells

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind: TypeAlias = Literal["number", "category", "date", "text", "id", "constant"]

MISSING: Final = frozenset(
    ("", "na", "n/a", "n.a.", "#n/a", "<na>", "nan", "nat", "null", "(null)", "nil", "?", "-", "--", "–", "—")
)
"""What stands for no value, in lower case."""
MOST_LEVELS: Final = 250
"""Values of a category that are told apart; the rarest of more are taken as one not seen before."""
RARE: Final = 5
"""Rows with a value of a category below which it is taken as one not seen before."""
_TYPICAL: Final = 0.95
"""Share of a column's rows that must be numbers, or dates, for it to be a column of these."""
_REPEATED: Final = 4
"""Rows a value of a category has on average; a column whose values differ more is text."""
_LIKE_ID: Final = re.compile(r"(^|[^a-z])(id|ids|uuid|guid|key|index|row|nr|no|number)$|[a-z](ID|Id)$")
_ID: Final = re.compile(r"(^|[^A-Za-z])([Ii][Dd]|uuid|UUID|guid|GUID)$|[a-z](ID|Id)$")
_ROWS_OF_ID: Final = 10
"""Rows that an id has on average at most; what is named an id and has more is a group, such as a campaign."""
_WORDS: Final = re.compile(r"[^1-9]{1,30}")
"""What may stand for no value among numbers or dates, in any language: unknown, k. A., 0000-00-00."""
_MOST_WORDS: Final = 5
_FEWEST_PARSED: Final = 10
"""Different numbers or dates from which a few words among them stand for no value."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column and its values: numbers, days since 1970, or the codes of `levels`; NaN is none."""

    name: str
    kind: Kind
    values: NDArray[np.float64]
    levels: tuple[str, ...] = ()
    format: str = ""
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Which rows have no value."""
        import numpy as np

        return np.isnan(self.values)


def read_column(name: str, cells: Cells, kind: Kind | None = None) -> Column:
    """Find out what a column is, unless somebody has said what `kind` it is."""
    texts = [value.strip() for value in cells.values]
    counts = cells.counts()
    there = [
        bool(count) and text.casefold() not in MISSING for text, count in zip(texts, counts, strict=True)
    ]
    filled = int(sum(count for count, is_there in zip(counts, there, strict=True) if is_there))
    if kind is None and len({text for text, is_there in zip(texts, there, strict=True) if is_there}) <= 1:
        return _by_level(
            name, "constant" if filled in (0, len(cells.codes)) else "category", cells, texts, there
        )
    if kind in (None, "number"):
        mark = decimal_mark(_kept(texts, there))
        if column := _parsed(name, "number", cells, texts, there, partial(parse_number, mark=mark)):
            return replace(column, format="," if mark == "," else "")
    if kind in (None, "date"):
        format = date_format(_dated(texts, there), _TYPICAL) or ""
        if column := _parsed(name, "date", cells, texts, there, partial(parse_date, format=format)):
            return replace(column, format=format)
    if kind in ("number", "date"):
        raise InvalidInput(
            f"The column {name} is to be a {kind}, and most of its values are none, such as "
            f"{next(iter(_kept(texts, there)), '')!r}; mend them, or its type."
        )
    return _by_level(name, kind or _worded(filled, texts, there), cells, texts, there)


def as_id(column: Column, cells: Cells) -> Column | None:
    """Return a column that says which row, or whose, it is and nothing about it as one of ids; else None.

    Such are all different, and counted or so named; or named as an id, with a new value every few rows.
    """
    import numpy as np

    rows, different = len(cells.codes), len(cells.values)
    named = bool(_ID.search(column.name)) and different >= rows / _ROWS_OF_ID
    if column.kind in ("text", "category"):
        wordless = sum(" " in value for value in cells.values) < 0.02 * different
        if not wordless or not (named or (column.kind == "text" and different >= 0.98 * rows)):
            return None
        return replace(read_column(column.name, cells, "text"), kind="id")
    values = column.values[~column.missing]
    if column.kind != "number" or not len(values) or np.any(values != np.round(values)):
        return None
    steps = np.diff(values)
    counted = len(steps) > 0 and max(np.mean(steps > 0), np.mean(steps < 0)) > 0.99
    like = counted or bool(_LIKE_ID.search(column.name) or _LIKE_ID.search(column.name.lower()))
    if named or (like and len(np.unique(values)) >= 0.9 * len(values)):
        return replace(column, kind="id")
    return None


def repeats(column: Column) -> int:
    """Return how many rows have a value that a row before has."""
    import numpy as np

    values = column.values[~column.missing]
    return len(values) - len(np.unique(values))


def _parsed(
    name: str,
    kind: Kind,
    cells: Cells,
    texts: Sequence[str],
    there: Sequence[bool],
    parse: Callable[[str], float | None],
) -> Column | None:
    """Return the column with its texts parsed; None when too many of them cannot be."""
    import numpy as np

    counts = cells.counts()
    filled = sum(int(count) for count, is_there in zip(counts, there, strict=True) if is_there)
    parsed = [parse(text) if is_there else None for text, is_there in zip(texts, there, strict=True)]
    bad = [index for index, value in enumerate(parsed) if value is None and there[index]]
    if sum(int(counts[index]) for index in bad) > (1 - _TYPICAL) * filled and not (
        len(bad) <= _MOST_WORDS
        and all(_WORDS.fullmatch(texts[index]) for index in bad)
        and len({value for value in parsed if value is not None}) >= _FEWEST_PARSED
    ):
        return None
    endless = sum(int(counts[index]) for index, value in enumerate(parsed) if value and math.isinf(value))
    notes = []
    if bad:
        shown = ", ".join(repr(texts[index]) for index in bad[:3])
        notes.append(f"{name} has {len(bad)} values that are no {kind} ({shown}); they are taken as missing")
    if endless:
        notes.append(f"{name} has {endless} infinite values; they are taken as missing")
    numbers = [math.nan if value is None or math.isinf(value) else value for value in parsed]
    return Column(name, kind, np.array(numbers, dtype=np.float64)[cells.codes], notes=tuple(notes))


def _by_level(name: str, kind: Kind, cells: Cells, texts: Sequence[str], there: Sequence[bool]) -> Column:
    """Return the column as codes of its levels, the commonest first; rare ones of a category have none."""
    import numpy as np

    totals: dict[str, int] = {}
    for text, is_there, count in zip(texts, there, cells.counts(), strict=True):
        if is_there:
            totals[text] = totals.get(text, 0) + int(count)
    ranked = sorted(totals, key=lambda text: (-totals[text], text))
    if kind == "category":
        ranked = [text for text in ranked[:MOST_LEVELS] if totals[text] >= RARE]
    known: Mapping[str, int] = {text: code for code, text in enumerate(ranked)}
    codes = [
        known.get(text, math.nan) if is_there else math.nan
        for text, is_there in zip(texts, there, strict=True)
    ]
    return Column(name, kind, np.array(codes, dtype=np.float64)[cells.codes], tuple(ranked))


def _kept(texts: Sequence[str], there: Sequence[bool]) -> list[str]:
    return [text for text, is_there in zip(texts, there, strict=True) if is_there]


def _dated(texts: Sequence[str], there: Sequence[bool]) -> list[str]:
    """Return what may be dates, without words that stand for none."""
    return [text for text in _kept(texts, there) if not _WORDS.fullmatch(text)]


def _worded(filled: int, texts: Sequence[str], there: Sequence[bool]) -> Kind:
    """Say whether words are a category, whose values come back, or text."""
    values = sum(there)
    long = sum(len(text) for text, is_there in zip(texts, there, strict=True) if is_there) > 60 * values
    return "category" if values * _REPEATED <= filled and not long else "text"
