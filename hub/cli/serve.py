"""`hubbub serve`: own the workspace and answer until told to stop."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import json
import os
import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.cli.chat import input_of, text_field
from hub.cli.output import program
from hub.cli.program import Target
from runtime.errors import HubbubError, StorageError

if TYPE_CHECKING:
    from hub.app import Server
    from runtime.settings import Settings

QUESTION = "What is a thread?"
_TRIED = 8
"""Graphs that are read to find one to try: a start waits for no more."""
_INTERRUPTED = 130
"""The exit code of a process that a second signal ended."""


@click.command("serve")
@click.option("--host", help="Listen here; anything but loopback needs [auth] mode other than open.")
@click.option("--port", type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option(
    "--langgraph",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Serve the graphs of this langgraph.json too.",
)
@click.option("--traces", type=click.Path(dir_okay=False, path_type=Path), help="Write spans to this file.")
@click.option(
    "--until-stdin-closes", is_flag=True, hidden=True, help="End with the process that started this."
)
@click.pass_obj
def command(
    target: Target,
    host: str | None,
    port: int | None,
    langgraph: Path | None,
    traces: Path | None,
    until_stdin_closes: bool,
) -> None:
    """Serve the workspace over HTTP and WebSockets; Ctrl-C or SIGTERM ends it in order."""
    files = {
        "telemetry__traces": str(traces.resolve()) if traces else None,
        "graphs__langgraph": str(langgraph.resolve()) if langgraph else None,
    }
    settings = target.settings(hub__host=host, hub__port=port, **files)
    if until_stdin_closes:
        threading.Thread(target=_end_with_stdin, name="stdin", daemon=True).start()
    faulthandler.enable()  # a library that crashes ends the process without another word
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    from runtime.lock import acquire

    told_to_stop = _signalled()
    # The lock comes first: it costs nothing, and nothing may be opened without it.
    lock = acquire(settings.var)
    try:
        server = await _open(settings)
        _spare_the_collector()
        lock.publish(server.url, server.engine.boot_token)
        await _greet(server)
        try:
            await _stop_or_loss(told_to_stop, server)
        finally:
            lock.leave()
            _end_in(settings.hub.drain)
            await server.stop()
    finally:
        lock.release()


def _spare_the_collector() -> None:
    """Have the garbage collector pass over what was loaded, and look less often.

    To walk over all modules again and again costs a stall of a fifth of a second each time.
    """
    gc.freeze()
    gc.set_threshold(5_000, 20, 20)


async def _stop_or_loss(told_to_stop: asyncio.Event, server: Server) -> None:
    """Wait until told to stop; StorageError when the journal is lost, for the next start mends that."""
    stop, loss = (
        asyncio.create_task(told_to_stop.wait(), name="told to stop"),
        asyncio.create_task(server.engine.journal.lost(), name="journal lost"),
    )
    await asyncio.wait([stop, loss], return_when=asyncio.FIRST_COMPLETED)
    if loss.done():
        raise StorageError(loss.result())
    loss.cancel()


def _signalled() -> asyncio.Event:
    """Return what SIGTERM and SIGINT set; another one after that ends the process at once.

    That is safe, too: the next start goes on from what is on disk.
    """
    loop, asked = asyncio.get_running_loop(), asyncio.Event()

    def ask() -> None:
        if asked.is_set():
            os._exit(_INTERRUPTED)
        asked.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, ask)
    return asked


def _end_in(seconds: float) -> None:
    """End the process after so many seconds, whatever still holds it: a thread of a plugin, a collector.

    Ending at once is safe: what clients were told is on disk.
    """
    timer = threading.Timer(seconds, os._exit, [0])
    timer.daemon = True
    timer.start()


async def _open(settings: Settings) -> Server:
    from hub.address import take_address

    # Before the engine, which goes on with unfinished runs: a start that is refused must not touch them.
    address = take_address(settings)
    try:
        from hub.app import serve
        from runtime.engine import open_engine
        from runtime.telemetry import configure_logging

        configure_logging(settings.telemetry)
        engine = await open_engine(settings)
        try:
            return await serve(engine, address)
        except BaseException:
            await engine.aclose()
            raise
    except BaseException:
        address.close()
        raise


async def _greet(server: Server) -> None:
    """Say in three lines what to try."""
    settings = server.engine.settings
    click.echo(
        f"Hubbub serves {settings.workspace} at {server.url} (search mode: {server.engine.search.mode})."
    )
    here = program()
    if settings.workspace != Path.cwd():
        here += f" --workspace {shlex.quote(str(settings.workspace))}"
    key = " -H 'Authorization: Bearer KEY'" if settings.auth.mode == "keys" else ""
    for name in server.engine.graphs.names()[:_TRIED]:
        if field := await _question(server, name):
            body = shlex.quote(json.dumps(input_of(field, QUESTION)))
            click.echo(f"Ask:   curl -s {server.url}/graphs/{name}{key} -d {body}")
            click.echo(f"Talk:  {here} chat {name}")
            break
    else:
        click.echo(f"Look:  {here} graph check")
        click.echo(f"Run:   {here} run GRAPH --input JSON")
    sys.stdout.flush()


async def _question(server: Server, name: str) -> str | None:
    """Return the input of a graph that takes a question; None when it takes none, or has mistakes."""
    try:
        return text_field((await server.engine.graphs.get(name)).input_schema)
    except HubbubError:
        return None


def _end_with_stdin() -> None:
    """Stop in order when whoever started this process has closed its end of the pipe, or is gone."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
