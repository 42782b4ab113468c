"""`hubbub chat`: talk to a graph in the terminal, over the same socket that applications use."""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from hub.cli.output import say
from hub.cli.program import Target

if TYPE_CHECKING:
    from hub.cli.conversation import Asked, Conversation, Happening
    from hub.cli.workspace import Door


@click.command("chat")
@click.argument("graph")
@click.option("--thread", help="Go on with this conversation.")
@click.pass_obj
def command(target: Target, graph: str, thread: str | None) -> None:
    """Ask GRAPH, one line at a time; the answer is shown as it is written, with its sources.

    Ctrl-C stops an answer; Ctrl-C or Ctrl-D at the prompt ends the conversation.
    """
    from hub.cli.questions import ask as answers
    from hub.cli.workspace import open_door

    thread = thread or str(uuid.uuid4())
    with open_door(target) as door:
        field = asyncio.run(_field(door, graph))
        say(f"Talking to {graph} on thread {thread}. Ctrl-C stops an answer, Ctrl-D ends the conversation.")
        while (line := _line()) is not None:
            if line.strip():
                screen = asyncio.run(ask(door, thread, graph, input_of(field, line.strip())))
                if screen.asked:
                    go_on(door, thread, answers(screen.asked), screen.ended_at)
    say(f"To go on: hubbub chat {graph} --thread {thread}")


async def ask(
    door: Door, thread: str, graph: str, input: Mapping[str, Any], *, traceparent: str | None = None
) -> Screen:
    """Run `graph` and show what it writes as it comes; Ctrl-C cancels the run."""
    from hub.cli.conversation import converse

    async with converse(door, thread) as conversation:
        return await _shown(conversation, conversation.start(graph, input, traceparent=traceparent))


def go_on(door: Door, thread: str, given: Mapping[str, Any], since: int) -> bool:
    """Give these answers, and those to what the run asks then; says whether it succeeded in the end.

    `since` is the last event of the thread so far.
    """
    from hub.cli.questions import ask as answers

    while given:
        screen = asyncio.run(_answer(door, thread, given, since))
        if not screen.asked:
            return screen.succeeded
        given, since = answers(screen.asked), screen.ended_at
    say(f"The run waits; hubbub answer {thread} goes on with it.")
    return False


async def _answer(door: Door, thread: str, given: Mapping[str, Any], since: int) -> Screen:
    from hub.cli.conversation import converse

    async with converse(door, thread) as conversation:
        return await _shown(conversation, conversation.answer(given, since))


async def _shown(conversation: Conversation, happenings: AsyncIterator[Happening]) -> Screen:
    screen = Screen()
    with _cancelling(conversation):
        async for happening in happenings:
            screen.show(happening)
    return screen


class Screen:
    """Shows one run: text as it is written, then the sources, or why there is no answer."""

    def __init__(self) -> None:
        self.succeeded = False
        self.asked: list[Asked] = []
        self.ended_at = 0
        self._message = ""
        self._written: Mapping[str, Any] = {}

    def show(self, happening: Happening) -> None:
        """Show one more thing that happened."""
        from hub.cli.conversation import Asked, Dropped, Ended, Step, Text

        match happening:
            case Text(message, _, text):
                if self._message and message != self._message:
                    click.echo("\n")
                self._message = message
                click.echo(text, nl=False)
            case Dropped(message, reason) if message == self._message:
                click.echo(f"\n[{reason}]\n")
                self._message = ""
            case Asked():
                self.asked.append(happening)
            case Step(values=values):
                self._written = {**self._written, **values}
            case Ended(status, error, seq):
                self.ended_at = seq
                self._end(status, error)

    def _end(self, status: str, error: str) -> None:
        self.succeeded = status == "success"
        if self._message:
            click.echo()
        if status == "interrupted" and self.asked:
            return
        if not self.succeeded:
            say("Stopped." if status == "cancelled" else error or f"The run ended as {status}.")
            return
        if not self._message and (answer := self._written.get("answer")):
            click.echo(answer)
        for line in describe_sources(self._written.get("sources") or []):
            click.echo(line)


def describe_sources(sources: list[Any]) -> list[str]:
    """Return a line for each source: its number, title, file, and the line or page."""
    return [f"  [{_number(source, place)}] {_place(source)}" for place, source in enumerate(sources, start=1)]


def _number(source: Any, place: int) -> Any:
    return source.get("number", place) if isinstance(source, dict) else place


def _place(source: Any) -> str:
    if not isinstance(source, dict):
        return str(source)
    found = source.get("source")
    found = found if isinstance(found, dict) else source
    where = found.get("path") or found.get("id") or source.get("id", "")
    title = f"  {found['title']}" if found.get("title") else ""
    return f"{where}{_inside(found)}{title}"


def _inside(source: dict[str, Any]) -> str:
    if source.get("page"):
        return f", page {source['page']}"
    return f":{source['line']}" if source.get("line") else ""


class _cancelling:  # noqa: N801 - used like a function
    """While the block runs, Ctrl-C cancels the run instead of the program."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._loop = asyncio.get_running_loop()
        self._asked: set[asyncio.Task[None]] = set()

    def __enter__(self) -> None:
        self._loop.add_signal_handler(signal.SIGINT, self._cancel)

    def __exit__(self, *_: object) -> None:
        self._loop.remove_signal_handler(signal.SIGINT)

    def _cancel(self) -> None:
        self._asked.add(asyncio.ensure_future(self._conversation.cancel()))


def _line() -> str | None:
    """Read one line from the person; None when they leave."""
    try:
        return input("\n> ")
    except (EOFError, KeyboardInterrupt):
        click.echo()
        return None


async def _field(door: Door, graph: str) -> str:
    """Return the graph's input field that takes what a person types; InvalidInput when there is none."""
    from hub.cli.remote import open_remote
    from runtime.errors import InvalidInput

    async with open_remote(door) as remote:
        schema = (await remote.schemas(graph))["input_schema"]
    if field := text_field(schema):
        return field
    takes = ", ".join(schema.get("properties", {})) or "nothing"
    raise InvalidInput(
        f"The graph {graph} takes {takes}, which is more than one line of text; "
        f"use `hubbub run {graph} --input JSON`."
    )


def text_field(schema: Mapping[str, Any]) -> str | None:
    """Return the one input field of a graph that a line of text fills; None when that is not enough."""
    fields = schema.get("properties", {})
    if "messages" in fields:
        return "messages"
    needed = set(schema.get("required", ()))
    texts = [name for name, field in fields.items() if field.get("type") == "string"]
    found = next((name for name in texts if name in needed), texts[0] if texts else None)
    return found if not needed - {found} else None


def input_of(field: str, line: str) -> Mapping[str, Any]:
    """Return a graph's input with a line of text in this field."""
    return {field: [{"role": "user", "content": line}] if field == "messages" else line}
