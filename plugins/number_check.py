"""step.number_check: takes sentences out of a text whose numbers are not among those it was written from."""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import BaseModel, Field

from hubbub import Context, JsonObject, hookimpl
from hubbub.figures import Number, numbers_in

_MONTHS = {name.lower()[:3]: number for number, name in enumerate(calendar.month_name) if name}
_MONTH = rf"({'|'.join(_MONTHS)})[a-z]*\.?"
_NTH = r"(\d{1,2})(?:st|nd|rd|th)?"
_SPOKEN = re.compile(
    rf"\b(?:{_MONTH} {_NTH}|{_NTH} (?:of )?{_MONTH})\b(?:,? (\d{{4}})\b)?",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=\S)|\n+")


class Checked(BaseModel):
    """A text, and what it was written from."""

    text: str = Field(description="what a model wrote")
    given: str = Field(description="the numbers it was given, as text; told instead when no sentence is left")


class NumberCheck:
    """A number may be rounded and a day spoken; any other number takes its sentence along.

    It does not see whether a number stands for what the sentence says it does.
    """

    name = "number_check"
    Params = Checked
    examples = (
        {"text": "There were 12 calls. That is 99 % more!", "given": "Calls: 12 calls."},
        {"text": "A million.", "given": "Calls: 12 calls."},
    )

    async def run(self, state: Mapping[str, Any], params: Checked, ctx: Context) -> JsonObject:
        """Return `{text, dropped}`: the sentences that hold, and those that do not."""
        days, numbers = _given(params.given)
        kept, dropped = list[str](), list[str]()
        for sentence in filter(None, _SENTENCE.split(params.text.strip())):
            holds = all(
                found in days if isinstance(found, str) else any(found.means(each) for each in numbers)
                for found in numbers_in(_SPOKEN.sub(lambda spoken: _written(spoken, days), sentence))
            )
            (kept if holds else dropped).append(sentence)
        if dropped:
            ctx.log.warning("a model told numbers that it was not given", sentences=len(dropped))
        return {"text": " ".join(kept) or params.given, "dropped": dropped}


def _given(text: str) -> tuple[set[str], list[Number]]:
    found = list(numbers_in(text))
    days = {each for each in found if isinstance(each, str)}
    years = [Number(float(day[:4])) for day in days]
    return days, [each for each in found if isinstance(each, Number)] + years


def _written(spoken: re.Match[str], days: set[str]) -> str:
    """Return the day that "March 3" or "3rd of March 2025" means, if it is a given one."""
    month, day = _MONTHS[(spoken[1] or spoken[4]).lower()], int(spoken[2] or spoken[3])
    for given in map(date.fromisoformat, days):
        if (given.month, given.day) == (month, day) and spoken[5] in (None, str(given.year)):
            return given.isoformat()
    return spoken[0]


@hookimpl
def register_steps() -> list[NumberCheck]:
    """Supply `step.number_check`."""
    return [NumberCheck()]
