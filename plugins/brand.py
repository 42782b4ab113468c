"""Guardrail `brand` and step.brand: what a brand never says, what it says otherwise, and what it owes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator

from hubbub import Context, Verdict, hookimpl

LONGEST = 1_000_000
"""Characters of a text; a longer one is blocked, since nobody looked at all of it."""
_LENGTH = re.compile(r"\d{1,7} (?:words?|characters?)")
_HYPHEN = re.compile("[\u2010-\u2015\u2212]")


class Settings(BaseModel):
    """`[plugins.brand]`: the rules; without any, every text passes."""

    never: list[str] = Field(default=[], description="words and phrases that block a text")
    say: dict[str, str] = Field(default={}, description="words and phrases, and what stands in their place")
    disclaimer: str = Field(default="", description="a text that is added where it is missing")

    @model_validator(mode="after")
    def _agrees(self) -> Settings:
        """Refuse rules that what they write breaks again."""
        never, mend = _pattern(self.never), _Mending(self.say)
        for written in (*self.say.values(), self.disclaimer):
            if mend(written) != written or (never and never.search(written)):
                raise ValueError(
                    f'"{written}" breaks the rules itself; write it otherwise, or change the rule'
                )
        return self


class Rulebook:
    """Looks for whole words and phrases, however they are capitalised and spaced."""

    def __init__(self, settings: Settings) -> None:
        self._never, self._mend = _pattern(settings.never), _Mending(settings.say)
        self._disclaimer = settings.disclaimer.strip()

    def check(self, text: str) -> Verdict:
        """Block what must never be said; else rewrite what is to be said otherwise."""
        if len(text) > LONGEST:
            return Verdict("block", reason=f"The text has more than {LONGEST:,} characters.")
        # Also where it is dressed up: in bold, with another hyphen, with letters that only look the same.
        if self._never and (found := self._never.search(text) or self._never.search(_plain(text))):
            return Verdict(
                "block", reason=f'The text says "{_folded(found.group())}", which the brand never says.'
            )
        mended = self._mend(text)
        if self._disclaimer and _folded(self._disclaimer) not in _folded(mended):
            mended = f"{mended.rstrip()}\n\n{self._disclaimer}"
        return Verdict() if mended == text else Verdict("rewrite", mended)


class Guard:
    """Stops a text that breaks the rules."""

    name = "brand"
    stage: Literal["input", "output", "tool"] = "output"
    examples = ("Our shiny e-mail service.", "")

    def __init__(self, rules: Rulebook) -> None:
        self._rules = rules

    def check(self, text: str, ctx: Context) -> Verdict:
        """Block, rewrite or allow it."""
        return self._rules.check(text)


class Text(BaseModel):
    """What is held against the rules, and for which channel it is."""

    text: str
    channel: str = Field(default="", description="the channel that the text is for")
    lengths: dict[str, str] = Field(
        default={}, description='the most a channel takes, such as { email = "120 words" }, or characters'
    )

    @model_validator(mode="after")
    def _understood(self) -> Text:
        for channel, length in self.lengths.items():
            if not _LENGTH.fullmatch(length):
                raise ValueError(
                    f'the length "{length}" of {channel} is not understood; write "120 words" or '
                    '"280 characters"'
                )
        return self


class Review:
    """Says what breaks the rules, so that a graph can have it written again."""

    name = "brand"
    Params = Text
    examples = ({"text": "Our shiny e-mail service."},)

    def __init__(self, rules: Rulebook) -> None:
        self._rules = rules

    async def run(self, state: Mapping[str, Any], params: Text, ctx: Context) -> dict[str, str]:
        """Return `{text, reason}`: the text as it may be said, and what it never may, "" when nothing."""
        verdict = self._rules.check(params.text)
        text = params.text if verdict.text is None else verdict.text
        lengths = {channel.casefold(): length for channel, length in params.lengths.items()}
        length = lengths.get(params.channel.strip().casefold(), "")
        return {"text": text, "reason": verdict.reason or _too_long(text, params.channel, length)}


class _Mending:
    """Puts what is to be said in the place of what is not, with a capital letter where one stood."""

    def __init__(self, say: Mapping[str, str]) -> None:
        self._right = {_folded(wrong): right for wrong, right in say.items()}
        self._wrong = _pattern(list(say))

    def __call__(self, text: str) -> str:
        return self._wrong.sub(self._in_place, text) if self._wrong else text

    def _in_place(self, found: re.Match[str]) -> str:
        right = self._right[_folded(found.group())]
        return right[:1].upper() + right[1:] if right.islower() and found.group()[:1].isupper() else right


def _pattern(phrases: Sequence[str]) -> re.Pattern[str] | None:
    """Return what finds the phrases, the longest first; None without any."""
    known = sorted((phrase.split() for phrase in phrases if phrase.strip()), key=len, reverse=True)
    ways = "|".join(r"\s+".join(re.escape(word) for word in words) for words in known)
    return re.compile(rf"(?<![\w-])(?:{ways})(?![\w-])", re.IGNORECASE) if ways else None


def _too_long(text: str, channel: str, length: str) -> str:
    """Say by how much a text is too long for its channel, "" when it is not; the disclaimer counts."""
    if not length:
        return ""
    most, unit = length.split()
    has = len(text.split()) if unit.startswith("word") else len(text)
    return f"It has {has} {unit}; {channel.strip()} takes at most {most}." if has > int(most) else ""


def _plain(text: str) -> str:
    """Return a text without its dress: Markdown's marks, invisible characters, hyphens of other kinds."""
    text = unicodedata.normalize("NFKC", text)
    text = "".join(each for each in text if unicodedata.category(each) != "Cf" and each not in "*_~`")
    return _HYPHEN.sub("-", text)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


@hookimpl
def register_guardrails(settings: Settings) -> list[Guard]:
    """Supply the guardrail `brand`."""
    return [Guard(Rulebook(settings))]


@hookimpl
def register_steps(settings: Settings) -> list[Review]:
    """Supply `step.brand`."""
    return [Review(Rulebook(settings))]
