"""`hubbub train lead`: a model that scores leads, from a CSV file of leads whose outcome is known."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli.output import interactive, print_json, say
from hub.cli.program import Target

if TYPE_CHECKING:
    from runtime.tabular.card import Report
    from runtime.tabular.training import Order

_SHOWN = 12
_NICE = 10


@click.command("lead")
@click.argument("data", metavar="[DATA.csv]", required=False, type=click.Path(path_type=Path))
@click.option("--label", metavar="COLUMN", help="The column that says how it came out.")
@click.option(
    "--positive", metavar="VALUE", help="The outcome to foresee, where it is not plain (yes, 1, won …)."
)
@click.option("--time", metavar="COLUMN", help="When each row was; without it the rows are in their order.")
@click.option("--name", default="lead", show_default=True, help="What the model is called.")
@click.option("--allow", multiple=True, metavar="COLUMN", help="Use a column although it seems to leak.")
@click.option("--unknown", multiple=True, metavar="COLUMN", help="It is not known yet when a lead is scored.")
@click.option(
    "--columns",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What the columns are (default: DATA.columns.toml, if it is there).",
)
@click.option(
    "--refresh", is_flag=True, help="Train again as the newest version was; what is given here goes before."
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def lead(target: Target, /, name: str, refresh: bool, as_json: bool, **given: Any) -> None:
    """Train a model on DATA.csv, and put it into the folder of models as a new version.

    Columns that give the outcome away are named and left out.  The model is evaluated on rows left out at
    random and on later rows, then trained on all.  A hub that serves scores with it from the next lead on.
    """
    from runtime.inference.artifacts import NAME
    from runtime.tabular.training import evaluation, train, write

    if not NAME.fullmatch(name):
        raise click.BadParameter(f"{name!r} is no name; take letters, digits, _ and -, at most 64.")
    os.nice(_NICE)  # leads are scored meanwhile, often on the same processors
    models = target.settings().inference.folder
    order = _order(models, name, refresh=refresh, **given)
    trained = train(order, (lambda doing: say(f"{doing} …")) if interactive() else (lambda _: None))
    folder = write(trained, models, name)
    report = trained.report
    if as_json:
        print_json(
            {
                "model": name,
                "version": folder.name,
                "folder": str(folder),
                "algorithm": report.schema.algorithm,
                "rows": report.schema.training.rows,
                "positives": report.schema.training.positives,
                "positive": report.schema.training.positive,
                "features": list(report.schema.names),
                "leaks": [_left(each) for each in report.schema.left_out if each.leak],
                "allowed": [_left(each) for each in report.schema.allowed],
                "left_out": [_left(each) for each in report.schema.left_out if not each.leak],
                "evaluation": evaluation(report),
                "warnings": list(report.notes),
            }
        )
    else:
        for line in (*_lines(report), f"\n{name}, version {folder.name}: {folder / 'card.md'}"):
            click.echo(line)


def _order(models: Path, name: str, *, refresh: bool, **given: Any) -> Order:
    """Return what to train: what was given, and of a refresh what the newest version was made with."""
    from runtime.inference.artifacts import Artifacts
    from runtime.tabular.declared import beside
    from runtime.tabular.schema import read_schema
    from runtime.tabular.training import Order

    before = read_schema(Artifacts(models).find(name)).training if refresh else None
    data, label = given["data"], given["label"]
    if before is not None:
        data, label = data or Path(before.data), label or before.label
        given["positive"] = given["positive"] or before.positive
        given["time"] = given["time"] or before.time
        given["columns"] = given["columns"] or (Path(before.columns) if before.columns else None)
        given["allow"] = tuple(dict.fromkeys((*before.allow, *given["allow"])))
        given["unknown"] = tuple(dict.fromkeys((*before.unknown, *given["unknown"])))
    if data is None:
        raise click.UsageError("Which data is it to learn from? Name a CSV file, or use --refresh.")
    if label is None:
        raise click.UsageError("Which column has the outcome? Name it with --label COLUMN.")
    columns = given["columns"] or beside(data)
    return Order(
        data.resolve(),
        label,
        positive=given["positive"] or "",
        time=given["time"] or "",
        allow=given["allow"],
        unknown=given["unknown"],
        columns=columns.resolve() if columns else None,
    )


def _left(each: Any) -> dict[str, Any]:
    return {"column": each.column, "evidence": each.reason, "auc": each.auc}


def _lines(report: Report) -> Iterator[str]:
    from runtime.tabular.picture import calibration_lines

    schema = report.schema
    training = schema.training
    yield f"{training.rows:,} rows, {training.positives:,} of them {training.label} = {training.positive}"
    for each in schema.left_out:
        if each.leak:
            name = shlex.quote(each.column)
            yield f"LEAK  {each.column}: {each.reason}; left out (--allow {name} lets it in)"
    for each in schema.allowed:
        yield f"leak  {each.column}: {each.reason}; let in, as you said"
    others = [
        each
        for each in schema.left_out
        if not each.leak and each.column not in (training.label, training.time)
    ]
    for each in others[:_SHOWN]:
        yield f"left out  {each.column}: {each.reason}"
    if len(others) > _SHOWN:
        yield f"left out  … and {len(others) - _SHOWN} more; the card lists them all"
    for note in report.notes:
        yield f"note  {note}"
    yield f"\n{report.algorithm}; {len(schema.features)} features\n"
    yield from _figures(report)
    yield "\nProbabilities at random, by tenths:"
    yield from calibration_lines(report.random.bins)


def _figures(report: Report) -> Iterator[str]:
    from runtime.tabular.card import FIGURES

    rolling = report.rolling
    later = rolling.quality if rolling else None
    yield f"{'':24}{'at random':>10}{'rolling':>10}"
    for words, value in FIGURES:
        yield f"{words:24}{value(report.random):>10}{value(later) if later else '-':>10}"
    if rolling:
        yield (
            f"Rolling: {rolling.models} models, each trained on the {rolling.before:,} rows before and "
            f"scoring the next {rolling.step:,}."
        )
    else:
        yield "There is no rolling evaluation: over time the outcome does not change."
