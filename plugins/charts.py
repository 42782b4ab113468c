"""step.charts: draws figures as SVG and PNG, the same bytes for the same figures."""

from __future__ import annotations

import base64
import functools
import io
import math
import textwrap
import threading
import unicodedata
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from html import escape
from typing import Any

from pydantic import BaseModel, Field

from hubbub import Context, JsonObject, hookimpl
from hubbub.figures import shown

_MOST = 6
"""Pictures of one answer."""
_BARS = 12
_NAMED = 7
"""Days with their names under a line."""
_LINE = 90
"""Characters of a line of the title."""
_WIDE, _HIGH, _DOTS = 7.2, 3.0, 100
_BLUE, _RED = "#2563a8", "#c0392b"
_LOOK: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "hubbub",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.parse_math": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.formatter.useoffset": False,
}


class Drawn(BaseModel):
    """Figures as `step.read_measures` gives them, and the days that stand out among them."""

    numbers: list[dict[str, Any]] = Field(description="the figures")
    anomalies: list[dict[str, Any]] = Field(default=[], description="days to mark, from step.anomalies")


class Charts:
    """A line of days, and bars where a figure was split; one picture at a time."""

    name = "charts"
    Params = Drawn
    examples: tuple[JsonObject, ...] = ({"numbers": []},)

    def __init__(self) -> None:
        self._turn = threading.Lock()

    def run(self, state: Mapping[str, Any], params: Drawn, ctx: Context) -> list[JsonObject]:
        """Return `{title, text, svg, png}` of each picture; `text` says it in words, `png` is base64."""
        wanted = [picture for number in params.numbers for picture in _pictures(number, params.anomalies)][
            :_MOST
        ]
        # matplotlib's settings belong to the whole process.
        with self._turn:
            return [picture.draw() for picture in wanted]


