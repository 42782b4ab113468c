"""Dates and moments as people and programs write them, several ways in one column too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

_DAYS: Final = (
    *("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d-%m-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y"),
    *("%B %d, %Y", "%d-%b-%Y", "%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%b-%y"),
)
_TIMES: Final = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_FORMATS: Final = ("iso", *(day + time for day in _DAYS for time in _TIMES))
_DATE: Final = re.compile(r"(?=.{6,40}$)\D*\d{1,4}\D+\d.*")
_SAMPLE: Final = 200
_MOST: Final = 3
"""Ways of writing dates in one column."""
_RARE: Final = 0.02
"""Share of the dates below which a way of writing is none of the column's."""
_BETWEEN: Final = "|"
SECONDS: Final = 86_400.0
"""Of a day."""


def parse_date(text: str, format: str) -> float | None:
    """Read a date or a moment as days since 1970.

    `format` is "iso" or one of strptime's, or several of them with | between.
    """
    for each in format.split(_BETWEEN):
        try:
            found = datetime.fromisoformat(text) if each == "iso" else datetime.strptime(text, each)
        except ValueError:
            continue
        return days(found)
    return None


def days(moment: datetime) -> float:
    """Return a moment as days since 1970; without a zone it is taken as UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() / SECONDS


def date_format(texts: Sequence[str], enough: float) -> str | None:
    """Return the format in which a share of `enough` of the texts are dates, None when there is none.

    Where the texts are written in several ways it is several formats, the commonest first.
    """
    sample = texts[:: max(1, len(texts) // _SAMPLE)]
    left = [text for text in sample if _DATE.fullmatch(text)]
    bearable = (1 - enough) * len(sample)
    if not left or len(sample) - len(left) > bearable:
        return None
    found: list[str] = []
    unread = len(sample)
    while unread > bearable and len(found) < _MOST:
        read = [sum(parse_date(text, format) is not None for text in left) for format in _FORMATS]
        most = max(read)
        if most <= _RARE * len(sample):
            return None
        best = _FORMATS[read.index(most)]
        found.append(best)
        unread -= most
        left = [text for text in left if parse_date(text, best) is None]
    return _BETWEEN.join(found) if unread <= bearable else None
