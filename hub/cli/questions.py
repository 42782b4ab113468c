"""What a run asks a person, as it is read and answered at a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from hub.cli.output import say

if TYPE_CHECKING:
    from hub.cli.conversation import Asked


def ask(waiting: Sequence[Asked]) -> Mapping[str, Any]:
    """Ask the person at the terminal; what has no answer, because they left, is missing."""
    given = {}
    for each in waiting:
        say(f"\n{describe(each)}")
        try:
            given[each.id] = understood(each, input("answer> ").strip())
        except (EOFError, KeyboardInterrupt):
            click.echo()
            break
    return given


def describe(asked: Asked) -> str:
    """Return a question as a person reads it."""
    value = asked.value
    if not isinstance(value, Mapping) or "choices" not in value:
        return f"The run asks: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
    shown = [f"{name}: {_text(each)}" for name, each in (value.get("show") or {}).items()]
    choices = ", ".join(map(str, value["choices"]))
    return "\n".join(
        [*shown, f"{value.get('step', 'The run')} waits for one of: {choices} (or `CHOICE: a note`)"]
    )


def understood(asked: Asked, text: str) -> Any:
    """Return what a person typed as the answer to a question: a choice with its note, JSON, or text."""
    choices = asked.value.get("choices") if isinstance(asked.value, Mapping) else None
    if choices:
        choice, _, note = text.partition(":")
        return {"choice": choice.strip(), "note": note.strip()} if note.strip() else choice.strip()
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
