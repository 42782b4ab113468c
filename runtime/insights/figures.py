"""How figures are written for people, and which numbers a text holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_NUMBER: Final = re.compile(
    r"(?<!\d)(?<!\d[.,])[-−+]?(?P<digits>\d{1,3}(?:[,  ]\d{3})+(?!\d)|\d+)(?P<decimals>\.\d+)?"
    r"(?P<scale>\s?(?:k|thousand|million|m|bn|billion)\b)?",
    re.IGNORECASE,
)
_DAY: Final = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_SCALES: Final = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "bn": 1e9, "billion": 1e9}
_TEENS: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS: Final = "ten twenty thirty forty fifty sixty seventy eighty ninety hundred"
_WORDS: Final = {
    **{word: float(place) for place, word in enumerate(_TEENS.split())},
    **{word: 10.0 * place for place, word in enumerate(_TENS.split(), start=1)},
    "half": 0.5,
    **dict.fromkeys(("twice", "double", "doubled"), 2.0),
    **dict.fromkeys(("triple", "tripled"), 3.0),
    "dozen": 12.0,
    "thousand": 1e3,
    "million": 1e6,
    "billion": 1e9,
}
_WORD: Final = re.compile(rf"\b({'|'.join(_WORDS)})s?\b", re.IGNORECASE)


def shown(value: float, unit: str) -> str:
    """Write a figure with its unit: "1,234 calls", "12.5 %", "0.0031 USD"."""
    if unit == "share":
        return f"{value * 100:.1f} %"
    if unit == "seconds":
        return f"{value:,.2f} s"
    if unit == "USD":
        return f"{value:,.4f} USD" if abs(value) < 1 else f"{value:,.2f} USD"
    if unit == "score":
        return f"{value:.3f}"
    whole = float(value).is_integer() or abs(value) >= 1000
    text = f"{value:,.0f}" if whole else f"{value:,.1f}"
    return f"{text} {unit.removesuffix('s') if text == '1' else unit}"


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a text, and half of its last digit: whatever rounds to it is meant by it."""

    value: float
    half: float = 0.0

    def means(self, other: Number) -> bool:
        """Whether this is the other one, perhaps with fewer digits."""
        return abs(abs(self.value) - abs(other.value)) <= max(self.half, 1e-9 * abs(other.value)) * 1.000001


def numbers_in(text: str) -> Iterator[Number | str]:
    """Yield the numbers of a text, in digits or words; a day, like 2025-01-31, as it stands."""
    yield from _DAY.findall(text)
    rest = _DAY.sub(" ", text)
    for found in _NUMBER.finditer(rest):
        scale = _SCALES.get((found["scale"] or "").strip().lower(), 1.0)
        decimals = found["decimals"] or ""
        digits = re.sub(r"\D", "", found["digits"])
        half = 0.5 * 10.0 ** -max(0, len(decimals) - 1)
        yield Number(float(digits + decimals) * scale, half * scale)
    # "one of them" counts nothing.
    words = (found.lower() for found in _WORD.findall(_NUMBER.sub(" ", rest)))
    yield from (Number(_WORDS[word]) for word in words if word != "one")
