"""Whether probabilities are true, as a picture: what was foreseen beside what came."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from runtime.tabular.evaluation import Bin

_WIDTH: Final = 40
_FULL, _EMPTY = "█", "·"


def calibration_lines(bins: Sequence[Bin]) -> Iterator[str]:
    """Yield a line for each part of the rows: foreseen, came, and both as a bar."""
    most = max(max(each.foreseen, each.came) for each in bins) or 1.0
    yield f"{'rows':>9}  {'foreseen':>8}  {'came':>7}  (bar: came, | : foreseen)"
    for each in bins:
        came, foreseen = (round(_WIDTH * value / most) for value in (each.came, each.foreseen))
        bar = list(_FULL * came + _EMPTY * (_WIDTH + 1 - came))
        bar[min(foreseen, _WIDTH)] = "|"
        yield f"{each.rows:>9,}  {each.foreseen:>8.1%}  {each.came:>7.1%}  {''.join(bar).rstrip(_EMPTY)}"


def calibration_svg(series: Mapping[str, Sequence[Bin]]) -> str:
    """Draw each series of bins against the line on which every probability is true; returns SVG."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.add_subplot()
    most = max(max(each.foreseen, each.came) for bins in series.values() for each in bins) * 1.05
    axes.plot([0, most], [0, most], color="0.6", linewidth=1, linestyle="--", label="true")
    for name, bins in series.items():
        axes.plot([each.foreseen for each in bins], [each.came for each in bins], marker="o", label=name)
    axes.set(xlabel="foreseen probability", ylabel="share that came", xlim=(0, most), ylim=(0, most))
    axes.legend()
    drawn = io.StringIO()
    # Words stay words, and two drawings of the same numbers are the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "hubbub"}):
        FigureCanvasSVG(figure).print_svg(drawn, metadata={"Date": None})  # type: ignore[no-untyped-call]
    return drawn.getvalue()
