"""A drawing of a graph as SVG: its steps in rows from the start, its ways with their conditions."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final, NamedTuple

from runtime.graphs.decisions import Exit, exits, ways
from runtime.graphs.file import END, GraphFile

_START: Final = "start"
_WIDTH, _HEIGHT = 190, 46
_ACROSS, _DOWN = 70, 74
_MARGIN = 30
_SIDE = 46
"""How far a way that leads back swings out, and one more for each further one."""
_LABELS = 150
_LONGEST = 38
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1f2328}.use{fill:#59636e;font-size:11px}"
    ".label{fill:#0a5a9c;font-size:11px}.box{fill:#fff;stroke:#59636e}.branch{fill:#fff8e1}"
    ".approve{fill:#e8f5e9}.round{fill:#eef2f6}.way{fill:none;stroke:#59636e;marker-end:url(#tip)}"
    ".back{stroke-dasharray:4 3}.plate{fill:#fff;opacity:.85}"
)


class _Box(NamedTuple):
    """Where a step is drawn: its middle, and its row."""

    x: float
    y: float
    row: int


def as_svg(file: GraphFile) -> str:
    """Return the drawing; it needs no script and no font of its own."""
    boxes = _places(file)
    drawn = _joined([Exit(_START, "", file.start), *(way for each in ways(file).values() for way in each)])
    back = [way for way in drawn if boxes[way.go].row <= boxes[way.step].row]
    width = max(box.x for box in boxes.values()) + _WIDTH / 2 + _MARGIN
    width += _LABELS + _SIDE * (len(back) + 1) if back else 0
    height = max(box.y for box in boxes.values()) + _HEIGHT / 2 + _MARGIN
    title = escape(f"{file.name}: {file.about}" if file.about else file.name)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
            f"<title>{title}</title><style>{_STYLE}</style>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
            'orient="auto"><path d="M0 0L8 4L0 8z" fill="#59636e"/></marker></defs>',
            *(_forward(way, boxes) for way in drawn if way not in back),
            *(_backward(way, boxes, number, width) for number, way in enumerate(back)),
            *(_box(file, id, box) for id, box in boxes.items()),
            "</svg>",
        ]
    )


def _joined(several: Iterable[Exit]) -> list[Exit]:
    """Return one way from a step to another, also where several lead there."""
    labels: dict[tuple[str, str], list[str]] = {}
    for way in several:
        labels.setdefault((way.step, way.go), []).extend([way.label] if way.label else [])
    return [Exit(step, "", go, "; ".join(told)) for (step, go), told in labels.items()]


def _places(file: GraphFile) -> dict[str, _Box]:
    """Put every step in the row after the first one that leads to it, and the end last."""
    rows = {_START: 0, file.start: 1}
    open = [file.start]
    for id in open:
        for way in exits(file.nodes[id]):
            if way.go in file.nodes and way.go not in rows:
                rows[way.go] = rows[id] + 1
                open.append(way.go)
    rows |= {id: 1 for id in file.nodes if id not in rows}
    rows[END] = max(rows.values()) + 1
    found: dict[str, _Box] = {}
    widest = max(list(rows.values()).count(row) for row in set(rows.values()))
    for row in range(rows[END] + 1):
        ids = [id for id, its in rows.items() if its == row]
        left = _MARGIN + _WIDTH / 2 + (widest - len(ids)) * (_WIDTH + _ACROSS) / 2
        for number, id in enumerate(ids):
            y = _MARGIN + _HEIGHT / 2 + row * (_HEIGHT + _DOWN)
            found[id] = _Box(left + number * (_WIDTH + _ACROSS), y, row)
    return found


def _box(file: GraphFile, id: str, box: _Box) -> str:
    node = file.nodes.get(id)
    kind = node.use if node and node.use in ("branch", "approve") else ""
    kind = kind if node else "round"
    told = node.use if node else ", ".join(file.input if id == _START else file.output)
    x, y, round = box.x - _WIDTH / 2, box.y - _HEIGHT / 2, 6 if node else _HEIGHT / 2
    size = f'width="{_WIDTH}" height="{_HEIGHT}" rx="{round:.0f}"'
    return (
        f'<rect class="box {kind}" x="{x:.0f}" y="{y:.0f}" {size}/>'
        f"{_text('', box.x, box.y - 4, id)}{_text('use', box.x, box.y + 13, told)}"
    )


def _text(kind: str, x: float, y: float, told: str) -> str:
    shown = escape(_short(told))
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}" text-anchor="middle">{shown}</text>'


def _forward(way: Exit, boxes: dict[str, _Box]) -> str:
    start, end = boxes[way.step], boxes[way.go]
    x1, y1, x2, y2 = start.x, start.y + _HEIGHT / 2, end.x, end.y - _HEIGHT / 2
    bend = (y2 - y1) / 2
    path = f"M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}"
    at = 0.5 if end.row == start.row + 1 else 0.3
    return f'<path class="way" d="{path}"/>' + _label(way, x1 + (x2 - x1) * at, y1 + (y2 - y1) * at)


def _backward(way: Exit, boxes: dict[str, _Box], number: int, width: float) -> str:
    start, end = boxes[way.step], boxes[way.go]
    x1, x2 = start.x + _WIDTH / 2, end.x + _WIDTH / 2
    out = width - _MARGIN / 2 - number * _SIDE
    path = f"M{x1:.0f} {start.y:.0f}C{out:.0f} {start.y:.0f} {out:.0f} {end.y:.0f} {x2:.0f} {end.y:.0f}"
    return f'<path class="way back" d="{path}"/>' + _label(way, x1 + 8, start.y - 10, "start")


def _label(way: Exit, x: float, y: float, anchor: str = "middle") -> str:
    if not way.label:
        return ""
    shown = _short(way.label)
    width = len(shown) * 6.2 + 8
    left = x - width / 2 if anchor == "middle" else x - 4
    return (
        f'<rect class="plate" x="{left:.0f}" y="{y - 9:.0f}" width="{width:.0f}" height="14"/>'
        f'<text class="label" x="{x:.0f}" y="{y + 2:.0f}" text-anchor="{anchor}">{escape(shown)}'
        f"<title>{escape(way.label)}</title></text>"
    )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
