"""`hubbub events`: the log of a thread, for people or for programs."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from hub.cli.program import Target

if TYPE_CHECKING:
    from runtime.settings import Settings
    from runtime.types import Event

_PAGE = 500
_WIDTH = 160


@click.command("events")
@click.argument("thread")
@click.option("--json", "as_json", is_flag=True, help="One event a line, whole.")
@click.pass_obj
def command(target: Target, thread: str, as_json: bool) -> None:
    """Print what happened on THREAD, oldest first: the durable events."""
    asyncio.run(_print(target.settings(), thread, as_json))


async def _print(settings: Settings, thread: str, as_json: bool) -> None:
    from hub.cli.reading import reading
    from runtime.errors import NotFound

    async with reading(settings) as journal:
        if journal is None or await journal.thread(thread) is None:
            raise NotFound(
                f"There is no thread {thread} in {settings.workspace}; check the id and --workspace."
            )
        after = 0
        while events := await journal.events(thread, after=after, limit=_PAGE):
            for event in events:
                click.echo(json.dumps(_record(event), ensure_ascii=False) if as_json else _line(event))
            after = events[-1].seq


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
    text = f"{event.seq:>6}  {time}  {event.method:<10} {where:<12} {_gist(event.method, event.data)}"
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def _gist(method: str, data: dict[str, Any]) -> str:
    """Say in a few words what an event is about."""
    match method:
        case "lifecycle":
            parts = (data["event"], data.get("graph_name"), data.get("error"))
            return " ".join(str(part) for part in parts if part)
        case "updates":
            return f"{data['node']}: {json.dumps(data['values'], ensure_ascii=False)}"
        case _:
            return json.dumps(data, ensure_ascii=False)
