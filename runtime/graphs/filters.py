"""The filters of texts that are ours: what Liquid lacks, and what its own would do without end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

MAX_OUTPUT: Final = 1024 * 1024
"""Bytes that one text may become."""

_LONGEST_DATE = 100
_LONGEST_FORMAT = 200


def ours() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield each filter with its name."""
    yield from (("numbered", numbered), ("json", as_json), ("heading", heading))
    yield from (("percent", percent), ("table", table), ("count", count))
    # The library's own would build texts and lists without end, or compare everything with everything.
    yield from (("times", _times), ("join", _join), ("concat", _concat), ("replace", _replace))
    yield from (("uniq", _uniq), ("strip_html", _strip_html), ("date", _date))


def numbered(value: Any) -> str:
    """Write passages (or texts) as `[1] …`, one a paragraph."""
    items = value if isinstance(value, list | tuple) else [] if value is None else [value]
    return "\n\n".join(f"[{number}] {_text_of(item)}" for number, item in enumerate(items, start=1))


def as_json(value: Any) -> str:
    """Write the value as JSON."""
    import orjson

    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def heading(value: Any, title: str = "") -> str:
    """Write the value under a heading; nothing at all when it is empty."""
    text = "" if value is None else str(value).strip()
    return f"{title}:\n{text}" if text else ""


def percent(value: Any) -> str:
    """Write 0.815 as 82%."""
    return f"{value:.0%}" if isinstance(value, int | float) and not isinstance(value, bool) else ""


def count(value: Any) -> list[dict[str, Any]]:
    """Count equal values: `[{value, count}]`, the most frequent first."""
    from collections import Counter

    items = value if isinstance(value, list | tuple) else []
    counted = Counter(item if isinstance(item, str) else as_json(item) for item in items)
    return [{"value": item, "count": number} for item, number in counted.most_common()]


def table(value: Any) -> str:
    """Write a list of objects as a Markdown table."""
    rows = [row for row in value if isinstance(row, Mapping)] if isinstance(value, list | tuple) else []
    columns = list(dict.fromkeys(str(name) for row in rows for name in row))
    if not columns:
        return ""
    lines = [columns, ["---"] * len(columns), *([_cell(row.get(name)) for name in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")


def _text_of(item: Any) -> str:
    if not isinstance(item, Mapping):
        return str(item)
    title = (item.get("source") or {}).get("title") if isinstance(item.get("source"), Mapping) else ""
    text = str(item.get("text", as_json(item)))
    return f"{title}\n{text}" if title else text


def _number(value: Any) -> float:
    if isinstance(value, int | float):
        return value
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0


def _times(value: Any, by: Any = 0) -> float:
    return _number(value) * _number(by)


def _join(value: Any, separator: Any = " ") -> str:
    items = value if isinstance(value, list | tuple) else [value]
    return str(separator)[:100].join("" if item is None else str(item) for item in items)


def _replace(value: Any, old: Any = "", new: Any = "") -> str:
    from liquid.exceptions import FilterError

    text, old, new = (str(part) if part is not None else "" for part in (value, old, new))
    if text.count(old) * len(new) > MAX_OUTPUT:
        raise FilterError("replace would make it too long", token=None)
    return text.replace(old, new)


def _concat(value: Any, more: Any = ()) -> list[Any]:
    return [
        *(value if isinstance(value, list | tuple) else []),
        *(more if isinstance(more, list | tuple) else []),
    ]


def _uniq(value: Any, key: Any = None) -> list[Any]:
    found: dict[str, Any] = {}
    for item in value if isinstance(value, list | tuple) else []:
        told = item.get(key) if key is not None and isinstance(item, Mapping) else item
        found.setdefault(as_json(told), item)
    return list(found.values())


def _strip_html(value: Any) -> str:
    parts, rest = list[str](), str(value if value is not None else "")
    start = 0
    while (opened := rest.find("<", start)) >= 0 and (closed := rest.find(">", opened)) >= 0:
        parts.append(rest[start:opened])
        start = closed + 1
    return "".join([*parts, rest[start:]])


def _date(value: Any, format: Any = "%Y-%m-%d") -> str:
    from liquid.builtin.filters.misc import date
    from liquid.environment import Environment
    from liquid.exceptions import FilterError

    if len(str(value)) > _LONGEST_DATE or len(str(format)) > _LONGEST_FORMAT:
        raise FilterError("this is too long for a date", token=None)
    return str(date(value, str(format), environment=Environment()))
