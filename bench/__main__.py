"""Prints what Hubbub costs beside plain LangGraph in one process, and the budget of each figure."""

from __future__ import annotations

import argparse
import asyncio
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from bench import batches, floor, gateway, hub, journal, plugins, sockets, steps


class Row(NamedTuple):
    """One figure beside its floor; `ok` is None where there is no budget."""

    what: str
    floor: str
    hub: str
    ratio: str
    budget: str
    ok: bool | None


class Measure(NamedTuple):
    """Figures that are measured together, and how."""

    about: str
    rows: Callable[[], list[Row]]


def _ms(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    return f"{statistics.median(ordered) * 1e3:.2f} / {ordered[int(len(ordered) * 0.95)] * 1e3:.2f} ms"


def _slower(what: str, base: Sequence[float], measured: Sequence[float], limit: float) -> Row:
    ratio = statistics.median(measured) / statistics.median(base)
    return Row(what, _ms(base), _ms(measured), f"{ratio:.2f}x", f"<= {limit:g}x", ratio <= limit)


def _rate(what: str, base: float, measured: float, least: float | None) -> Row:
    ratio = measured / base
    budget = "" if least is None else f">= {least:g}x"
    ok = None if least is None else ratio >= least
    return Row(what, f"{base:,.0f}/s", f"{measured:,.0f}/s", f"{ratio:.2f}x", budget, ok)


async def _measure(server: hub.Hub) -> list[Row]:
    await floor.first_token(20)
    await hub.first_token_of_socket(server, 20)
    await hub.first_token_of_sdk(server, 10)
    base = await floor.first_token(200)
    rows = [
        _slower(
            "first token, open socket (p50 / p95)", base, await hub.first_token_of_socket(server, 200), 2
        ),
        _slower("first token, SDK (p50 / p95)", base, await hub.first_token_of_sdk(server, 100), 3),
    ]
    for at_once, total, least in ((1, 200, None), (16, 960, 0.35)):
        base_rate = await floor.runs_per_second(total, at_once)
        measured = await hub.runs_per_second(server, total, at_once)
        rows.append(_rate(f"durable runs, {at_once} at once, SDK", base_rate, measured, least))
    batch = await batches.rows(server, 20_000)
    rows.append(_rate("rows of a batch, 16 at once, over such runs", measured, batch.rate, None))
    rows.append(Row("a batch of 20,000 rows: memory", "", f"{batch.mib:.0f} MiB", "", "", None))
    base_rate = await floor.tokens_per_second(16, 200)
    rows.append(_rate("tokens, 16 x 200, SDK", base_rate, await hub.tokens_per_second(server, 16, 200), 1.5))
    return [*rows, *await _measure_sockets(server)]


async def _measure_sockets(server: hub.Hub) -> list[Row]:
    stuck, mib = await sockets.stuck(server, 20, 3), await sockets.idle(server, 10_000)
    kib, others = stuck.kib, stuck.others
    return [
        Row("a reader that stops reading: memory", "", f"{kib:.0f} KiB", "", "<= 2048 KiB", kib <= 2048),
        Row("a reader beside it: tokens/s", "", "", f"{others:.2f}x", ">= 0.9x", others >= 0.9),
        Row("10,000 idle sockets", "", f"{mib:.0f} MiB", "", "<= 240 MiB", mib <= 240),
    ]


async def _measure_journal() -> list[Row]:
    thread, ours = await journal.commits_of_a_thread(200), await journal.commits_of_the_journal(400)
    p95 = sorted(ours)[int(len(ours) * 0.95)] * 1e3
    ratio = f"{statistics.median(ours) / statistics.median(thread):.2f}x"
    what = "commit beside 16 busy streams (p50 / p95)"
    rows = [Row(what, _ms(thread), _ms(ours), ratio, "p95 <= 5 ms", p95 <= 5)]
    alone, appended = journal.appends_of_sqlite(32_000, 32), await journal.appends_of_the_journal(32_000, 32)
    about = (f"{alone:,.0f}/s", f"{appended:,.0f}/s", f"{appended / alone:.2f}x")
    rows.append(Row("event appends, 32 appenders", *about, ">= 20,000/s", appended >= 20_000))
    ceiling, base = await journal.steps_without_saver(192, 32), await journal.steps_of_sqlite_saver(192, 32)
    steps = await journal.steps_of_the_journal(192, 32)
    rows.append(_rate("durable steps, 32 runs, over AsyncSqliteSaver", base, steps, 5))
    rows.append(_rate("durable steps, 32 runs, over no saver at all", ceiling, steps, None))
    return rows


async def _measure_steps() -> list[Row]:
    plain, traced = await steps.seconds_of_a_step(60)
    loading = steps.seconds_to_load(1000)
    return [
        _slower("a no-op step, tracing on, memory saver", plain, traced, 1.5),
        Row("1,000 graph files read and checked", "", f"{loading:.2f} s", "", "<= 5 s", loading <= 5),
    ]


async def _measure_gateway(found: dict[str, str]) -> list[Row]:
    """Measure the pass-through beside a raw relay; the budget is over the upstream asked directly."""
    rows = []
    for at_once, model, total, most in ((1, "fast", 600, 1.5), (16, "slow", 320, 3), (64, "slow", 1280, 8)):
        medians = {}
        for name, url in found.items():
            await gateway.seconds(url, model, 2 * at_once, at_once)
            medians[name] = statistics.median(await gateway.seconds(url, model, total, at_once)) * 1e3
        relay, ours = (medians[name] - medians["upstream"] for name in ("relay", "hub"))
        what = f"gateway pass-through, {at_once} at once: added"
        rows.append(
            Row(what, f"{relay:.2f} ms (relay)", f"{ours:.2f} ms", "", f"<= {most:g} ms", ours <= most)
        )
    rates = {name: await gateway.chunks_per_second(url, 16, 10) for name, url in found.items()}
    about = (f"{rates['relay']:,.0f}/s (relay)", f"{rates['hub']:,.0f}/s")
    ratio = rates["hub"] / rates["relay"]
    ok = ratio >= 0.5 and rates["hub"] >= 20_000
    rows.append(
        Row("gateway pass-through, 16 streams: chunks", *about, f"{ratio:.2f}x", ">= 0.5x, 20,000/s", ok)
    )
    return rows


async def _measure_plugins() -> list[Row]:
    direct, hosted = await plugins.call_seconds(20_000)
    piece, through = await plugins.piece_seconds(200_000)
    imported, loaded = plugins.load_seconds(100)
    edit = statistics.median(plugins.reload_seconds(50)) * 1e3
    call, chunk = (hosted - direct) * 1e6, (through - piece) * 1e6
    return [
        Row("a plugin's call", f"{direct * 1e6:.2f} µs", f"+{call:.2f} µs", "", "<= 10 µs", call <= 10),
        Row("a piece of its stream", f"{piece * 1e6:.2f} µs", f"+{chunk:.2f} µs", "", "<= 1 µs", chunk <= 1),
        Row(
            "100 plugins, over their imports",
            f"{imported:.2f} s",
            f"+{loaded - imported:.2f} s",
            "",
            "<= 1 s",
            loaded - imported <= 1,
        ),
        Row("an edited plugin is loaded (p50)", "", f"{edit:.1f} ms", "", "<= 50 ms", edit <= 50),
        Row(
            "a call in a process of its own (p50 / p95)",
            "",
            _ms(await plugins.process_call_seconds(500)),
            "",
            "",
            None,
        ),
    ]


def _hub() -> list[Row]:
    with hub.running_hub() as server:
        return asyncio.run(_measure(server))


def _gateway() -> list[Row]:
    with gateway.places() as found:
        return asyncio.run(_measure_gateway(found))


def _start() -> list[Row]:
    base, help_time = statistics.median(hub.seconds_to_import(5)), statistics.median(hub.seconds_to_help(5))
    with hub.running_hub() as server:
        ready = server.ready_after
    floor, ratio = f"{base:.2f} s (imports)", ready / base
    return [
        Row("ready to serve", floor, f"{ready:.2f} s", f"{ratio:.2f}x", "<= 1.6x", ratio <= 1.6),
        Row("hubbub --help", "", f"{help_time:.2f} s", "", "<= 0.2 s", help_time <= 0.2),
    ]


MEASURES: Mapping[str, Measure] = {
    "hub": Measure("first token, durable runs, a batch, tokens, slow and idle sockets", _hub),
    "journal": Measure("commits, appends and steps", lambda: asyncio.run(_measure_journal())),
    "plugins": Measure("calls, streams, loading and reloading", lambda: asyncio.run(_measure_plugins())),
    "steps": Measure("tracing, and reading graph files", lambda: asyncio.run(_measure_steps())),
    "gateway": Measure("what passing a request on adds", _gateway),
    "start": Measure("until the hub serves, and until help is shown", _start),
}
ALONE = {
    "leads": "a lead's score with reasons over a trivial graph",
    "memory": "the hub's memory over 100,000 requests that it passes on",
    "peers": "LiteLLM's proxy beside the hub",
    "recommend": "recommenders beside each other on ratings",
    "search_quality": "nDCG, recall and MRR on labelled queries",
    "search_speed": "search at 50,000 passages",
}
"""What `python -m bench.NAME` measures by itself, and not with the others."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print; the exit code says nothing about the budgets."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=f"{__doc__}  Without a name, all of them are measured.",
        epilog="\n".join(
            [
                "what is measured:",
                *(f"  {name:15} {measure.about}" for name, measure in MEASURES.items()),
                "",
                "by themselves, as python -m bench.NAME:",
                *(f"  {name:15} {about}" for name, about in ALONE.items()),
            ]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="measure these only")
    names = parser.parse_args(arguments).names or list(MEASURES)
    if unknown := [name for name in names if name not in MEASURES]:
        parser.error(f"{unknown[0]} is not measured here; choose from {', '.join(MEASURES)}")
    for name in names:
        _print(name, MEASURES[name].rows())


def _print(name: str, rows: Sequence[Row]) -> None:
    table = Table("what", "floor", "Hubbub", "ratio", "budget", "", title=f"{name}: side by side in one run")
    for row in rows:
        table.add_row(*row[:5], "" if row.ok is None else "met" if row.ok else "MISSED")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
