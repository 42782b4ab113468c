"""Numbers as people and programs write them: money, percents, either decimal mark, marks of thousands."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

Mark: TypeAlias = Literal[".", ","]
"""What stands before the decimals of a column; the other one may keep its thousands apart."""

_PLAIN: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
_UNIT: Final = r"[$€£¥₹₽₺₩%]|(?:US|CA|AU|R)\$|CHF|EUR|USD|GBP|SEK|NOK|DKK|PLN|CZK|HUF|JPY|INR|zł|Kč|Ft|kr\.?"
_WORN: Final = re.compile(
    rf"(?P<sign>[+-]?)(?:(?:{_UNIT})\s*)?(?P<inner>[+-]?)"
    rf"(?P<digits>\d[\d.,'’ \u00a0\u202f]*)(?:\s*(?:{_UNIT}))?"
)
_SPACES: Final = re.compile(r"(?<=\d)['’ \u00a0\u202f](?=\d{3}(?!\d))")
_GROUPED: Final = {
    ".": re.compile(r"[1-9]\d{0,2}(,\d{3})+(\.\d*)?"),
    ",": re.compile(r"[1-9]\d{0,2}(\.\d{3})+(,\d*)?"),
}
_OTHER: Final[dict[str, Mark]] = {".": ",", ",": "."}


def parse_number(text: str, mark: Mark = ".") -> float | None:
    """Read a number; None when it is none.  `mark` decides only where 1,234 could be either."""
    if _PLAIN.fullmatch(text) and not (mark == "," and _GROUPED[","].fullmatch(text)):
        return float(text)
    if (found := _bare(text)) is None:
        return None
    sign, digits = found
    for tried in (mark, _OTHER[mark]):
        if _GROUPED[tried].fullmatch(digits) or (digits.count(tried) <= 1 and _OTHER[tried] not in digits):
            return sign * float(digits.replace(_OTHER[tried], "").replace(tried, "."))
    return None


def decimal_mark(texts: Iterable[str]) -> Mark:
    """Return what most of a column's numbers have before their decimals, as far as they show it."""
    votes = {".": 0, ",": 0}
    for text in texts:
        if ("." in text or "," in text) and (found := _bare(text)) and (shown := _shown(found[1])):
            votes[shown] += 1
    return "," if votes[","] > votes["."] else "."


def _bare(text: str) -> tuple[int, str] | None:
    """Return the sign and the digits of a number, without its unit and the spaces in it."""
    found = _WORN.fullmatch(text)
    if found is None or (found["sign"] and found["inner"]):
        return None
    digits = _SPACES.sub("", found["digits"].strip())
    if not all(each.isascii() and (each.isdigit() or each in ".,") for each in digits):
        return None
    return -1 if "-" in found["sign"] + found["inner"] else 1, digits


def _shown(digits: str) -> Mark | None:
    """Return the decimal mark that these digits show; None where it could be either."""
    last: Mark = "." if digits.rfind(".") > digits.rfind(",") else ","
    if _OTHER[last] in digits:
        return last
    if digits.count(last) > 1:
        return _OTHER[last]
    whole, _, decimals = digits.partition(last)
    return last if len(decimals) != 3 or whole in ("", "0") else None
