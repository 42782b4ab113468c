"""What a column of a table is: numbers, dates, categories, texts, ids or nothing that differs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from runtime.errors import InvalidInput
from runtime.tabular.table import Cells

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind: TypeAlias = Literal["number", "category", "date", "text", "id", "constant"]

MISSING: Final = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "nil", "?", "-"})
"""What stands for no value, in lower case."""
MOST_LEVELS: Final = 250
"""Values of a category that are told apart; the rarest of more are taken as one not seen before."""
RARE: Final = 5
"""Rows with a value of a category below which it is taken as one not seen before."""
_TYPICAL: Final = 0.95
"""Share of a column's rows that must be numbers, or dates, for it to be a column of these."""
_REPEATED: Final = 4
"""Rows a value of a category has on average; a column whose values differ more is text."""
_ID_NAME: Final = re.compile(r"(^|[^a-z])(id|ids|uuid|guid|key|index|row|nr|no|number)$|[a-z](ID|Id)$")
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+,\d+")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
_FORMATS: Final = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d-%m-%Y", "%d %b %Y", "%b %d, %Y")
_TIMES: Final = ("", " %H:%M", " %H:%M:%S")
_DATE: Final = re.compile(r"\D*\d{1,4}\D+\w{1,9}\D+\d{1,4}.*")
_DAY: Final = 86_400.0


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
    if kind in (None, "number") and (column := _parsed(name, "number", cells, texts, there, parse_number)):
        return column
    if kind in (None, "date") and (format := date_format(_kept(texts, there))):
        column = _parsed(name, "date", cells, texts, there, lambda text: parse_date(text, format))
        if column is not None:
            return replace(column, format=format)
    if kind in ("number", "date"):
        raise InvalidInput(
            f"The column {name} is to be a {kind}, and most of its values are none, such as "
            f"{next(iter(_kept(texts, there)), '')!r}; mend them, or its type."
        )
    return _by_level(name, kind or _worded(filled, texts, there), cells, texts, there)


def parse_number(text: str) -> float | None:
    """Read a number as a person or a program writes it; None when it is none."""
    if _NUMBER.fullmatch(text):
        return float(text)
    if _DECIMAL_COMMA.fullmatch(text):
        return float(text.replace(",", "."))
    return None


def parse_date(text: str, format: str) -> float | None:
    """Read a date or a moment as days since 1970; `format` is "iso" or one of strptime's."""
    try:
        found = datetime.fromisoformat(text) if format == "iso" else datetime.strptime(text, format)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() / _DAY


def date_format(texts: Sequence[str]) -> str | None:
    """Return the format in which nearly all texts are dates, None when there is none."""
    sample = texts[:: max(1, len(texts) // 500)]
    if not sample or not all(_DATE.fullmatch(text) for text in sample[:20]):
        return None
    for format in ("iso", *(day + time for day in _FORMATS for time in _TIMES)):
        if sum(parse_date(text, format) is not None for text in sample) >= _TYPICAL * len(sample):
            return format
    return None


def is_id(column: Column, cells: Cells) -> bool:
    """Whether a column says which row it is and nothing about it: all different, and counted or so named."""
    import numpy as np

    values = column.values[~column.missing]
    if column.kind == "text":
        spaced = sum(" " in value for value in cells.values)
        return len(cells.values) >= 0.98 * len(cells.codes) and spaced < 0.02 * len(cells.values)
    if column.kind != "number" or not len(values) or np.any(values != np.round(values)):
        return False
    different = len(np.unique(values)) >= 0.9 * len(values)
    steps = np.diff(values)
    counted = len(steps) > 0 and max(np.mean(steps > 0), np.mean(steps < 0)) > 0.99
    return bool(
        different and (counted or _ID_NAME.search(column.name) or _ID_NAME.search(column.name.lower()))
    )


def repeated_ids(column: Column, cells: Cells) -> int:
    """Return how many rows repeat an id that another row has; 0 where the column is named as none."""
    named = _ID_NAME.search(column.name) or _ID_NAME.search(column.name.lower())
    if not named or column.kind not in ("number", "text", "id") or len(cells.values) < len(cells.codes) / 2:
        return 0
    return len(cells.codes) - len(cells.values)


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
    if sum(int(counts[index]) for index in bad) > (1 - _TYPICAL) * filled:
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


def _worded(filled: int, texts: Sequence[str], there: Sequence[bool]) -> Kind:
    """Say whether words are a category, whose values come back, or text."""
    values = sum(there)
    long = sum(len(text) for text, is_there in zip(texts, there, strict=True) if is_there) > 60 * values
    return "category" if values * _REPEATED <= filled and not long else "text"
