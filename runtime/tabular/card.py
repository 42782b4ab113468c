"""The card of a model: what it is for, from what it was made, how good it is, what it cannot do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from runtime.tabular.evaluation import Quality, Rolling
from runtime.tabular.schema import Schema

FIGURES: Final[tuple[tuple[str, Callable[[Quality], str]], ...]] = (
    ("AUC", lambda quality: f"{quality.auc:.3f}"),
    ("average precision", lambda quality: f"{quality.average_precision:.3f}"),
    ("Brier score", lambda quality: f"{quality.brier:.4f}"),
    ("calibration error (ECE)", lambda quality: f"{quality.ece:.4f}"),
    ("lift of the best 1 %", lambda quality: f"{quality.lift['1%']:.1f}"),
    ("lift of the best 10 %", lambda quality: f"{quality.lift['10%']:.1f}"),
    ("rows", lambda quality: f"{quality.rows:,}"),
    ("share of positives", lambda quality: f"{quality.positives / quality.rows:.1%}"),
)
"""What is said of a model, and how each figure is written."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is known of a model beside the model itself."""

    schema: Schema
    algorithm: str
    random: Quality
    rolling: Rolling | None
    notes: tuple[str, ...]


def card(report: Report, name: str, version: int) -> str:
    """Return the card as Markdown."""
    return "\n".join([*_about(report, name, version), *_quality(report), *_columns(report), *_limits(report)])


def _about(report: Report, name: str, version: int) -> Iterator[str]:
    training = report.schema.training
    yield f"# {name}, version {version}\n"
    yield f"Foresees whether `{training.label}` will be `{training.positive}`, as a probability with reasons."
    yield f"Trained at {training.at} on {training.rows:,} rows of `{training.data.rpartition('/')[2]}`"
    yield f"(SHA-256 `{training.sha256[:16]}…`), of which {training.positives:,} are positive"
    yield f"({training.positives / training.rows:.1%}). It is {report.algorithm}.\n"


def _quality(report: Report) -> Iterator[str]:
    yield "## How good it is\n"
    yield "| | at random | rolling |\n|---|---|---|"
    random, later = report.random, report.rolling.quality if report.rolling else None
    for words, value in FIGURES:
        yield f"| {words} | {value(random)} | {value(later) if later else '-'} |"
    order = f"by `{report.schema.training.time}`" if report.schema.training.time else "as the file has them"
    yield "\n*At random*: each fifth of the rows, scored by a model that was trained on the others: what it"
    yield "is worth if tomorrow is like yesterday."
    if report.rolling:
        roll = report.rolling
        yield f"*Rolling*: the rows in their order ({order}); {roll.models} models, each trained on the"
        yield f"{roll.before:,} rows before and scoring the next {roll.step:,}: what it is worth if it is"
        yield "trained again that often."
    yield "ECE is the mean distance between what was foreseen and what came, over tenths of the rows.\n"
    yield "![What was foreseen, and what came](calibration.svg)\n"


def _columns(report: Report) -> Iterator[str]:
    schema = report.schema
    yield f"## Its {len(schema.features)} features\n"
    for feature in schema.features:
        more = f" ({len(feature.levels)} values)" if feature.levels else ""
        allowed = ", let in with --allow" if feature.name in schema.training.allow else ""
        yield f"- `{feature.name}`: {feature.kind}{more}{allowed}"
    if schema.left_out:
        yield "\n## What it does not use\n"
    for each in sorted(schema.left_out, key=lambda each: not each.leak):
        alone = (
            f"; alone it has AUC {each.auc:.2f}" if each.auc is not None and "AUC" not in each.reason else ""
        )
        yield f"- `{each.column}`{' **leaks**' if each.leak else ''}: {each.reason}{alone}"
    if report.notes:
        yield "\n## What was noticed in the data\n"
    for note in report.notes:
        yield f"- {note}."
    yield ""


def _limits(report: Report) -> Iterator[str]:
    yield "## What to mind\n"
    if report.rolling and report.rolling.quality.auc < report.random.auc - 0.02:
        yield f"- Over time it is worth less than at random (AUC {report.rolling.quality.auc:.3f} and"
        yield f"  {report.random.auc:.3f}): what made leads buy changes. Train it again as often as these"
        yield "  figures assume."
    yield "- A reason says what moved this score, not what would make a lead buy."
    yield "- It knows only leads like those in the data: whom nobody ever approached, it cannot judge."
    yield "- Scores are held against the training data; when the drift is called `shifted`, train it again.\n"
