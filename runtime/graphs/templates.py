"""Texts of a graph file: Liquid templates with a fixed list of filters, known names and bounded work."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import InvalidInput
from runtime.graphs.findings import near

if TYPE_CHECKING:
    from liquid import BoundTemplate, Environment

MAX_OUTPUT: Final = 1024 * 1024
"""Bytes that one text may become."""

_LOOPS = 10_000
_PATH = re.compile(r"\s*\{\{-?\s*([A-Za-z_]\w*(?:\.\w+)*)\s*-?\}\}\s*")
_RANGE = re.compile(r"\(\s*[\w.-]+\s*\.\.")
_FOR = re.compile(r"\{%-?\s*for\s+\w+\s+in\s+$")
# fmt: off
_FILTERS = (
    "abs", "append", "at_least", "at_most", "capitalize", "ceil", "compact", "date", "default",
    "divided_by", "downcase", "escape", "first", "floor", "last", "lstrip", "map", "minus", "modulo",
    "plus", "prepend", "remove", "reverse", "round", "rstrip", "size", "slice", "sort", "sort_natural",
    "split", "squish", "strip", "strip_html", "strip_newlines", "sum", "truncate", "truncatewords",
    "uniq", "upcase", "url_encode", "where",
)
_TAGS = (
    "#", "assign", "break", "capture", "case", "comment", "continue", "cycle", "echo", "for", "if", "unless",
    "output", "content", "illegal",
)
# fmt: on


class TemplateMistake(Exception):
    """What is wrong with a text: a sentence, the offset of the mistake, and a remedy."""

    def __init__(self, message: str, at: int, help: str = "") -> None:
        super().__init__(message)
        self.message, self.at, self.help = message, at, help


@dataclass(frozen=True, slots=True)
class Name:
    """A variable that a text uses: its path (`["lead", "country"]`) and where it stands."""

    path: tuple[str | int | None, ...]
    """None stands for a part that is only known when the text is rendered, as in `rows[n]`."""
    at: int


@dataclass(frozen=True, slots=True)
class Text:
    """A text that was checked.  One that is exactly `{{ path }}` keeps the type of its value."""

    source: str
    names: tuple[Name, ...]
    _render: Callable[[Mapping[str, Any]], Any]

    def of(self, values: Mapping[str, Any]) -> Any:
        """Return the text with its values; InvalidInput when it would take too much work."""
        return self._render(values)


def compile_text(source: str) -> Text:
    """Return the template; TemplateMistake when it cannot be one."""
    if "{{" not in source and "{%" not in source:
        return Text(source, (), lambda values: source)
    template = _parse(source)
    analysis = template.analyze(include_partials=False)
    for name, uses in analysis.filters.items():
        if name not in _environment().filters:
            raise TemplateMistake(
                f"there is no filter {name}", uses[0].index, near(name, _environment().filters)
            )
    names = tuple(
        Name(tuple(_segment(part) for part in each.segments), each.span.index)
        for uses in analysis.globals.values()
        for each in uses
    )
    if whole := _PATH.fullmatch(source):
        path = whole[1].split(".")
        return Text(source, names, lambda values: look_up(values, path))
    return Text(source, names, lambda values: _render(template, values))


def _segment(part: Any) -> str | int | None:
    return part if isinstance(part, str | int) else None


def look_up(values: Any, path: list[str]) -> Any:
    """Return what stands at a path of names and whole numbers; None where there is nothing."""
    for part in path:
        if isinstance(values, Mapping):
            values = values.get(part)
        elif isinstance(values, list | tuple) and part.isdigit() and int(part) < len(values):
            values = values[int(part)]
        else:
            return None
    return values


def _parse(source: str) -> BoundTemplate:
    from liquid.exceptions import LiquidError

    try:
        template = _environment().from_string(source)
    except LiquidError as error:
        token = getattr(error, "token", None)
        at = token.start_index if token is not None else 0
        message = str(error.args[0] if error.args else error).split("\n")[0]
        raise TemplateMistake(f"this text is no template ({message})", max(0, at), _remedy(message)) from None
    except RecursionError:
        raise TemplateMistake("this text is nested too deeply", 0, "split it into steps") from None
    for found in _RANGE.finditer(source):
        # Loops are bounded; filters would go over a range of any length.
        if not _FOR.search(source[: found.start()]):
            raise TemplateMistake("a range stands only in a for loop", found.start(), "write a list instead")
    return template


def _remedy(message: str) -> str:
    if "tag" in message:
        return "there are if, unless, case, for, assign, capture and comment"
    return "write {{ name }} or {{ name | filter }}"


def _render(template: BoundTemplate, values: Mapping[str, Any]) -> str:
    from liquid.exceptions import LiquidError

    try:
        return template.render(**values)
    except LiquidError as error:
        reason = str(error.args[0] if error.args else error).split("\n")[0]
        raise InvalidInput(f"A text cannot be written ({reason}); make it shorter or simpler.") from None


@cache
def _environment() -> Environment:
    from liquid import Environment

    class Bounded(Environment):
        context_depth_limit = 10
        loop_iteration_limit = _LOOPS
        output_stream_limit = MAX_OUTPUT
        local_namespace_limit = MAX_OUTPUT

    made = Bounded(autoescape=False)
    made.filters = {name: made.filters[name] for name in _FILTERS} | dict(_ours())
    made.tags = {name: tag for name, tag in made.tags.items() if name in _TAGS}
    return made


# --------------------------------------------------------------------------- filters of ours


def _ours() -> Iterator[tuple[str, Callable[..., Any]]]:
    yield from (("numbered", numbered), ("json", as_json), ("heading", heading))
    yield from (("percent", percent), ("table", table), ("count", count))
    # The library's own would build texts and lists without end.
    yield from (("times", _times), ("join", _join), ("concat", _concat), ("replace", _replace))


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