class _Lines:
    """A figure day by day, with the days that stand out."""

    def __init__(self, number: Mapping[str, Any], marked: Sequence[Mapping[str, Any]]) -> None:
        self._unit, self._marked = number["unit"], marked
        self._days, self._values = _daily(number, min([number["first"], *(each["day"] for each in marked)]))
        self.title = f"{_title(number)}, day by day"

    def draw(self) -> JsonObject:
        return _drawn(self.title, self._words(), _HIGH, self._on)

    def _on(self, axes: Any) -> None:
        axes.plot(self._days, self._values, color=_BLUE, marker="o", markersize=3, linewidth=1.4)
        for each in self._marked:
            axes.plot(date.fromisoformat(each["day"]), each["observed"], "o", color=_RED, markersize=7)
        known = self._known()
        axes.set_ylim(bottom=min(0, *known), top=1 if max(known) == 0 == min(known) else None)
        axes.set_ylabel("%" if self._unit == "share" else self._unit)
        if self._unit == "share":
            axes.yaxis.set_major_formatter(lambda value, _: f"{value * 100:g}")
        named = self._days[:: -(-len(self._days) // _NAMED)]
        axes.set_xticks(named, [day.isoformat() for day in named])

    def _known(self) -> list[float]:
        return [value for value in self._values if value is not None]

    def _words(self) -> str:
        known = self._known()
        spread = f"between {shown(min(known), self._unit)} and {shown(max(known), self._unit)}"
        marked = "".join(f" {each['sentence']}" for each in self._marked)
        return f"{self._days[0]} to {self._days[-1]}: {spread}.{marked}"


class _Bars:
    """A figure split by something else than days, the largest parts first."""

    def __init__(self, number: Mapping[str, Any]) -> None:
        self._unit = number["unit"]
        by = [column for column in number["by"] if column != "day"]
        parts: dict[str, float] = {}
        for row in filter(_finite, number["rows"]):
            label = ", ".join(str(row[column]) or "(none)" for column in by)
            parts[label] = parts.get(label, 0.0) + row["value"]
        self._parts = sorted(parts.items(), key=lambda part: -part[1])[:_BARS]
        self.title = f"{_title(number)}, by {' and '.join(by)}"
        if len(parts) > _BARS:
            self.title += f": the largest {_BARS} of {len(parts):,}"

    def draw(self) -> JsonObject:
        words = ", ".join(f"{label} {shown(value, self._unit)}" for label, value in self._parts)
        return _drawn(self.title, f"{words}.", 1.0 + 0.3 * len(self._parts), self._on)

    def _on(self, axes: Any) -> None:
        drawable = [_drawable(label) for label, _ in self._parts]
        labels = [label if len(label) <= 30 else f"{label[:29]}…" for label in drawable]
        bars = axes.barh(range(len(labels)), [value for _, value in self._parts], color=_BLUE)
        axes.set_yticks(range(len(labels)), labels)
        axes.bar_label(bars, [shown(value, self._unit) for _, value in self._parts], padding=3)
        axes.margins(x=0.2)
        if not any(value for _, value in self._parts):
            axes.set_xlim(0, 1)
        axes.invert_yaxis()
        axes.xaxis.set_visible(False)
        axes.spines["bottom"].set_visible(False)


def _pictures(number: Mapping[str, Any], anomalies: Sequence[Mapping[str, Any]]) -> Iterator[_Lines | _Bars]:
    split = any(column != "day" for column in number["by"])
    # Shares and means of one day apart from others do not add up to those of the whole period.
    if (
        split
        and any(map(_finite, number["rows"]))
        and ("day" not in number["by"] or number["kind"] in ("count", "amount"))
    ):
        yield _Bars(number)
    about = (number["name"], number["graph"])
    marked = [each for each in anomalies if (each["name"], each["graph"]) == about]
    series = any(map(_finite, number["series"]))
    if series and (marked or not split) and (marked or number["first"] != number["last"]):
        yield _Lines(number, marked)


def _daily(number: Mapping[str, Any], first: str) -> tuple[list[date], list[float | None]]:
    """Return every day and its value: without a row nothing was counted, and there was no mean."""
    rows = {row["day"]: row["value"] for row in filter(_finite, number["series"])}
    begin = max(date.fromisoformat(first), date.fromisoformat(min(rows)))
    end = date.fromisoformat(number["last"])
    if end.isoformat() not in rows and end >= datetime.now(UTC).date():
        end -= timedelta(1)  # a day that has only begun is no dip
    end = max(begin, end)
    days = [begin + timedelta(place) for place in range((end - begin).days + 1)]
    none = 0.0 if number["kind"] in ("count", "amount") else None
    return days, [rows.get(day.isoformat(), none) for day in days]


def _finite(row: Mapping[str, Any]) -> bool:
    """Whether there is something to draw."""
    return row["value"] is not None and math.isfinite(row["value"])


def _title(number: Mapping[str, Any]) -> str:
    about = str(number["about"])
    graph = f" of {number['graph']}" if number["graph"] else ""
    return f"{about[:1].upper()}{about[1:]}{graph}"


def _drawn(title: str, text: str, high: float, on: Any) -> JsonObject:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_LOOK):
        figure = Figure(figsize=(_WIDE, high), dpi=_DOTS, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.set_title(textwrap.fill(_drawable(title), _LINE, max_lines=2, placeholder=" …"))
        on(axes)
        svg, png = io.BytesIO(), io.BytesIO()
        figure.savefig(svg, format="svg", metadata={"Date": None, "Title": title})
        figure.savefig(png, format="png", metadata={"Software": None, "Title": title})
    return {
        "title": title,
        "text": text,
        "svg": _said_aloud(svg.getvalue().decode(), text),
        "png": base64.b64encode(png.getvalue()).decode(),
    }


def _drawable(text: str) -> str:
    """Return a text in which what the font lacks is spelled, such as an emoji: (owl)."""
    return "".join(each if ord(each) in _glyphs() else _spelled(each) for each in text)


def _spelled(character: str) -> str:
    kind = unicodedata.category(character)
    if kind in ("Mn", "Cf", "Sk"):
        return ""  # what joins or colours the one before it
    return f"({unicodedata.name(character, '?').lower()})" if kind == "So" else "?"


@functools.cache
def _glyphs() -> Container[int]:
    """Return the characters that the font has."""
    from matplotlib.font_manager import findfont
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(findfont(_LOOK["font.family"])).get_charmap()) | {ord("\n")}


def _said_aloud(svg: str, text: str) -> str:
    """Return a picture that a screen reader reads as one: its title, and what it shows."""
    svg = svg.replace("<svg ", '<svg role="img" ', 1)
    return svg.replace("</title>", f"</title>\n <desc>{escape(text)}</desc>", 1)


@hookimpl
def register_steps() -> list[Charts]:
    """Supply `step.charts`."""
    return [Charts()]
