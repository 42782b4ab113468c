"""`hubbub run`: one run of a graph, its steps on stderr as they happen and its output as JSON on stdout."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli.output import print_json, say
from hub.cli.program import Target

if TYPE_CHECKING:
    from hub.cli.workspace import Door


@click.command("run")
@click.argument("graph")
@click.option("--input", "text", default="{}", metavar="JSON", help="The graph's input, or @FILE with it.")
@click.option("--thread", help="Run on this thread; else on a new one.")
@click.option(
    "--mock",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Call nothing: what each step gives stands in FILE, as STEP = RESULT (TOML or JSON).",
)
@click.pass_obj
def command(target: Target, graph: str, text: str, thread: str | None, mock: Path | None) -> int:
    """Run GRAPH once, in the running hub if there is one, and say why it went where and what it cost.

    With --mock nothing is called, stored or sent: the graph runs in this process, as its tests do.
    """
    from hub.cli.workspace import open_door

    given = _input(text)
    if mock:
        from hub.cli.graph import open_library
        from hub.cli.rehearsals import run_with_mocks

        return run_with_mocks(open_library(target), graph, given, mock)
    with open_door(target) as door:
        found = asyncio.run(outputs_of(door, graph, given, thread or str(uuid.uuid4())))
    if found is None:
        return 1
    print_json(found)
    return 0


async def outputs_of(door: Door, graph: str, given: Mapping[str, Any], thread: str) -> dict[str, Any] | None:
    """Run a graph, its steps told on stderr, and return its outputs; None when it said why there are none."""
    from hub.cli.conversation import Ended, Step, Undone, converse
    from hub.cli.progress import Progress
    from hub.cli.remote import open_remote

    async with open_remote(door) as remote, converse(door, thread) as conversation:
        outputs = (await remote.schemas(graph))["output_schema"]["properties"]
        ended, progress = Ended("error", "The run did not end."), Progress()
        async for happening in conversation.start(graph, given):
            match happening:
                case Step(node, _, decisions, usage):
                    progress.step(node, decisions, usage)
                case Undone(step, by, error):
                    progress.undone(step, by, error)
                case Ended():
                    ended = happening
        progress.end()
        if ended.status != "success":
            waits = ended.status == "interrupted"
            say(
                f"The run waits; hubbub answer {thread}"
                if waits
                else f"{ended.status}: {ended.error} (thread {thread})"
            )
            return None
        values = await conversation.values()
        return {name: values.get(name) for name in outputs}


def _input(text: str) -> Mapping[str, Any]:
    """Read the JSON object given as `--input`; CannotStart says where it is wrong."""
    from runtime.errors import CannotStart

    try:
        value = json.loads(Path(text[1:]).read_text() if text.startswith("@") else text)
    except OSError as error:
        raise CannotStart(
            f"{text[1:]} cannot be read ({error.strerror}); give --input @FILE with JSON."
        ) from error
    except ValueError as error:
        raise CannotStart(
            f'--input is not JSON ({error}); write for example \'{{"question": "…"}}\'.'
        ) from error
    if not isinstance(value, dict):
        raise CannotStart('--input must be a JSON object, for example \'{"question": "…"}\'.')
    return value
