"""step.read_measures: reads the figures that were chosen, and says in plain sentences what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from pydantic import BaseModel, Field

from hubbub import Context, JsonObject, Measures, hookimpl
from hubbub.figures import shown

_HISTORY = 63
"""Days whose series is read at least: what a day is held against."""
_SAID = 8
"""Parts of a figure that the sentences name."""


class Asked(BaseModel):
    """One figure: its name, columns, days and graph."""

    name: str
    by: list[str] = []
    first: str
    last: str
    unfinished: bool = False
    graph: str = ""
    note: str = ""


class Figures(BaseModel):
    """What is to be read, as `step.ask_measures` gives it."""

    asked: list[Asked] = Field(max_length=5, description="the figures to read")


class ReadMeasures:
    """Reads each figure as it was asked for, as a whole, of the period before, and day by day."""

    name = "read_measures"
    Params = Figures
    examples: tuple[JsonObject, ...] = (
        {"asked": [{"name": "calls", "by": ["graph"], "first": "2025-01-06", "last": "2025-01-12"}]},
        {"asked": []},
    )

    async def run(self, state: Mapping[str, Any], params: Figures, ctx: Context) -> JsonObject:
        """Return `{numbers, sql, summary}`: figures, each statement as it ran, and sentences, one a line."""
        measures = ctx.measures()
        known = {str(each["name"]): each for each in await measures.known()}
        numbers, ran = list[JsonObject](), list[JsonObject]()
        for asked in params.asked:
            reading = _Reading(measures, asked, ran)
            numbers.append(await reading.read(known.get(asked.name, {})))
        sentences = dict.fromkeys(sentence for number in numbers for sentence in _sentences(number))
        return {"numbers": numbers, "sql": ran, "summary": "\n".join(sentences)}


class _Reading:
    """One figure; `ran` takes every statement along."""

    def __init__(self, measures: Measures, asked: Asked, ran: list[JsonObject]) -> None:
        self._measures, self._asked, self._ran = measures, asked, ran

    async def read(self, about: Mapping[str, Any]) -> JsonObject:
        asked = self._asked
        first, last = date.fromisoformat(asked.first), date.fromisoformat(asked.last)
        length = last - first + timedelta(1)
        found = await self._rows(asked.by, first, last)
        total = found if not asked.by else await self._rows((), first, last)
        before = await self._rows((), first - length, first - timedelta(1))
        series = await self._rows(("day",), min(first, last - timedelta(_HISTORY)), last)
        return {
            **{name: about.get(name, "") for name in ("about", "unit", "kind")},
            **asked.model_dump(),
            "rows": found["rows"],
            "more": found["more"],
            "value": _value(total),
            "before": _value(before),
            "series": series["rows"],
        }

    async def _rows(self, by: Sequence[str], first: date, last: date) -> JsonObject:
        asked, days = self._asked, (first.isoformat(), last.isoformat())
        found = await self._measures.read(asked.name, *days, by, asked.graph)
        split = f" by {' and '.join(by)}" if by else ""
        about = f"{asked.name}{split}, {days[0]} to {days[1]}"
        self._ran.append({"about": about, "sql": found["sql"], "parameters": found["parameters"]})
        return found


def _value(found: JsonObject) -> float | None:
    return found["rows"][0]["value"] if found["rows"] else None


def _sentences(number: JsonObject) -> list[str]:
    graph = f" of the graph {number['graph']}" if number["graph"] else ""
    period = (
        number["first"] if number["first"] == number["last"] else f"{number['first']} to {number['last']}"
    )
    head = f"{_capital(number['about'])}{graph}, {period}"
    if number["value"] is None:
        return [f"{head}: nothing was recorded.", *filter(None, [number["note"]])]
    said = [f"{head}: {shown(number['value'], number['unit'])}{_change(number)}."]
    if number["by"] and number["rows"]:
        parts = [
            f"{_named(row, number['by'])} {shown(row['value'], number['unit'])}" for row in number["rows"]
        ]
        more = len(parts) - _SAID
        tail = f", and {more} more" if more > 0 else ""
        said.append(f"By {' and '.join(number['by'])}: {', '.join(parts[:_SAID])}{tail}.")
    return [*said, *filter(None, [number["note"]])]


def _change(number: JsonObject) -> str:
    """Say what it was in the period before, which was as long."""
    before = number["before"]
    if before is None:
        return ""
    was = shown(before, number["unit"])
    # Half a day beside a whole one looks like a fall.
    begun = number["unfinished"] and number["kind"] in ("count", "amount")
    if number["kind"] == "share" or not before or begun:
        return f" (in the period before: {was})"
    change = (number["value"] - before) / abs(before) * 100
    return f" (in the period before: {was}, so {change:+.1f} %)"


def _named(row: JsonObject, by: Sequence[str]) -> str:
    return ", ".join(str(row[column]) or "(none)" for column in by)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@hookimpl
def register_steps() -> list[ReadMeasures]:
    """Supply `step.read_measures`."""
    return [ReadMeasures()]
