"""`hubbub insights`: a question about what ran, answered with figures, their SQL and charts in files."""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from hub.cli.output import print_json, print_table, say
from hub.cli.program import Target
from hub.cli.run import outputs_of


@click.command("insights")
@click.argument("question")
@click.option("--period", default="", help='Such as "last 7 days" or 2025-01-01..2025-01-31.')
@click.option("--graph", default="", help="About this graph alone.")
@click.option(
    "--charts",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the charts into DIR, as SVG and PNG.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs: the outputs of the graph insights.")
@click.pass_obj
def command(
    target: Target, question: str, period: str, graph: str, charts: Path | None, as_json: bool
) -> int:
    """Answer QUESTION from what was counted: runs, costs, quality, approvals, scores.

    It is a run of the graph insights, in the running hub if there is one.
    """
    from hub.cli.workspace import open_door

    if charts:
        _make(charts)
    given = {"question": question, "period": period, "graph": graph}
    with open_door(target) as door:
        found = asyncio.run(outputs_of(door, "insights", given, str(uuid.uuid4())))
    if found is None:
        return 1
    if charts:
        _save(charts, found["charts"] or [])
    if as_json:
        print_json(found)
    else:
        _print(found)
    return 0


def _print(found: Mapping[str, Any]) -> None:
    click.echo(found["answer"])
    for number in found["numbers"] or ():
        if number["by"] and number["rows"]:
            click.echo("")
            print_table(number["rows"], [*number["by"], "value", "n"], empty="")
    for ran in found["sql"] or ():
        click.echo(f"\n-- {ran['about']}; {_bound(ran['parameters'])}\n{ran['sql']};")


def _bound(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f":{name} = {_literal(value)}" for name, value in parameters.items())


def _literal(value: Any) -> str:
    return "NULL" if value is None else repr(value)


def _save(folder: Path, charts: Sequence[Mapping[str, Any]]) -> None:
    """Write each chart twice, named by its place and title."""
    for place, chart in enumerate(charts, start=1):
        words = "".join(each if each.isalnum() else " " for each in chart["title"].lower()).split()
        file = folder / f"{place}-{'-'.join(words)[:60]}"
        file.with_suffix(".svg").write_text(chart["svg"])
        file.with_suffix(".png").write_bytes(base64.b64decode(chart["png"]))
        say(f"made {file}.svg and .png: {chart['text']}")


def _make(folder: Path) -> None:
    from runtime.errors import CannotStart

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        words = f"{folder} cannot be made ({error.strerror})"
        raise CannotStart(f"{words}; name another folder for --charts.") from error
