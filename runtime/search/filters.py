"""Filters on metadata and path: `{"year": 2020, "path": ["a.md", "b.md"]}`; every field must match."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtime.errors import InvalidInput
from runtime.search.store import field_value

MAX_CHOICES = 500


@dataclass(frozen=True, slots=True)
class Condition:
    """A set of passages as SQL: "" stands for all of them."""

    sql: str = ""
    values: tuple[Any, ...] = ()

    def restrict(self, column: str) -> str:
        """Return `AND column IN (…)`, or nothing."""
        return f"AND {column} IN ({self.sql})" if self.sql else ""


def read_filter(collection: int, filter: Mapping[str, Any] | None) -> Condition:
    """Turn a filter into a condition; InvalidInput when it is not one.

    A value must be equal (3 and 3.0 are, 3 and "3" are not); a list, or `{"in": […]}`, offers several.
    A field that holds a list matches when one of its items does.  `path` is that of the document, as
    hits show it.
    """
    if filter is None:
        return Condition()
    if not isinstance(filter, Mapping):
        raise InvalidInput("A filter is a table of fields, as in { year = 2020 }; write one.")
    parts: list[str] = []
    values: list[Any] = []
    for name, wanted in filter.items():
        choices = _choices(name, wanted)
        marks = ", ".join("?" * len(choices))
        if name == "path":
            parts.append(
                "SELECT p.id FROM passages p JOIN documents d ON d.id = p.document"  # noqa: S608
                f" WHERE d.collection = ? AND d.path IN ({marks})"
            )
            values += [collection, *(str(choice) for choice in choices)]
        else:
            parts.append(
                "SELECT passage FROM fields WHERE collection = ? AND name = ?"  # noqa: S608 - marks only
                f" AND value IN ({marks})"
            )
            values += [collection, str(name), *(field_value(choice) for choice in choices)]
    return Condition(" INTERSECT ".join(parts), tuple(values))


def _choices(name: str, wanted: Any) -> list[Any]:
    if isinstance(wanted, Mapping):
        if set(wanted) != {"in"} or not isinstance(wanted["in"], list | tuple):
            raise InvalidInput(
                f"The filter on {name} is not understood; write a value, a list, or {{ in = [...] }}."
            )
        wanted = wanted["in"]
    choices = list(wanted) if isinstance(wanted, list | tuple) else [wanted]
    if len(choices) > MAX_CHOICES:
        raise InvalidInput(f"The filter on {name} offers {len(choices)} values; offer at most {MAX_CHOICES}.")
    if any(isinstance(choice, Mapping | list | tuple) for choice in choices):
        raise InvalidInput(
            f"The filter on {name} holds a nested value; compare with texts, numbers or truth values."
        )
    return choices
