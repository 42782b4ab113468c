"""`hubbub search`: how well search answers labelled queries, and which weight answers them best."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli.output import print_json, print_table, say
from hub.cli.program import Target

if TYPE_CHECKING:
    from hub.cli.workspace import Task
    from runtime.settings import Settings

_MEASURES = ("ndcg@10", "recall@10", "recall@100", "mrr")

_collection = click.option("--collection", default="docs", show_default=True, help="The collection to ask.")
_json = click.option("--json", "as_json", is_flag=True, help="Print the report for programs.")
_file = click.Path(path_type=Path)


@click.group("search")
def command() -> None:
    """Measure on labelled queries how well search answers, and tune it."""


@command.command("eval")
@click.argument("queries", metavar="QUERIES.jsonl", type=_file)
@click.argument("qrels", metavar="QRELS.tsv", type=_file)
@_collection
@click.option(
    "--rerank",
    type=click.IntRange(1, 100),
    metavar="N",
    help="Measure also what it brings that a cross-encoder reads the best N hits again.",
)
@_json
@click.pass_obj
def evaluate(
    target: Target, queries: Path, qrels: Path, collection: str, rerank: int | None, as_json: bool
) -> None:
    """Ask every judged query by keyword, by meaning and by both, and print how good the hits are.

    QUERIES.jsonl has `id` (or `_id`) and `text` on each line; QRELS.tsv has a query's id, a document's id
    and a grade.
    """
    report = _measured(target, "eval", queries, qrels, collection, rerank or 0, as_json=as_json)
    if report is None:
        return
    click.echo(f"{report['collection']}: {report['queries']} judged queries")
    rows = [
        {"mode": mode, **{name: f"{scores[name]:.4f}" for name in _MEASURES}}
        for mode, scores in report["modes"].items()
    ]
    print_table(rows, ("mode", *_MEASURES), empty="Nothing was measured.")


@command.command()
@click.argument("queries", metavar="QUERIES.jsonl", type=_file)
@click.argument("qrels", metavar="QRELS.tsv", type=_file)
@_collection
@_json
@click.pass_obj
def tune(target: Target, queries: Path, qrels: Path, collection: str, as_json: bool) -> None:
    """Choose what meaning weighs against keywords, and print what to write into config.toml.

    The weight is chosen on four fifths of the queries and judged on the fifth, five times over, so that the
    figures are those of queries it has not seen.
    """
    report = _measured(target, "tune", queries, qrels, collection, as_json=as_json)
    if report is None:
        return
    held_out, current, gain = report["held_out"], report["current"], report["gain"]
    click.echo(f"{report['collection']}: {report['queries']} judged queries")
    click.echo(f"nDCG@10 of queries it was not chosen on: {_bounds(held_out)}")
    click.echo(f"nDCG@10 with the weight {current['weight']:g} of now:  {_bounds(current)}")
    click.echo(f"gain: {_bounds(gain, sign='+')}")
    if report["weight"] == current["weight"]:
        click.echo("The weight of now is the best one; leave it.")
        return
    said = "It is better" if report["sure"] else "It may be chance, label more queries"
    click.echo(f"{said}; to use it, write into config.toml:\n\n{report['config']}", nl=False)


def _measured(
    target: Target,
    task: Task,
    queries: Path,
    qrels: Path,
    collection: str,
    rerank: int = 0,
    *,
    as_json: bool,
) -> Mapping[str, Any] | None:
    """Measure, and print the report for programs; return it for people."""
    for path in (queries, qrels):
        _check(path)
    labels = queries.resolve(), qrels.resolve()
    report = asyncio.run(_measure(target.settings(), task, *labels, collection, rerank))
    if as_json:
        print_json(report)
        return None
    for warning in report["warnings"]:
        say(warning)
    return report


async def _measure(
    settings: Settings, task: Task, queries: Path, qrels: Path, collection: str, rerank: int
) -> Mapping[str, Any]:
    """Measure with a progress bar on stderr; returns the report."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from hub.cli.workspace import open_desk

    report: Mapping[str, Any] = {}
    console = Console(stderr=True)
    columns = TextColumn("asking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        bar = bars.add_task("asking")
        async with open_desk(settings) as desk:
            async for measured in desk.measure(task, queries, qrels, collection, rerank):
                bars.update(bar, completed=measured["done"], total=measured["total"])
                report = measured["report"] or report
    return report


def _check(path: Path) -> None:
    from runtime.errors import NotFound

    if not path.is_file():
        raise NotFound(f"There is no file {path}; name one that exists.")


def _bounds(values: Mapping[str, float], sign: str = "") -> str:
    mean, low, high = (f"{values[name]:{sign}.4f}" for name in ("ndcg@10", "low", "high"))
    return f"{mean} (95 %: {low} to {high})"
