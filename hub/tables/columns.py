"""Which column of a table is which input of a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub.tables.cells import NOTHING, Kind, kind_of
from runtime.errors import CannotStart

_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table, in their order; None is for one that no input takes.

    With `whole` all of them together are that one input, an object.
    """

    kinds: tuple[tuple[str, Kind] | None, ...]
    whole: str = ""
    ignored: tuple[str, ...] = ()

    def of_text(self, cells: Sequence[str], *, comma: bool = False) -> dict[str, Any]:
        """Return the input that a row of text is."""
        return self._put(
            {
                name: value
                for (name, kind), cell in self._taken(cells)
                if (value := kind.read(cell, comma=comma)) is not NOTHING
            }
        )

    def of_values(self, values: Sequence[Any]) -> dict[str, Any]:
        """Return the input that a row of typed values is; what is null is left out."""
        return self._put({name: value for (name, _), value in self._taken(values) if value is not None})

    def _taken(self, cells: Sequence[Any]) -> list[tuple[tuple[str, Kind], Any]]:
        return [(taken, cell) for taken, cell in zip(self.kinds, cells, strict=True) if taken]

    def _put(self, found: dict[str, Any]) -> dict[str, Any]:
        return {self.whole: found} if self.whole else found


def fit(names: Sequence[str], schema: Mapping[str, Any], where: str) -> Columns:
    """Return which column is which input; CannotStart when one is there twice, or a needed one is missing.

    A graph that needs one object, of which no column has the name, gets the whole row as that object.
    """
    names = [name.strip() for name in names]
    if twice := [name for place, name in enumerate(names) if name and name in names[:place]]:
        raise CannotStart(f"{where} has the column {twice[0]} twice; rename one of them.")
    properties, required = schema.get("properties", {}), schema.get("required", ())
    missing = [name for name in required if name not in names]
    if not missing:
        return _columns(names, properties, required)
    (first, *more) = missing
    takes_all = not more and not set(names) & set(properties)
    if takes_all and "object" in kind_of(properties[first], required=True).types:
        inner = properties[first].get("properties", {})
        all_of_them = {name: inner.get(name, {}) for name in names if name}
        return _columns(names, all_of_them, properties[first].get("required", ()), first)
    raise CannotStart(
        f"{where} has no column {first}, which the graph needs; its columns are {_listed(names)}. "
        "Name a column so."
    )


def _columns(
    names: Sequence[str], properties: Mapping[str, Any], required: Sequence[str], whole: str = ""
) -> Columns:
    taken = tuple(
        (name, kind_of(properties[name], required=name in required)) if name in properties else None
        for name in names
    )
    return Columns(taken, whole, tuple(name for name in names if name and name not in properties))


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name[:60] for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
