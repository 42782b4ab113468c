"""`hubbub answer`: answer what a run waits for, and watch it go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from hub.cli.output import say
from hub.cli.program import Target

if TYPE_CHECKING:
    from hub.cli.conversation import Asked
    from hub.cli.workspace import Door
    from runtime.settings import Settings


@click.command("answer")
@click.argument("thread")
@click.argument("answer", required=False)
@click.option("--question", metavar="ID", help="Which question, where several wait.")
@click.pass_obj
def command(target: Target, thread: str, answer: str | None, question: str | None) -> int:
    """Answer the question that THREAD waits with, and show how its run goes on.

    ANSWER is a choice, a choice with a note ("reject: too long"), JSON, or text; without it you are asked.
    """
    from hub.cli.chat import go_on
    from hub.cli.workspace import open_door
    from runtime.errors import Conflict

    with open_door(target) as door:
        waiting, since = asyncio.run(_waiting(door, target.settings(), thread))
        if question:
            waiting = [each for each in waiting if each.id == question]
        if not waiting:
            raise Conflict(
                f"Nobody has asked anything on the thread {thread}; `hubbub events {thread}` shows it."
            )
        if answer is not None and len(waiting) > 1:
            ids = ", ".join(each.id for each in waiting)
            raise Conflict(f"{len(waiting)} questions wait; name one with --question ({ids}).")
        given = {waiting[0].id: understood(waiting[0], answer)} if answer is not None else ask(waiting)
        return 0 if given and go_on(door, thread, given, since) else 1


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


async def _waiting(door: Door, settings: Settings, thread: str) -> tuple[list[Asked], int]:
    """Return the questions that wait, and the number of the thread's last event."""
    from hub.cli.conversation import Asked
    from hub.cli.reading import reading
    from hub.cli.remote import open_remote

    async with open_remote(door) as remote:
        state = await remote.state(thread)
    async with reading(settings) as journal:
        since = await journal.last_seq(thread) if journal else 0
    return [Asked(each["id"], each["value"]) for each in state["interrupts"]], since
