"""From the columns of a table to the features of a model: what is used, and what is left out and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from runtime.errors import InvalidInput
from runtime.tabular.columns import Column
from runtime.tabular.leaks import Leak
from runtime.tabular.schema import Feature, LeftOut
from runtime.tabular.spread import with_spread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FEWEST: Final = 20
"""Rows with a value from which a column can teach something."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a model is trained on: its features, their values, and the columns that are none."""

    features: tuple[Feature, ...]
    rows: NDArray[np.float64]
    left_out: tuple[LeftOut, ...]
    allowed: tuple[LeftOut, ...]


def make_inputs(
    columns: Sequence[Column],
    *,
    leaks: Mapping[str, Leak],
    allow: frozenset[str],
    time: Column | None,
    given: Sequence[LeftOut] = (),
) -> Inputs:
    """Take every column that may be used; InvalidInput when none is left."""
    import numpy as np

    features, values, left_out = [], [], list(given)
    allowed: list[LeftOut] = []
    for column in columns:
        leak = leaks.get(column.name)
        if leak is not None:
            found = LeftOut(column.name, leak.evidence, leak=True, auc=round(leak.auc, 4))
            (allowed if column.name in allow else left_out).append(found)
        if leak is not None and column.name not in allow:
            continue
        if reason := _useless(column, allow, time):
            left_out.append(LeftOut(column.name, reason))
        else:
            made, numbers = _feature(column, time)
            features.append(with_spread(made, numbers))
            values.append(numbers)
    if not features:
        told = "; ".join(f"{each.column}: {each.reason}" for each in left_out[:5])
        raise InvalidInput(
            f"No column is left to learn from ({told}); add columns, or let one in with --allow COLUMN."
        )
    return Inputs(tuple(features), np.column_stack(values), tuple(left_out), tuple(allowed))


def _useless(column: Column, allow: frozenset[str], time: Column | None) -> str:
    """Say why a column teaches nothing, "" when it may."""
    match column.kind:
        case "constant":
            return "it is the same in every row"
        case "id" if column.levels or column.name not in allow:
            return "it numbers the rows and says nothing about them"
        case "text":
            return "it is free text, of which the model can make nothing"
        case "date" if time is None or time.kind != "date":
            return (
                "it is a date, which counts by its age; name the column with the time of each row by --time"
            )
    if int((~column.missing).sum()) < _FEWEST:
        return f"fewer than {_FEWEST} rows have a value that comes often enough"
    return ""


def _feature(column: Column, time: Column | None) -> tuple[Feature, NDArray[np.float64]]:
    if column.kind == "category":
        return Feature(column.name, "category", levels=column.levels), column.values
    if column.kind == "date" and time is not None:
        return Feature(column.name, "age", format=column.format), time.values - column.values
    return Feature(column.name, "number", format=column.format), column.values
