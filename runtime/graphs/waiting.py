"""The step `wait`: how long a run waits, from what the file says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from runtime.errors import InvalidInput
from runtime.types import JsonObject
from runtime.units import seconds

SHORT: Final = 5.0
"""Seconds up to which a run keeps its place while it waits; a longer wait is a stop, as for a person."""

GO_ON: Final = "go on"
"""The answer that ends a wait, by the clock or by somebody who does not want to wait."""


def until(filled: JsonObject, now: float) -> float:
    """Return when a wait is over, in Unix seconds; InvalidInput when `for` or `until` say no time."""
    if "for" in filled:
        return now + span(filled["for"])
    return moment(filled["until"])


def span(value: Any) -> float:
    """Return a duration in seconds: a text, or a number of seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    try:
        return seconds(value)
    except ValueError:
        raise InvalidInput(f'{str(value)[:40]!r} is no duration; write for example "2h"') from None


def moment(value: Any) -> float:
    """Return a moment in Unix seconds: ISO 8601, of UTC where it names no zone."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        sentence = f'{str(value)[:40]!r} is no time; write for example "2026-12-24T09:00:00+01:00"'
        raise InvalidInput(sentence) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def question(step: str, ends: float) -> JsonObject:
    """Return what a run waits with: the step, and when it goes on by itself."""
    shown = datetime.fromtimestamp(ends, UTC).isoformat(timespec="seconds")
    return {"step": step, "waits_until": shown, "expires_at": ends, "otherwise": GO_ON}


def schema() -> JsonObject:
    """Return the JSON Schema of the answer that ends the wait at once."""
    return {"enum": [GO_ON]}
