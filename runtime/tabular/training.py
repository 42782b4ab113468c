"""Training a model from a CSV file: read, look for leaks, choose, evaluate, train on everything, write."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from runtime.errors import InvalidInput
from runtime.tabular.card import Report, card
from runtime.tabular.columns import Column, as_id, read_column, repeats
from runtime.tabular.declared import Declared, read_declared
from runtime.tabular.evaluation import foresee_at_random, judge, roll
from runtime.tabular.features import Inputs, make_inputs
from runtime.tabular.leaks import find_leaks
from runtime.tabular.learners import FILES, choose_recipe, digest
from runtime.tabular.outcome import Outcome, named, read_outcome
from runtime.tabular.picture import calibration_svg
from runtime.tabular.saving import put_version
from runtime.tabular.schema import SCHEMA_FILE, LeftOut, Schema, Training, schema_text
from runtime.tabular.table import Table, read_table
from runtime.tabular.together import together

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Places = NDArray[np.intp]

EVALUATION_FILE: Final = "evaluation.json"
_STEPS: Final = 1_000
"""Steps in which percentiles are kept."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be trained: from which file, to foresee which column, and what is known of the others."""

    data: Path
    label: str
    positive: str = ""
    time: str = ""
    allow: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    columns: Path | None = None


@dataclass(frozen=True, slots=True)
class Trained:
    """A model that is ready to be written."""

    report: Report
    files: Mapping[str, str]


def train(order: Order, say: Say) -> Trained:
    """Train and evaluate a model; `say` is told what is being done.  InvalidInput says what is in the way."""
    say("reading")
    table = read_table(order.data)
    outcome = read_outcome(table, order.label, order.positive)
    table, outcome, time = in_order(table, outcome, order.time)
    say("looking for leaks")
    inputs, leads, notes = _look_at(order, table, outcome, time)
    say("choosing a model")
    algorithm, recipe = choose_recipe(inputs.features, inputs.rows, outcome.values, leads)
    say("evaluating at random")
    foreseen = foresee_at_random(recipe, inputs.rows, outcome.values, leads)
    say("evaluating over time")
    rolling = roll(recipe, inputs.rows, outcome.values)
    say("training")
    text = recipe.fit(inputs.rows, outcome.values).text()
    schema = Schema(
        algorithm=algorithm,
        features=inputs.features,
        model_sha256=digest(text),
        percentiles=_percentiles(foreseen),
        training=_training(order, outcome),
        time_format=time.format if time is not None else "",
        left_out=inputs.left_out,
        allowed=inputs.allowed,
        format=1,
    )
    report = Report(schema, recipe.words, judge(foreseen, outcome.values), rolling, tuple(notes))
    return Trained(report, {FILES[algorithm]: text})


def write(trained: Trained, models: Path, name: str) -> Path:
    """Put a trained model in place as the newest version; returns its folder."""
    report = trained.report
    series = {"at random": report.random.bins}
    if report.rolling:
        series["rolling"] = report.rolling.quality.bins
    drawn = calibration_svg(series)
    return put_version(
        models,
        name,
        lambda version: {
            **trained.files,
            SCHEMA_FILE: schema_text(report.schema),
            EVALUATION_FILE: orjson.dumps(evaluation(report), option=orjson.OPT_INDENT_2).decode() + "\n",
            "calibration.svg": drawn,
            "card.md": card(report, name, version),
        },
    )


def evaluation(report: Report) -> dict[str, Any]:
    """Return the figures as JSON values."""
    rolling = report.rolling
    return {
        "random": dataclasses.asdict(report.random),
        "rolling": None
        if rolling is None
        else {
            **dataclasses.asdict(rolling.quality),
            "before": rolling.before,
            "step": rolling.step,
            "models": rolling.models,
        },
    }


def in_order(table: Table, outcome: Outcome, name: str) -> tuple[Table, Outcome, Column | None]:
    """Return the rows with an outcome, the oldest first, and the column of their time."""
    import numpy as np

    table = table.take(outcome.rows)
    if not name:
        return table, outcome, None
    time = read_column(name, table.columns[named(table, name, "time")])
    if time.kind not in ("number", "date"):
        raise InvalidInput(
            f"The column {name} has no dates and no numbers, so it gives the rows no order; name another "
            "one, or none if the rows are in their order."
        )
    lacking = int(time.missing.sum())
    if lacking:
        raise InvalidInput(
            f"The column {name} is empty, or no time, in {lacking:,} rows; fill it, or take them out."
        )
    order = np.argsort(time.values, kind="stable")
    sorted_outcome = dataclasses.replace(outcome, rows=outcome.rows[order], values=outcome.values[order])
    return table.take(order), sorted_outcome, dataclasses.replace(time, values=time.values[order])


def _look_at(
    order: Order, table: Table, outcome: Outcome, time: Column | None
) -> tuple[Inputs, Places | None, list[str]]:
    """Find out what the columns are, which of them leak, and which rows are of one lead."""
    declared = read_declared(order.columns, table) if order.columns else Declared()
    allow = frozenset(named(table, each, "option --allow") for each in order.allow)
    unknown = declared.unknown | {named(table, each, "option --unknown") for each in order.unknown}
    given = [LeftOut(order.label, "it is the outcome")]
    if time is not None:
        given.append(LeftOut(time.name, "it says when each row was, which orders them"))
    columns, notes = [], []
    repeated: dict[str, int] = {}
    if outcome.unknown:
        notes.append(f"{outcome.unknown:,} rows have no outcome and were left out")
    for name, cells in table.columns.items():
        if name in declared.ignored:
            given.append(LeftOut(name, "it is to be ignored"))
        elif name not in {each.column for each in given}:
            column = read_column(name, cells, declared.kinds.get(name))
            if name not in declared.kinds and (found := as_id(column, cells)):
                column = found
                if count := repeats(found):
                    repeated[name] = count
            columns.append(column)
            notes.extend(column.notes)
    leads, said = together(columns, outcome.values, repeated)
    leaks = {
        leak.column: leak
        for leak in find_leaks(columns, outcome.values, time=time, unknown=frozenset(unknown), leads=leads)
    }
    inputs = make_inputs(columns, leaks=leaks, allow=allow, time=time, given=given)
    return inputs, leads, [*notes, *said]


def _training(order: Order, outcome: Outcome) -> Training:
    with order.data.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Training(
        data=str(order.data),
        sha256=sha256,
        at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        label=order.label,
        positive=outcome.positive,
        rows=len(outcome.values),
        positives=outcome.positives,
        time=order.time,
        allow=order.allow,
        unknown=order.unknown,
        columns=str(order.columns or ""),
    )


def _percentiles(foreseen: NDArray[np.float64]) -> tuple[float, ...]:
    import numpy as np

    return tuple(float(each) for each in np.quantile(foreseen, np.linspace(0, 1, _STEPS + 1)))
