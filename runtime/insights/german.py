"""German words of time, said in English, so that one grammar reads both."""

from __future__ import annotations

import re
from typing import Final

_ENDING: Final = "e[mnrs]?"
_WORDS: Final = {
    "vorgestern": "day before yesterday",
    "gestern": "yesterday",
    "heute": "today",
    f"(?:letzt|vergangen|vorig){_ENDING}": "last",
    f"(?:dies|laufend){_ENDING}": "this",
    f"(?:nächst|kommend){_ENDING}": "next",
    "seit": "since",
    "bis": "to",
    "und": "and",
    "im": "in",
    "stunden?": "hour",
    "tage?n?": "day",
    "wochen?": "week",
    "monat(?:s|en?)?": "month",
    "quartals?": "quarter",
    "jahr(?:en?|es)?": "year",
    "wochenendes?": "weekend",
    "montag": "monday",
    "dienstag": "tuesday",
    "mittwoch": "wednesday",
    "donnerstag": "thursday",
    "freitag": "friday",
    "samstag|sonnabend": "saturday",
    "sonntag": "sunday",
    "januar": "january",
    "februar": "february",
    "märz": "march",
    "mai": "may",
    "juni": "june",
    "juli": "july",
    "oktober": "october",
    "dezember": "december",
    f"erst{_ENDING}": "first",
    f"zweit{_ENDING}": "second",
    f"dritt{_ENDING}": "third",
    f"viert{_ENDING}": "fourth",
    f"ein{_ENDING}": "one",
    "zwei": "two",
    "drei": "three",
    "vier": "four",
    "fünf": "five",
    "sechs": "six",
    "sieben": "seven",
    "acht": "eight",
    "neun": "nine",
    "zehn": "ten",
}
_WORD: Final = re.compile("|".join(rf"(?P<w{place}>\b(?:{word})\b)" for place, word in enumerate(_WORDS)))
_ENGLISH: Final = tuple(_WORDS.values())
_AGO: Final = re.compile(r"\bvor (\w+ (?:day|week|month|quarter|year))\b")


def in_english(text: str) -> str:
    """Return a text in small letters with its German words of time in English, the others as they are."""
    said = _WORD.sub(lambda found: _ENGLISH[int((found.lastgroup or "")[1:])], text)
    return _AGO.sub(r"\1 ago", said)
