"""Periods as people write them: "last 7 days", "yesterday", "november", "2025-01-01..2025-01-31"."""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta
from typing import Final

from runtime.errors import InvalidInput

Period = tuple[date, date]
"""The first and the last day, both included."""

_DAY: Final = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
_MONTH: Final = re.compile(r"\b(\d{4})-(\d{1,2})\b(?!-)")
_LAST_N: Final = re.compile(r"\b(?:last|past|previous) (\d{1,4}) (hour|day|week|month|year)s?\b")
_NAMED: Final = re.compile(r"\b(this|last|past|previous) (week|month|quarter|year)\b")
_MONTHS: Final = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_NAMED_MONTH: Final = re.compile(rf"\b({'|'.join(_MONTHS)})\b(?:,? (\d{{4}})\b)?")
_DAYS: Final = {"hour": 1 / 24, "day": 1, "week": 7, "month": 30, "year": 365}
_OPEN: Final = re.compile(r"\b(?:since|from|after) \d{4}-\d{1,2}-\d{1,2}")
_MOST: Final = 3650


def period_of(text: str, today: date) -> Period | None:
    """Return the period that a text names, None when it names none; InvalidInput for a day that is none."""
    text = " ".join(text.lower().split())
    if days := [_day(*found) for found in _DAY.findall(text)]:
        open_end = len(days) == 1 and _OPEN.search(text)
        return min(days), max(today, days[0]) if open_end else max(days)
    if found := _LAST_N.search(text):
        whole = min(_MOST, max(1, round(int(found[1]) * _DAYS[found[2]])))
        return today - timedelta(whole - (found[2] != "hour")), today
    if found := _MONTH.search(text):
        return _month(_day(found[1], found[2], "1"))
    if re.search(r"\byesterday\b", text):
        return today - timedelta(1), today - timedelta(1)
    if found := _NAMED.search(text):
        return _named(found[2], today, this=found[1] == "this")
    if re.search(r"\btoday\b", text):
        return today, today
    if (found := _NAMED_MONTH.search(text)) and (found[1] != "may" or found[2] or "in may" in text):
        return _month(_latest(_MONTHS[found[1]], found[2], today))
    return None


def _named(unit: str, today: date, *, this: bool) -> Period:
    begin = _begin(unit, today)
    if this:
        return begin, today
    last = begin - timedelta(1)
    return _begin(unit, last), last


def _begin(unit: str, day: date) -> date:
    if unit == "week":
        return day - timedelta(day.weekday())
    months = {"month": day.month, "quarter": day.month - (day.month - 1) % 3, "year": 1}
    return day.replace(month=months[unit], day=1)


def _latest(month: int, year: str, today: date) -> date:
    return date(int(year) if year else today.year - (month > today.month), month, 1)


def _month(first: date) -> Period:
    return first, first.replace(day=calendar.monthrange(first.year, first.month)[1])


def _day(year: str, month: str, day: str) -> date:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        raise InvalidInput(f"{year}-{month}-{day} is no day; write it like 2025-01-31") from None
