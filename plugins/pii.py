# /// script
# dependencies = ["phonenumbers>=9", "python-stdnum>=2"]
# ///
"""Guardrail `pii`: takes e-mail addresses, phone, card, account and social security numbers out of texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal

from pydantic import BaseModel, Field

from hubbub import Context, Verdict, hookimpl

Kind = Literal["email", "phone", "card", "iban", "ssn", "ip"]

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}(?![\w-])")
_CARD = re.compile(r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![A-Za-z0-9])")
_SSN = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")
_IP = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
_DIGITS = re.compile(r"\d(?:[^\w\n]{0,2}\d){5}")
"""What a phone number has at least."""
_PIECE = 4_000
"""Characters that are searched for phone numbers at once."""


class Settings(BaseModel):
    """`[plugins.pii]`: what is looked for, what becomes of it, and where numbers without + are from."""

    find: tuple[Kind, ...] = Field(
        default=("email", "phone", "card", "iban", "ssn"), description="what is looked for"
    )
    action: Literal["rewrite", "block"] = Field(
        default="rewrite", description='"block" refuses the whole text'
    )
    region: str = Field(default="US", min_length=2, max_length=2, description="country of numbers without +")


class Pii:
    """What has a checksum must pass it: an order number of sixteen digits is no card."""

    name = "pii"
    stage = "input"
    examples = (
        "Write to ann@example.com or call +1 650-253-0000.",
        "Card 4111 1111 1111 1111, account GB82 WEST 1234 5698 7654 32.",
        "Order 4111111111111112 arrives at 10.30 in room 12.",
    )

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check(self, text: str, ctx: Context) -> Verdict:
        """Rewrite `ann@example.com` to `[email]`, and so on; allow what holds none of it."""
        found = []
        for kind in self._settings.find:
            clean, count = _FINDERS[kind](text, self._settings.region)
            if count:
                found.append(kind)
                text = clean
        if not found:
            return Verdict()
        reason = f"It holds {', '.join(found)}."
        return (
            Verdict("block", reason=reason)
            if self._settings.action == "block"
            else Verdict("rewrite", text, reason)
        )


def _replaced(
    text: str, pattern: re.Pattern[str], kind: Kind, valid: Callable[[str], bool]
) -> tuple[str, int]:
    count = 0

    def mark(match: re.Match[str]) -> str:
        nonlocal count
        if not valid(match[0]):
            return match[0]
        count += 1
        return f"[{kind}]"

    return pattern.sub(mark, text), count


def _emails(text: str, region: str) -> tuple[str, int]:
    return _replaced(text, _EMAIL, "email", lambda found: True)


def _cards(text: str, region: str) -> tuple[str, int]:
    from stdnum import luhn

    def valid(found: str) -> bool:
        digits = re.sub(r"\D", "", found)
        return luhn.is_valid(digits) and len(set(digits)) > 1

    return _replaced(text, _CARD, "card", valid)


def _ibans(text: str, region: str) -> tuple[str, int]:
    from stdnum import iban

    count = 0

    def mark(match: re.Match[str]) -> str:
        nonlocal count
        # What follows an account's number may look like more of it: the longest valid beginning counts.
        for length in range(len(match[0]), 14, -1):
            if match[0][length - 1] != " " and iban.is_valid(match[0][:length], check_country=False):
                count += 1
                return f"[iban]{match[0][length:]}"
        return match[0]

    return _IBAN.sub(mark, text), count


def _persons(text: str, region: str) -> tuple[str, int]:
    from stdnum.us import ssn

    return _replaced(text, _SSN, "ssn", ssn.is_valid)


def _addresses(text: str, region: str) -> tuple[str, int]:
    return _replaced(text, _IP, "ip", lambda found: all(int(part) < 256 for part in found.split(".")))


def _phones(text: str, region: str) -> tuple[str, int]:
    spans = [span for start, piece in _pieces(text) for span in _phones_in(start, piece, region)]
    for start, end in reversed(spans):
        text = f"{text[:start]}[phone]{text[end:]}"
    return text, len(spans)


def _phones_in(start: int, piece: str, region: str) -> Iterator[tuple[int, int]]:
    from phonenumbers import PhoneNumberMatcher

    if _DIGITS.search(piece):
        for match in PhoneNumberMatcher(piece, region, max_tries=1000):
            yield start + match.start, start + match.end


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines with their places, and parts of very long ones: no number is longer."""
    start = 0
    for line in text.splitlines(keepends=True):
        for at in range(0, len(line), _PIECE):
            yield start + at, line[at : at + _PIECE]
        start += len(line)


_FINDERS: dict[Kind, Callable[[str, str], tuple[str, int]]] = {
    "email": _emails,
    "iban": _ibans,
    "card": _cards,
    "ssn": _persons,
    "phone": _phones,
    "ip": _addresses,
}


@hookimpl
def register_guardrails(settings: Settings) -> list[Pii]:
    """Supply the guardrail `pii`."""
    return [Pii(settings)]
