"""Liquid with a fixed list of filters and tags, and with a measure of work that no text can exceed.

The library bounds the output, and loops inside each other.  Not bounded are loops after each other and what
filters do with long values; here every look-up, loop, assignment and filter is charged for what it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, Final

from runtime.graphs.filters import MAX_OUTPUT, ours

if TYPE_CHECKING:
    from liquid import Environment

MOST_WORK: Final = 5_000_000
"""What one text may cost: about a character each, some tens of milliseconds at worst."""
_STEP = 50
_ROUND = 100
_ITEM = 10
_LOOPS = 10_000
# fmt: off
_FILTERS = (
    "abs", "append", "at_least", "at_most", "capitalize", "ceil", "compact", "default",
    "divided_by", "downcase", "escape", "first", "floor", "last", "lstrip", "map", "minus", "modulo",
    "plus", "prepend", "remove", "reverse", "round", "rstrip", "size", "slice", "sort", "sort_natural",
    "split", "squish", "strip", "strip_newlines", "sum", "truncate", "truncatewords",
    "upcase", "url_encode", "where",
)
_TAGS = (
    "#", "assign", "break", "capture", "case", "comment", "continue", "cycle", "echo", "for", "if", "unless",
    "output", "content", "illegal",
)
# fmt: on


@cache
def environment() -> Environment:
    """Return the one environment of all texts."""
    from liquid import BoundTemplate, Environment, RenderContext
    from liquid.exceptions import ResourceLimitError

    class Measured(RenderContext):
        """Adds up the work of one rendering."""

        work = 0

        def charge(self, work: int) -> None:
            self.work += work
            if self.work > MOST_WORK:
                raise ResourceLimitError("it would take too much work", token=None)

        def get(self, path: list[object], **more: Any) -> object:
            found = super().get(path, **more)
            self.charge(_weight(found))
            return found

        def assign(self, key: str, val: Any) -> None:
            self.charge(_weight(val))
            super().assign(key, val)

        def raise_for_loop_limit(self, length: int = 1) -> None:
            self.charge(length * _ROUND)
            super().raise_for_loop_limit(length)

    class Template(BoundTemplate):
        context_class = Measured

    class Bounded(Environment):
        template_class = Template
        context_depth_limit = 10
        loop_iteration_limit = _LOOPS
        output_stream_limit = MAX_OUTPUT
        local_namespace_limit = MAX_OUTPUT

    made = Bounded(autoescape=False)
    chosen = {name: made.filters[name] for name in _FILTERS} | dict(ours())
    made.filters = {name: _charged(filter) for name, filter in chosen.items()}
    made.tags = {name: tag for name, tag in made.tags.items() if name in _TAGS}
    return made


def _charged(filter: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that is charged for what it is given and what it gives."""
    takes_environment = getattr(filter, "with_environment", False)

    @wraps(filter)
    def charged(value: Any, *args: Any, context: Any, **more: Any) -> Any:
        context.charge(_weight(value) + sum(map(_weight, args)))
        if takes_environment:
            more["environment"] = context.env
        result = filter(value, *args, **more)
        context.charge(_weight(result))
        return result

    charged.with_environment = False  # type: ignore[attr-defined]
    charged.with_context = True  # type: ignore[attr-defined]
    return charged


def _weight(value: Any) -> int:
    if isinstance(value, str):
        return _STEP + len(value)
    return _STEP + _ITEM * len(value) if isinstance(value, list | tuple | Mapping) else _STEP
