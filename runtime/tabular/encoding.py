"""From a lead to the numbers a model takes: a column's table for training, a mapping for scoring."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import InvalidInput
from runtime.tabular.columns import MISSING
from runtime.tabular.dates import days, parse_date
from runtime.tabular.numbers import Mark, parse_number
from runtime.tabular.schema import Feature, Schema

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SHOWN: Final = 6
_LONGEST: Final = 60
_FLAGS: Final = {True: ("true", "1", "yes", "y", "t"), False: ("false", "0", "no", "n", "f")}


class Unreadable(Exception):
    """A value is not of its feature's kind; the message is the rest of a sentence about the feature."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One lead as numbers, NaN where it has none, and what should be said about it."""

    row: NDArray[np.float64]
    warnings: tuple[str, ...]


class Encoder:
    """Turns mappings into rows of a model's features; unseen and missing values are NaN, and said."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._readers = [_reader(feature) for feature in schema.features]
        self._time = schema.training.time
        self._ages = any(feature.kind == "age" for feature in schema.features)

    def encode(self, item: Mapping[str, Any]) -> Encoded:
        """Return the row of one lead; InvalidInput when it has none of the features."""
        import numpy as np

        row = np.full(len(self._readers), math.nan)
        moment, doubt = self._moment(item)
        absent, warnings = [], [doubt] if doubt else []
        for place, (feature, read) in enumerate(zip(self._schema.features, self._readers, strict=True)):
            value = item.get(feature.name)
            if value is None or (isinstance(value, str) and value.strip().casefold() in MISSING):
                absent.append(feature.name)
                continue
            try:
                number = read(value)
            except Unreadable as error:
                warnings.append(f"{feature.name} {error}, and is taken as missing")
                continue
            row[place] = moment - number if feature.kind == "age" else number
        if len(absent) == len(self._readers):
            self._refuse(item)
        if absent:
            warnings.insert(0, f"{_some(absent)} {'is' if len(absent) == 1 else 'are'} missing")
        return Encoded(row, tuple(warnings))

    def _moment(self, item: Mapping[str, Any]) -> tuple[float, str]:
        """Return when the lead is scored, in days since 1970: its own time, else now; and what to mind."""
        now = days(datetime.now(UTC))
        if not self._ages or (given := item.get(self._time)) is None:
            return now, ""
        try:
            return _day(given, self._schema.time_format), ""
        except Unreadable as error:
            return now, f"{self._time} {error}, and now is taken instead"

    def _refuse(self, item: Mapping[str, Any]) -> None:
        given = f"has {_some([str(key)[:_LONGEST] for key in item])}" if item else "is empty"
        raise InvalidInput(
            f"The lead {given} and none of the features of the model; give it {_some(self._schema.names)}."
        )


def _reader(feature: Feature) -> Callable[[Any], float]:
    if feature.kind == "number":
        return lambda value: _number(value, "," if feature.format == "," else ".")
    if feature.kind == "age":
        return lambda value: _day(value, feature.format)
    exact = {level: float(code) for code, level in enumerate(feature.levels)}
    loose: dict[str, float] = {}
    for level, code in exact.items():
        loose.setdefault(level.casefold(), code)
    return lambda value: _level(value, exact, loose)


def _number(value: Any, mark: Mark) -> float:
    if isinstance(value, str):
        parsed = parse_number(value.strip(), mark)
        if parsed is None:
            raise Unreadable(f"is {_shown(value)}, which is no number")
        value = parsed
    if not isinstance(value, int | float):
        raise Unreadable(f"is a {type(value).__name__}, which is no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Unreadable("is not finite")
    return number


def _day(value: Any, format: str) -> float:
    if isinstance(value, datetime):
        return days(value)
    if isinstance(value, date):
        return days(datetime(value.year, value.month, value.day))
    text = str(value).strip()
    for tried in (format, "iso"):
        if (found := parse_date(text, tried)) is not None:
            return found
    raise Unreadable(f"is {_shown(value)}, which is no date as those the model was trained on")


def _level(value: Any, exact: Mapping[str, float], loose: Mapping[str, float]) -> float:
    for text in _words(value):
        code = exact.get(text)
        if code is None:
            code = loose.get(text.casefold())
        if code is not None:
            return code
    raise Unreadable(f"is {_shown(value)}, which was not among the training rows, or too rarely")


def _words(value: Any) -> Sequence[str]:
    """Return how a CSV file may have written a value."""
    if isinstance(value, bool):
        return _FLAGS[value]
    if isinstance(value, float) and value.is_integer():
        return (str(int(value)), str(value))
    return (str(value).strip(),)


def _shown(value: Any) -> str:
    text = " ".join(str(value).split())
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
