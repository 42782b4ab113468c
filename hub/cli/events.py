"""`hubbub events`: the log of a thread, for people or for programs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from hub.cli.program import Target

if TYPE_CHECKING:
    from runtime.journal.sqlite import SqliteJournal
    from runtime.settings import Settings
    from runtime.types import Event

_PAGE = 500
_WIDTH = 160
_LOOK_EVERY = 0.1
"""Seconds between two looks for new events.  A look is one seek in an index, and asks no hub."""


@click.command("events")
@click.argument("thread")
@click.option("--follow", is_flag=True, help="Go on with what happens from now on, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One event a line, whole.")
@click.pass_obj
def command(target: Target, thread: str, follow: bool, as_json: bool) -> None:
    """Print what happened on THREAD, oldest first: the durable events."""
    asyncio.run(_print(target.settings(), thread, follow, as_json))


async def _print(settings: Settings, thread: str, follow: bool, as_json: bool) -> None:
    from hub.cli.reading import reading
    from runtime.errors import NotFound

    async with reading(settings) as journal:
        if journal is None or await journal.thread(thread) is None:
            raise NotFound(
                f"There is no thread {thread} in {settings.workspace}; check the id and --workspace."
            )
        async with aclosing(_events(journal, thread, follow)) as events:
            async for event in events:
                click.echo(json.dumps(_record(event), ensure_ascii=False) if as_json else _line(event))


async def _events(journal: SqliteJournal, thread: str, follow: bool) -> AsyncGenerator[Event]:
    """Yield the events of a thread; with `follow` until it is deleted, which is NotFound."""
    from runtime.errors import NotFound

    after = 0
    while True:
        while page := await journal.events(thread, after=after, limit=_PAGE):
            for event in page:
                yield event
            after = page[-1].seq
        if not follow:
            return
        if await journal.thread(thread) is None:
            raise NotFound(f"The thread {thread} was deleted; there is nothing more to follow.")
        await asyncio.sleep(_LOOK_EVERY)


def _record(event: Event) -> dict[str, Any]:
    names = ("seq", "position", "method", "run", "timestamp")
    return {
        **{name: getattr(event, name) for name in names},
        "namespace": list(event.namespace),
        "data": event.data,
    }


def _line(event: Event) -> str:
    time = datetime.fromtimestamp(event.timestamp / 1000).strftime("%H:%M:%S.%f")[:-3]
    where = "/".join(event.namespace)
    gist = " ".join(_gist(event.method, event.data).split())
    text = f"{event.seq:>6}  {time}  {event.method:<15} {where:<12} {gist}"
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def _gist(method: str, data: dict[str, Any]) -> str:
    """Say in a few words what an event is about."""
    match method, data:
        case "lifecycle", {"event": event}:
            parts = (event, data.get("graph_name"), data.get("error"))
            return " ".join(str(part) for part in parts if part)
        case "updates", {"node": node, "decisions": [{"go": go, "why": why}, *_]}:
            return f"{node} -> {go}: {why}"
        case "updates", {"node": node, "values": values}:
            return f"{node}: {json.dumps(values, ensure_ascii=False)}"
        case "messages", {"event": "content-block-finish", "content": content}:
            return str(content.get("text") or content.get("reasoning") or content)
        case "messages", {"event": event}:
            return " ".join(str(part) for part in (event, data.get("message")) if part)
        case "input.requested", {"payload": question}:
            return json.dumps(question, ensure_ascii=False)
        case _:
            return json.dumps(data, ensure_ascii=False)
