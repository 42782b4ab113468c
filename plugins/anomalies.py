"""step.anomalies: which of the last days stand out from the weeks before, by a test and not by eye.

A day is held against a line through the weeks before it: a level for each day of the week and a slope,
fitted by weighted least squares.  Counts are compared as square roots, amounts as logarithms, shares as
angles, so that the spread is even; a day far outside of the weeks before is left out of them.  What is
left over, divided by its spread with that of the line itself, follows Student's t.  All days of all
figures are judged together (Benjamini and Hochberg), so that `level` bounds the share of false alarms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from hubbub import Context, JsonObject, hookimpl
from hubbub.figures import shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_WEEKS, _LEAST = 8, 28
"""Weeks that a day is held against, and the days of them that there must be."""
_TESTED = 7
_FAR = 5.0
"""Robust standard deviations from which on a day is no part of what is usual."""
_LEFT_OUT = 0.1
"""The share of days that may be left out for that."""


class Series(BaseModel):
    """Figures with their days, as `step.read_measures` gives them."""

    numbers: list[dict[str, Any]] = Field(description="the figures")
    level: float = Field(default=0.01, gt=0, le=0.2, description="the share of false alarms, at most")
    summary: str = Field(default="", description="sentences, to which those about such days are added")
    today: str = Field(default="", description="the day it is, which is not over; else the day it really is")


@dataclass(frozen=True, slots=True)
class Scale:
    """What makes the spread of a kind of figure even, and how small that can be at least."""

    forth: Callable[[Array, Array], Array]
    back: Callable[[float, float], float]
    least: float


@dataclass(frozen=True, slots=True)
class Judged:
    """One day: what was seen, what was expected, and how likely so much or more apart is by chance."""

    number: Mapping[str, Any]
    day: date
    observed: float
    expected: float
    days: int
    p: float


class Anomalies:
    """Judges the last seven whole days of a period at most, and none without enough days before them."""

    name = "anomalies"
    Params = Series
    examples: tuple[JsonObject, ...] = ({"numbers": []},)

    def run(self, state: Mapping[str, Any], params: Series, ctx: Context) -> JsonObject:
        """Return `{anomalies, tested, untested, summary}`.

        An anomaly is `{name, graph, day, observed, expected, n, p, sentence}`.
        """
        today = date.fromisoformat(params.today) if params.today else datetime.now(UTC).date()
        judged, untested = list[Judged](), list[str]()
        for number in params.numbers:
            if days := list(_judged(number, today)):
                judged += days
            else:
                untested.append(str(number["name"]))
        found = [_told(each) for each in _stand_out(judged, params.level)]
        summary = "\n".join(filter(None, [params.summary, *(each["sentence"] for each in found)]))
        return {"anomalies": found, "tested": len(judged), "untested": untested, "summary": summary}


def _judged(number: Mapping[str, Any], today: date) -> Iterator[Judged]:
    """Yield the judgement of each of the last days, none when there is too little to hold them against."""
    rows = {date.fromisoformat(row["day"]): row for row in number["series"]}
    last = min(date.fromisoformat(number["last"]), today - timedelta(1))
    begin = max(date.fromisoformat(number["first"]), last - timedelta(_TESTED - 1))
    past = begin - timedelta(7 * _WEEKS)
    if not rows or begin > last:
        return
    sums = number["kind"] in ("count", "amount")
    start = max(past, min(rows))
    days = [start + timedelta(each) for each in range((last - start).days + 1)]
    # A day without a row had none of what is counted, and no mean.
    days = [day for day in days if sums or (day in rows and rows[day]["n"])]
    before = sum(day < begin for day in days)
    if before < _LEAST or before == len(days):
        return
    yield from _compared(number, days, rows, before)


def _compared(
    number: Mapping[str, Any], days: Sequence[date], rows: Mapping[date, Mapping[str, Any]], before: int
) -> Iterator[Judged]:
    import numpy as np
    from scipy import stats

    none = {"value": 0.0, "n": 0}
    values = np.array([rows.get(day, none)["value"] for day in days], dtype=float)
    sums = number["kind"] in ("count", "amount")
    weights = np.ones(len(days)) if sums else np.array([rows[day]["n"] for day in days], dtype=float)
    scale = _scale(number["kind"], values[:before])
    seen = scale.forth(values, weights)
    design = np.zeros((len(days), 8))
    design[np.arange(len(days)), [day.weekday() for day in days]] = 1.0
    design[:, 7] = [(day - days[0]).days / 7 for day in days]
    line = _fitted(design[:before], seen[:before], weights[:before], scale.least)
    if line is None:
        return
    coefficients, covariance, spread, freedom = line
    for place in range(before, len(days)):
        at = design[place]
        expected = float(at @ coefficients)
        error = spread * math.sqrt(1 / weights[place] + float(at @ covariance @ at))
        p = float(2 * stats.t.sf(abs(seen[place] - expected) / error, freedom))
        usual = scale.back(expected, float(weights[place]))
        yield Judged(number, days[place], float(values[place]), usual, freedom + 8, p)


def _fitted(
    design: Array, seen: Array, weights: Array, least: float
) -> tuple[Array, Array, float, int] | None:
    """Fit the line, without the days far from it; None when too few of them are left."""
    import numpy as np

    kept = np.ones(len(seen), dtype=bool)
    while True:
        root = np.sqrt(weights[kept])[:, None]
        scaled, target = design[kept] * root, seen[kept] * root[:, 0]
        freedom = int(kept.sum()) - design.shape[1]
        if freedom < _LEAST - 14 or (design[kept, :7].sum(axis=0) == 0).any():
            return None
        covariance = np.asarray(np.linalg.pinv(scaled.T @ scaled), dtype=float)
        coefficients = covariance @ scaled.T @ target
        left = np.where(kept, np.abs(seen - design @ coefficients) * np.sqrt(weights), 0.0)
        usual = 1.4826 * float(np.median(left[kept]))
        # One at a time: a day far out draws those of its weekday along.
        farthest = int(left.argmax())
        if left[farthest] <= _FAR * max(usual, least) or (~kept).mean() >= _LEFT_OUT:
            spread = math.sqrt(float((left**2).sum()) / freedom)
            return coefficients, covariance, max(spread, least), freedom
        kept[farthest] = False


def _scale(kind: str, past: Array) -> Scale:
    """Return the scale of a kind; the least spread of a count or share is what chance alone gives it."""
    import numpy as np

    if kind == "count":
        return Scale(
            lambda values, _: 2 * np.sqrt(values + 0.375),
            lambda seen, _: max(0.0, (seen / 2) ** 2 - 0.375),
            1.0,
        )
    if kind == "share":
        return Scale(
            lambda values, n: np.arcsin(np.sqrt((values * n + 0.375) / (n + 0.75))),
            lambda seen, n: math.sin(min(math.pi / 2, max(0.0, seen))) ** 2,
            0.5,
        )
    usual = float(np.median(past[past > 0])) if (past > 0).any() else 1.0
    small = 0.1 * usual
    return Scale(
        lambda values, _: np.log(values + small), lambda seen, _: max(0.0, math.exp(seen) - small), 0.05
    )


def _stand_out(judged: Sequence[Judged], level: float) -> list[Judged]:
    """Return the days that stand out, the least likely first: Benjamini and Hochberg over all of them."""
    ranked = sorted(judged, key=lambda each: each.p)
    passed = [rank for rank, each in enumerate(ranked, start=1) if each.p <= level * rank / len(ranked)]
    return ranked[: max(passed, default=0)]


def _told(judged: Judged) -> JsonObject:
    number, unit = judged.number, judged.number["unit"]
    more = "more" if judged.observed > judged.expected else "less"
    observed, expected = shown(judged.observed, unit), shown(judged.expected, unit)
    sentence = (
        f"{judged.day} stands out: {number['about']} {observed}, {more} than the {expected} expected from "
        f"{judged.days} days before (p = {judged.p:.1g})."
    )
    return {
        "name": number["name"],
        "graph": number["graph"],
        "day": judged.day.isoformat(),
        "observed": judged.observed,
        "expected": round(judged.expected, 6),
        "n": judged.days,
        "p": judged.p,
        "sentence": sentence,
    }


@hookimpl
def register_steps() -> list[Anomalies]:
    """Supply `step.anomalies`."""
    return [Anomalies()]
