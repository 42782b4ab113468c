"""Periods as people write them: "last 7 days", "since Monday", "Q3", "3 to 9 November", "letzte Woche"."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

from runtime.errors import InvalidInput
from runtime.insights.german import in_english

Period = tuple[date, date]
"""The first and the last day, both included."""

_DAYS: Final = {"hour": 1 / 24, "day": 1, "week": 7, "month": 30, "quarter": 91, "year": 365}
_MOST: Final = 3650
_MONTHS: Final = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
_WEEKDAYS: Final = {name.lower(): number for number, name in enumerate(calendar.day_name)}
_NUMBERS: Final = "one two three four five six seven eight nine ten eleven twelve"
_COUNTS: Final = tuple(_NUMBERS.split(" "))
_NTHS: Final = {"first": 1, "second": 2, "third": 3, "fourth": 4, "1st": 1, "2nd": 2, "3rd": 3, "4th": 4}

_COUNT: Final = rf"(?P<count>\d{{1,4}}|{'|'.join(_COUNTS)}|an?)"
_UNIT: Final = r"(?P<unit>day|week|month|quarter|year)s?"
_WHICH: Final = r"(?P<which>last|past|previous|this|current|next|coming)"
_MONTH: Final = rf"(?P<month>{'|'.join(f'{name[:3]}(?:{name[3:]}|t)?' for name in _MONTHS)})\.?"
_NTH: Final = r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?"
_TO: Final = r"(?: ?[-–] ?| to | and | through )(?P<to>\d{1,2})(?:st|nd|rd|th|\.)?"
_YEAR: Final = r"(?:,? (?:of )?(?P<year>\d{4}))?"
_IN: Final = "|".join(
    rf"(?<=\b{word} )" for word in ("in", "of", "for", "year", "since", "from", "to", "until", "during")
)

_JOINED: Final = re.compile(r" ?(?:\.\.|[-–,]|and|or|to|till|until|through) ?(?:the |in |of |on )?")
_SINCE: Final = re.compile(r"\b(since|after|from)(?: the)? $")
_UNTIL: Final = re.compile(r"\b(?:before|until|till|up to)(?: the)? $")
_PART: Final = re.compile(
    r"\b(?:half|end|beginning|start|middle|rest|(?:first|second|third|fourth|last) (?:day|week|weekend)s?)"
    r" of "
)


def period_of(text: str, today: date) -> Period | None:
    """Return the period that a text names, None when it names none.

    InvalidInput for a day that is none, and for what cannot be said in whole days.
    """
    text = in_english(" ".join(text.lower().split()))
    found = _found(text, today)
    if not found:
        return None
    if _PART.search(text):
        raise InvalidInput(
            "a part of a month or year is not understood; write its days, such as 2025-01-01..2025-01-15"
        )
    (start, end, (first, last)), *others = found
    for begin, stop, (other, until) in others:
        # "this month against last month" is about the first; the period before is told in any case.
        if not _JOINED.fullmatch(text[end:begin]):
            break
        first, last, end = min(first, other), max(last, until), stop
    if end == found[0][1]:
        if _UNTIL.search(text[:start]):
            raise InvalidInput("a period needs its first day too; write it like 2025-01-01..2025-01-31")
        since = _SINCE.search(text[:start])
        # What comes "from last week" is of that week; "from 3 November" goes on until today.
        if since and (since[1] != "from" or text[start].isdigit()):
            first = last + timedelta(1) if since[1] == "after" else first
            return first, max(first, today)
    return first, last


def _found(text: str, today: date) -> list[tuple[int, int, Period]]:
    """Return where each period stands that a text names, in order; what was read is read once."""
    found = list[tuple[int, int, Period]]()
    for pattern, read in _WAYS:
        for each in pattern.finditer(text):
            if (period := read(each, today)) is not None:
                found.append((each.start(), each.end(), period))
        text = pattern.sub(lambda each: "#" * len(each[0]), text)
    return sorted(found)


# --------------------------------------------------------------------------- one way of writing each


def _iso(found: re.Match[str], today: date) -> Period:
    day = _day(found["year"], found["month"], found["day"])
    return day, day


def _iso_month(found: re.Match[str], today: date) -> Period:
    return _months(_day(found["year"], found["month"], "1"), 1)


def _slashed(found: re.Match[str], today: date) -> Period:
    """Read 26/11/2026 and 11/26/2026, but not 5/11/2026, which is another day to others."""
    first, second, year = found["first"], found["second"], found["year"]
    if int(first) <= 12 and int(second) <= 12 and int(first) != int(second):
        raise InvalidInput(f"{found[0]} is two days, depending on who reads it; write it like 2025-01-31")
    month, day = (second, first) if int(first) > 12 else (first, second)
    return _iso_day(_day(year, month, day))


def _spoken(found: re.Match[str], today: date) -> Period:
    """Read "November 3", "3rd of November 2025" and "3 to 9 November"."""
    month, groups = _month_of(found["month"]), found.groupdict()
    first = _latest(month, found["day"], found["year"], today)
    last = _day(str(first.year), str(month), groups["to"]) if groups.get("to") else first
    return min(first, last), max(first, last)


def _month(found: re.Match[str], today: date) -> Period | None:
    name, before = found["month"], found.string[: found.start()]
    if name == "may" and not found["year"] and not re.search(r"\b(?:in|since|from|of|to|last|for) $", before):
        return None
    return _months(_latest(_MONTHS[name], "1", found["year"], today), 1)


def _parts(found: re.Match[str], today: date) -> Period:
    """Read a quarter, or a half of a year as "H1"."""
    groups = found.groupdict()
    length = 6 if groups.get("half") else 3
    number = int(groups.get("half") or groups.get("quarter") or _NTHS[groups["nth"]])
    month = 1 + length * (number - 1)
    return _months(_latest(month, "1", found["year"], today), length)


def _year(found: re.Match[str], today: date) -> Period:
    return _months(_day(found["year"], "1", "1"), 12)


def _last_some(found: re.Match[str], today: date) -> Period:
    unit = found["unit"]
    whole = min(_MOST, max(1, round(_number(found["count"]) * _DAYS[unit])))
    return today - timedelta(whole - (unit != "hour")), today


def _ago(found: re.Match[str], today: date) -> Period:
    """Read "3 days ago" as that day, "2 weeks ago" as that week."""
    count, unit = _number(found["count"]), found["unit"]
    if count * _DAYS[unit] > _MOST:
        raise InvalidInput(f"{found[0]} is too long ago; ask about the last ten years")
    return _calendar(unit, today, -count)


def _named(found: re.Match[str], today: date) -> Period:
    which, unit = found["which"], found["unit"]
    if which in ("this", "current"):
        return _calendar(unit, today, 0)[0], today
    return _calendar(unit, today, 1 if which in ("next", "coming") else -1)


def _to_date(found: re.Match[str], today: date) -> Period:
    unit = {"y": "year", "m": "month", "q": "quarter", "w": "week"}[found[0][0]]
    return _calendar(unit, today, 0)[0], today


def _weekday(found: re.Match[str], today: date) -> Period:
    ago = (today.weekday() - _WEEKDAYS[found["name"]]) % 7
    which = found["which"] or ""
    if which in ("next", "coming"):
        return _iso_day(today + timedelta(7 - ago))
    return _iso_day(today - timedelta(ago or 7 * (which in ("last", "past", "previous"))))


def _weekend(found: re.Match[str], today: date) -> Period:
    ago = (today.weekday() - 5) % 7
    which = found["which"] or ""
    ago -= 7 * (which in ("next", "coming"))
    ago += 7 * (which in ("last", "past", "previous") and 0 <= ago < 2)
    saturday = today - timedelta(ago)
    return saturday, max(saturday, min(saturday + timedelta(1), today)) if ago >= 0 else saturday + timedelta(
        1
    )


def _near(days: int) -> Callable[[re.Match[str], date], Period]:
    return lambda _, today: _iso_day(today + timedelta(days))


_WAYS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str], date], Period | None]], ...]] = tuple(
    (re.compile(pattern), read)
    for pattern, read in (
        (r"\b(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})\b", _iso),
        (r"\b(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})\b", _iso),
        (r"\b(?P<first>\d{1,2})/(?P<second>\d{1,2})/(?P<year>\d{4})\b", _slashed),
        (r"\b(?P<year>\d{4})-(?P<month>\d{1,2})\b(?!-)", _iso_month),
        (rf"\b{_MONTH} {_NTH}(?:{_TO})?(?!\d|:){_YEAR}\b", _spoken),
        (rf"\b{_NTH}(?:{_TO})? (?:of )?{_MONTH}{_YEAR}\b", _spoken),
        (rf"\b(?P<month>{'|'.join(_MONTHS)})\b(?:,? (?:of )?(?P<year>\d{{4}})\b)?", _month),
        (rf"\bq(?P<quarter>[1-4])\b{_YEAR}", _parts),
        (r"\b(?P<year>\d{4})[ -]?q(?P<quarter>[1-4])\b", _parts),
        (rf"\bh(?P<half>[12])\b{_YEAR}", _parts),
        (rf"\b(?P<nth>{'|'.join(_NTHS)}) quarter\b{_YEAR}", _parts),
        (rf"(?:^|{_IN})(?P<year>(?:19|20)\d\d)(?=$|[ ?!.,;)])", _year),
        (rf"\b(?:last|past|previous) {_COUNT} (?P<unit>hour|day|week|month|quarter|year)s?\b", _last_some),
        (rf"\b{_COUNT} {_UNIT} ago\b", _ago),
        (r"\b(?:year|month|quarter|week)[ -]to[ -]date\b|\b[ymq]td\b", _to_date),
        (rf"\b{_WHICH} {_UNIT}\b", _named),
        (rf"\b(?:{_WHICH} )?weekend\b", _weekend),
        (rf"\b(?:{_WHICH} )?(?P<name>{'|'.join(_WEEKDAYS)})\b", _weekday),
        (r"\bday before yesterday\b", _near(-2)),
        (r"\byesterday\b", _near(-1)),
        (r"\bday after tomorrow\b", _near(2)),
        (r"\btomorrow\b", _near(1)),
        (r"(?<=\buntil )now\b|(?<=\btill )now\b|(?<=\bto )now\b", _near(0)),
        (
            r"\btoday\b|\btonight\b|\bthis (?:morning|afternoon|evening|hour)\b|\b(?:last|past) hour\b",
            _near(0),
        ),
        (r"\b(?:of )?all time\b|\bever\b", lambda _, today: (today - timedelta(_MOST - 1), today)),
    )
)
"""From what leaves least open to what leaves most; what one has read is gone for those after it."""


# --------------------------------------------------------------------------- the calendar


def _calendar(unit: str, today: date, offset: int) -> Period:
    """Return the day, week, month, quarter or year so many after the one of today."""
    if unit in ("day", "week"):
        begin = today - timedelta(today.weekday() if unit == "week" else 0) + timedelta(_DAYS[unit] * offset)
        return begin, begin + timedelta(_DAYS[unit] - 1)
    length = {"month": 1, "quarter": 3, "year": 12}[unit]
    place = (today.year * 12 + today.month - 1) // length * length + offset * length
    return _months(date(place // 12, place % 12 + 1, 1), length)


def _months(first: date, length: int) -> Period:
    month = first.month + length - 1
    return first, date(first.year, month, calendar.monthrange(first.year, month)[1])


def _latest(month: int, day: str, year: str | None, today: date) -> date:
    """Return a day of a month; without a year the latest that has come."""
    if year:
        return _day(year, str(month), day)
    this = today.year - ((month, int(day)) > (today.month, today.day))
    # Only every fourth year has a 29 February.
    while month == 2 and day == "29" and not calendar.isleap(this):
        this -= 1
    return _day(str(this), str(month), day)


def _month_of(name: str) -> int:
    return next(number for full, number in _MONTHS.items() if full.startswith(name[:3]))


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 1 if text in ("a", "an") else _COUNTS.index(text) + 1


def _iso_day(day: date) -> Period:
    return day, day


def _day(year: str, month: str, day: str) -> date:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        raise InvalidInput(f"{year}-{month}-{day} is no day; write it like 2025-01-31") from None
