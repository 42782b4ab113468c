"""Reading the column that says how it came out: which of its values is the one to be foreseen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from runtime.errors import InvalidInput, NotFound
from runtime.tabular.columns import MISSING
from runtime.tabular.numbers import parse_number
from runtime.tabular.table import Table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEWEST: Final = 20
"""Rows of either outcome from which something can be learnt."""
FEWEST_ROWS: Final = 100
_GOOD: Final = frozenset(
    (
        *("yes", "y", "true", "t", "1", "positive", "good", "success", "successful", "hot", "qualified"),
        *("won", "win", "closed won", "closed-won", "closed_won", "closedwon", "sold", "signed", "accepted"),
        *("bought", "buy", "purchased", "subscribed", "customer", "converted", "conversion", "responded"),
        *("ja", "oui", "sí", "si", "sim", "tak", "да"),
    )
)
"""Values that say themselves that they are the outcome to foresee."""
_SHOWN: Final = 6


@dataclass(frozen=True, slots=True)
class Outcome:
    """The rows whose outcome is known, and for each whether it is `positive`."""

    positive: str
    rows: NDArray[np.intp]
    values: NDArray[np.int8]
    unknown: int

    @property
    def positives(self) -> int:
        """How many rows came out as it is to be foreseen."""
        return int(self.values.sum())


def read_outcome(table: Table, label: str, positive: str = "") -> Outcome:
    """Find the rows of either outcome; InvalidInput when there are not two, or not enough of each."""
    import numpy as np

    cells = table.columns[named(table, label, "label")]
    texts = [value.strip() for value in cells.values]
    counts: dict[str, int] = {}
    for text, count in zip(texts, cells.counts(), strict=True):
        if text.casefold() not in MISSING:
            counts[text] = counts.get(text, 0) + int(count)
    chosen = _chosen(label, list(counts), positive)
    value = [-1 if text not in counts else int(text == chosen) for text in texts]
    outcomes = np.array(value, dtype=np.int8)[cells.codes]
    rows = np.flatnonzero(outcomes >= 0)
    outcome = Outcome(chosen, rows, outcomes[rows], table.rows - len(rows))
    _refuse_few(label, outcome)
    return outcome


def named(table: Table, name: str, what: str) -> str:
    """Return the name of a column that is there; NotFound says which one may be meant."""
    if name in table.columns:
        return name
    near = get_close_matches(name, table.columns, 1, 0.5)
    like = [column for column in table.columns if column.casefold() == name.strip().casefold()] or near
    advice = f"did you mean {like[0]}?" if like else f"the columns are {_some(list(table.columns), 20)}."
    raise NotFound(f"There is no column {name} for the {what}; {advice}")


def _chosen(label: str, values: Sequence[str], positive: str) -> str:
    """Return the value that is to be foreseen: the one that was named, else the one that says yes."""
    if len(values) == 1:
        raise InvalidInput(
            f"The label {label} is {values[0]!r} in every row, so there is nothing to tell apart; "
            "give rows of both outcomes."
        )
    if not values:
        raise InvalidInput(f"The label {label} is empty in every row; name the column that has the outcome.")
    if positive:
        return _named_value(label, values, positive)
    if len(values) > 2:
        raise InvalidInput(
            f"The label {label} has {len(values):,} values ({_some(values, _SHOWN)}) and two are needed; "
            "name the one to foresee with --positive VALUE, the others are then its opposite."
        )
    good = [value for value in values if _plain(value) in _GOOD]
    if len(good) == 1:
        return good[0]
    raise InvalidInput(
        f"Which outcome of {label} is to be foreseen, {values[0]!r} or {values[1]!r}, does not say itself; "
        "name it with --positive VALUE."
    )


def _named_value(label: str, values: Sequence[str], positive: str) -> str:
    for value in values:
        if _plain(value) == _plain(positive):
            return value
    raise InvalidInput(
        f"The label {label} is never {positive!r}; its values are {_some(values, _SHOWN)}, name one of them."
    )


def _plain(value: str) -> str:
    """Return a value without case, and a whole number without its point."""
    number = parse_number(value)
    return str(int(number)) if number is not None and number.is_integer() else value.strip().casefold()


def _refuse_few(label: str, outcome: Outcome) -> None:
    rows, positives = len(outcome.rows), outcome.positives
    if rows < FEWEST_ROWS:
        raise InvalidInput(
            f"{rows} rows are too few to learn from; give at least {FEWEST_ROWS}, {FEWEST} of either outcome."
        )
    if min(positives, rows - positives) < FEWEST:
        raise InvalidInput(
            f"{label} is {outcome.positive!r} in {positives:,} of {rows:,} rows; give at least {FEWEST} rows "
            "of either outcome."
        )


def _some(values: Sequence[str], most: int) -> str:
    more = f" and {len(values) - most:,} more" if len(values) > most else ""
    return ", ".join(values[:most]) + more
