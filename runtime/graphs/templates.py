"""Texts of a graph file: Liquid templates with a fixed list of filters, known names and bounded work."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from runtime.errors import InvalidInput
from runtime.graphs.findings import near
from runtime.graphs.liquid_bounds import environment

if TYPE_CHECKING:
    from liquid import BoundTemplate

LONGEST: Final = 100_000
"""Characters of one text in a file."""

_PATH = re.compile(r"\s*\{\{-?\s*([A-Za-z_]\w*(?:\.\w+)*)\s*-?\}\}\s*")
_RANGE = re.compile(r"\(\s*[\w.-]+\s*\.\.")
_BRACES = re.compile(r"\{[{%][^{}]*[%}]\}")
_CURLY = re.compile(r"[“”„‟«»‘’‚‛]")
_NEAR = 200
_FOR = re.compile(r"\{%-?\s*for\s+\w+\s+in\s+$")


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
    if len(source) > LONGEST:
        raise TemplateMistake(f"this text has over {LONGEST:,} characters", LONGEST, "split it into steps")
    template = _parse(source)
    analysis = template.analyze(include_partials=False)
    for name, uses in analysis.filters.items():
        if name not in environment().filters:
            raise TemplateMistake(
                f"there is no filter {name}", uses[0].index, near(name, environment().filters)
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


def whole_path(source: str) -> list[str] | None:
    """Return the path of a text that consists of one value, `{{ lead.country }}`; None for any other text."""
    whole = _PATH.fullmatch(source)
    return whole[1].split(".") if whole else None


def _segment(part: Any) -> str | int | None:
    return part if isinstance(part, str | int) else None


def look_up(values: Any, path: Sequence[str]) -> Any:
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
        template = environment().from_string(source)
    except LiquidError as error:
        token = getattr(error, "token", None)
        at = token.start_index if token is not None else 0
        message = str(error.args[0] if error.args else error).split("\n")[0]
        raise TemplateMistake(
            f"this text is no template ({message})", max(0, at), _remedy(message, source)
        ) from None
    except RecursionError:
        raise TemplateMistake("this text is nested too deeply", 0, "split it into steps") from None
    for found in _RANGE.finditer(source):
        # Loops are bounded; filters would go over a range of any length.
        if not _FOR.search(source[max(0, found.start() - _NEAR) : found.start()]):
            raise TemplateMistake("a range stands only in a for loop", found.start(), "write a list instead")
    return template


def _remedy(message: str, source: str) -> str:
    if any(_CURLY.search(inside) for inside in _BRACES.findall(source)):
        return "write straight quotes: 'text'"
    if missing := re.search(r"expected tag (end\w+)", message):
        return f"close it with {{% {missing[1]} %}}"
    if "tag" in message:
        return "there are if, unless, case, for, assign, capture and comment"
    return "write {{ name }} or {{ name | filter }}"


def _render(template: BoundTemplate, values: Mapping[str, Any]) -> str:
    try:
        return template.render(**values)
    except Exception as error:  # filters raise what they like for values that they do not expect
        reason = str(error.args[0] if error.args else error).split("\n")[0][:200]
        raise InvalidInput(f"A text cannot be written ({reason}); make it shorter or simpler.") from None
