"""`hubbub demo`: from our own documents to a streamed, cited answer, and the trace of that request."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.cli.program import Target

if TYPE_CHECKING:
    from runtime.settings import Settings

QUESTION = "What happens to an accepted run when the hub is killed?"
COLLECTION = "docs"
GRAPH = "ask"


@click.command("demo")
@click.option("--question", default=QUESTION, help="Ask something else about Hubbub.")
@click.pass_obj
def command(target: Target, question: str) -> int:
    """Index docs/, ask a question over the WebSocket, show the answer as it streams and its trace."""
    from hub.cli.chat import ask
    from hub.cli.companion import companion
    from hub.cli.index import index, report
    from hub.cli.trace import draw, read_trace

    target = _private(target)
    settings = target.settings()
    traces = settings.telemetry.traces
    assert traces is not None
    click.secho("1. Indexing docs/", bold=True)
    report(asyncio.run(index(settings, [_documents(settings)], COLLECTION)), COLLECTION)

    trace_id = secrets.token_hex(16)
    with companion(target) as door:
        click.secho(f"\n2. Asking the hub at {door.url} over its WebSocket: {question}\n", bold=True)
        traceparent = f"00-{trace_id}-{secrets.token_hex(8)}-01"
        thread = str(uuid.uuid4())
        asked = ask(door, thread, GRAPH, {"question": question}, traceparent=traceparent)
        succeeded = asyncio.run(asked).succeeded

    # The hub has ended, so every span is in the file.
    spans = read_trace(traces, trace_id)
    click.secho(f"\n3. The trace of that request ({trace_id})\n", bold=True)
    for line in draw(spans):
        click.echo(line)
    if succeeded and not spans:
        click.echo(f"There is no such trace in {traces}; run `hubbub doctor`.", err=True)
    if not succeeded or not spans:
        return 1
    click.echo("\nNext: `make serve` keeps a hub running; docs/getting-started.md goes on from here.")
    return 0


def _private(target: Target) -> Target:
    """Trace to a file; where a hub serves this workspace already, work beside it and not in its way."""
    from runtime.lock import holder

    settings = target.settings()
    var = settings.var / "demo" if holder(settings.var) else settings.var
    overrides = {"storage.path": str(var), "telemetry.traces": str(var / "traces.jsonl")}
    return Target(target.workspace, {**target.overrides, **overrides})


def _documents(settings: Settings) -> Path:
    from runtime.errors import CannotStart

    folder = settings.workspace / "docs"
    if not folder.is_dir():
        raise CannotStart(f"There is no folder {folder} to index; run the demo in a clone of the repository.")
    return folder
