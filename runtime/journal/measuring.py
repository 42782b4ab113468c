"""Reads the measures of one tenant; which tenant is never for the caller to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from runtime.errors import InvalidInput
from runtime.journal.measures import MEASURES, MOST, select
from runtime.journal.sqlite import SqliteJournal
from runtime.types import JsonObject

_LONGEST: Final = 3700
"""Days of one question, at most."""


@dataclass(frozen=True, slots=True)
class JournalMeasures:
    """`ports.Measures` of one tenant."""

    journal: SqliteJournal
    tenant: str

    async def known(self) -> list[JsonObject]:
        """Return what can be asked, without reading anything."""
        names = ("about", "unit", "kind", "words")
        return [
            {"name": name, "by": ["day", *one.by], **{each: getattr(one, each) for each in names}}
            for name, one in MEASURES.items()
        ]

    async def read(
        self, name: str, first: str, last: str, by: Sequence[str] = (), graph: str = ""
    ) -> JsonObject:
        """Return the rows, and the SQL that gave them; NotFound, InvalidInput."""
        columns = list(dict.fromkeys(by))
        sql = select(name, columns)
        if not 0 <= (_day(last) - _day(first)).days <= _LONGEST:
            raise InvalidInput(
                f"{first} to {last} is no period; give a first day, and one up to ten years later"
            )
        given = {
            "tenant": self.tenant,
            "first": first,
            "last": last,
            "graph": graph or None,
            "most": MOST + 1,
        }
        rows = await self.journal.read(lambda database: database.execute(sql, given).fetchall())
        found = [dict(zip((*columns, "value", "n"), row, strict=True)) for row in rows]
        told = [row for row in found[:MOST] if row["value"] is not None]
        return {"name": name, "sql": sql, "parameters": given, "rows": told, "more": len(found) > MOST}


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except (TypeError, ValueError):
        raise InvalidInput(f"{str(text)[:40]!r} is no day; write it like 2025-01-31") from None
    if day.isoformat() != text:
        raise InvalidInput(f"{text[:40]!r} is no day; write it like 2025-01-31")
    return day
