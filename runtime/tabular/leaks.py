"""Finding columns that give the outcome away: what they would not hold yet when a lead is scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from runtime.tabular.alone import auc_of_groups, auc_of_texts, groups_of
from runtime.tabular.averages import averaged
from runtime.tabular.columns import Column

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Flags = NDArray[np.int8]
    Places = NDArray[np.intp]

AUC: Final = 0.80
"""What a column may reach alone before it is taken to know the outcome."""
Why: TypeAlias = Literal["auc", "filled", "value", "later", "average", "unknown"]

_CERTAIN: Final = 0.99
"""Share of one outcome from which a group of rows is taken to be made by it."""
_NEVER: Final = 0.998
_CHANCE: Final = 1e-9
"""How unlikely a group must be if the column had nothing to do with the outcome."""
_FEWEST: Final = 20
_OF_POSITIVES: Final = 0.05
_OF_NEGATIVES: Final = 0.25
"""Share of an outcome's rows that a telling group holds at least; many honest values never sell."""
_LATER: Final = 0.5
_FEW_VALUES: Final = 250


@dataclass(frozen=True, slots=True)
class Leak:
    """A column that knows the outcome, why we think so, and what it reaches alone."""

    column: str
    why: Why
    evidence: str
    auc: float


def find_leaks(
    columns: Sequence[Column],
    outcome: Flags,
    *,
    time: Column | None,
    unknown: frozenset[str],
    leads: Places | None = None,
) -> Iterator[Leak]:
    """Yield the columns that leak, each with the strongest evidence; `leads` numbers rows of one lead."""
    import numpy as np

    once = slice(None) if leads is None else np.unique(leads, return_index=True)[1]
    single = [replace(column, values=column.values[once]) for column in columns]
    for column, once_each in zip(columns, single, strict=True):
        auc, telling = _alone(column, outcome, time)
        if column.name in unknown:
            yield Leak(column.name, "unknown", "it is marked as not known at scoring time", auc)
        elif found := _later(column, time):
            yield Leak(column.name, "later", found, auc)
        elif found := _filled(column, outcome):
            yield Leak(column.name, "filled", found, auc)
        elif auc >= AUC:
            yield Leak(
                column.name, "auc", f"alone it tells the outcomes apart with AUC {auc:.2f}{telling}", auc
            )
        elif found := _value(column, outcome):
            yield Leak(column.name, "value", found, auc)
        elif found := _average(once_each, single, outcome[once]):
            yield Leak(column.name, "average", found, auc)


def _alone(column: Column, outcome: Flags, time: Column | None) -> tuple[float, str]:
    """Return the AUC of a column alone, and of a text what in it tells; a date counts by its age too."""
    if column.kind != "text":
        number = column.kind not in ("category", "constant")
        values = [column.values]
        if column.kind == "date" and time is not None:
            values.append(time.values - column.values)
        return max(auc_of_groups(groups_of(each, number=number), outcome) for each in values), ""
    texts = ["" if code != code else column.levels[int(code)] for code in column.values]
    auc, word, share = auc_of_texts(texts, outcome)
    return auc, f" (of the rows with “{word}”, {share:.0%} are positive)" if word else ""


def _later(column: Column, time: Column | None) -> str:
    """Say that a date lies after the moment of the row; "" when it does not."""
    import numpy as np

    if column.kind != "date" or time is None or time.kind != "date":
        return ""
    both = ~column.missing & ~time.missing
    share = float(np.mean(column.values[both] > time.values[both])) if both.any() else 0.0
    return f"in {share:.0%} of its rows it is later than {time.name}" if share >= _LATER else ""


def _filled(column: Column, outcome: Flags) -> str:
    """Say that a column is filled, or empty, only when it came out one way; "" when it is not."""
    filled, usual = _beside_the_usual(column)
    other = f"it is other than {usual}" if usual else "it is filled"
    for group, words in ((filled, other), (~filled, f"it is {usual or 'empty'}")):
        if told := _certain(group, outcome):
            return f"{words} {told}"
    return ""


def _beside_the_usual(column: Column) -> tuple[NDArray[np.bool_], str]:
    """Return the rows with a value; of a column that most rows fill with the same one, those with another."""
    import numpy as np

    filled = ~column.missing
    if filled.mean() < 1 or column.kind in ("date", "text"):
        return filled, ""
    values, counts = np.unique(column.values, return_counts=True)
    usual = values[counts.argmax()]
    if counts.max() < 0.5 * len(column.values):
        return filled, ""
    shown = column.levels[int(usual)] if column.levels else f"{usual:g}"
    return column.values != usual, shown


def _average(column: Column, columns: Sequence[Column], outcome: Flags) -> str:
    """Say that a column holds averages of the outcome; "" when it does not."""
    found = averaged(column, columns, outcome)
    if found is None:
        return ""
    return (
        f"it follows the share of positives in {found.groups:,} groups of rows ("
        f"{f'by {found.of}' if found.of else 'with the same value'}) closer than chance allows a column that "
        f"has not seen these outcomes: they scatter {found.scatter:.2f} times as much"
    )


def _value(column: Column, outcome: Flags) -> str:
    """Say that a value comes with one outcome alone; "" when none does."""
    import numpy as np

    values = np.unique(column.values[~column.missing])
    if len(values) > _FEW_VALUES or column.kind in ("text", "id"):
        return ""
    for value in values:
        if told := _certain(column.values == value, outcome):
            shown = column.levels[int(value)] if column.levels else f"{value:g}"
            return f"it is {shown} {told}"
    return ""


def _certain(group: NDArray[np.bool_], outcome: Flags) -> str:
    """Say of a group of rows that all but a few came out the same way, if that is no chance; else ""."""
    from scipy.stats import binom

    rows, good, base = int(group.sum()), int(outcome[group].sum()), float(outcome.mean())
    if rows < _FEWEST or rows == len(outcome):
        return ""
    bad, positives = rows - good, int(outcome.sum())
    negatives = len(outcome) - positives
    if (
        good >= _CERTAIN * rows
        and good >= _OF_POSITIVES * positives
        and binom.sf(good - 1, rows, base) < _CHANCE
    ):
        return f"in {rows:,} rows, of which {good / rows:.1%} are positive (of all rows {base:.1%})"
    if bad >= _NEVER * rows and bad >= _OF_NEGATIVES * negatives and binom.cdf(good, rows, base) < _CHANCE:
        return f"in {rows:,} rows, of which {bad / rows:.1%} are negative (of all rows {1 - base:.1%})"
    return ""
