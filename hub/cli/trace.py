"""A trace as a tree in the terminal, read from a file of spans."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Span = Mapping[str, Any]


def read_trace(file: Path, trace_id: str) -> list[Span]:
    """Return the spans of one trace from a `[telemetry] traces` file, in the order they began."""
    if not file.exists():
        return []
    with file.open(encoding="utf-8") as lines:
        # Most lines belong to other traces and need not be parsed.
        spans = [json.loads(line) for line in lines if trace_id in line]
    return sorted((span for span in spans if span["trace_id"] == trace_id), key=lambda span: span["start"])


def draw(spans: Sequence[Span]) -> Iterator[str]:
    """Yield a line for each span: the tree, the name, how long it took."""
    children: dict[str | None, list[Span]] = defaultdict(list)
    known = {span["span_id"] for span in spans}
    for span in spans:
        # The parent of the first span is the client's, which is not in the file.
        parent = span["parent_id"] if span["parent_id"] in known else None
        children[parent].append(span)
    rows = list(_rows(children, None, ""))
    width = max((len(name) for name, _ in rows), default=0)
    for name, span in rows:
        failed = "  failed" if span["status"]["code"] == "error" else ""
        yield f"{name.ljust(width)}  {span['duration_ms']:>9.1f} ms{failed}"


def _rows(
    children: Mapping[str | None, Sequence[Span]], parent: str | None, indent: str
) -> Iterator[tuple[str, Span]]:
    spans = children.get(parent, ())
    for span in spans:
        last = span is spans[-1]
        branch, below = ("", "") if parent is None else ("└ ", "  ") if last else ("├ ", "│ ")
        yield f"{indent}{branch}{span['name']}", span
        yield from _rows(children, span["span_id"], indent + below)
