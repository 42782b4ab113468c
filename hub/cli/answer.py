"""`hubbub answer`: answer what a run waits for, watch it go on, and print its output."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from hub.cli.output import print_json
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
    """Answer what THREAD waits with, show how its run goes on, and print its output as JSON.

    ANSWER is a choice, a choice with a note ("reject: too long"), JSON, or text; without it you are asked.
    """
    from hub.cli.chat import go_on
    from hub.cli.questions import ask, understood
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
        if not (given and go_on(door, thread, given, since)):
            return 1
        print_json(asyncio.run(_outputs(door, thread)))
        return 0


async def _outputs(door: Door, thread: str) -> dict[str, Any]:
    """Return the outputs of the run that has ended on a thread, as `hubbub run` prints them."""
    from hub.cli.remote import open_remote

    async with open_remote(door) as remote:
        state = await remote.state(thread)
        schemas = await remote.schemas(state["metadata"]["graph_id"])
    return {name: state["values"].get(name) for name in schemas["output_schema"]["properties"]}


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
