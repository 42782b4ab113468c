"""A step's own parameters: texts, values, names of state fields and secrets, checked and filled in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from runtime.graphs.findings import Findings, near
from runtime.graphs.refusals import Refusal, refusal
from runtime.graphs.templates import TemplateMistake, Text, compile_text
from runtime.types import StatePathMark

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

SECRET = "secret:"  # noqa: S105 - the prefix of a reference

Values = Mapping[str, Any]
Filled = Callable[[Values], Any]
"""Gives a parameter its value when a step runs."""


def compile_value(raw: Any, secret: Callable[[str], str]) -> Filled:
    """Return what fills in one parameter: its texts are rendered, `secret:NAME` is looked up each time."""
    if isinstance(raw, str):
        if raw.startswith(SECRET):
            return lambda values: secret(raw)
        return compile_text(raw).of
    if isinstance(raw, dict):
        inner = {key: compile_value(value, secret) for key, value in raw.items()}
        return lambda values: {key: fill(values) for key, fill in inner.items()}
    if isinstance(raw, list):
        items = [compile_value(value, secret) for value in raw]
        return lambda values: [fill(values) for fill in items]
    return lambda values: raw


def texts(raw: Any, findings: Findings, *path: str | int) -> Iterator[tuple[Text, tuple[str | int, ...]]]:
    """Yield every text inside a parameter with its path; one that is no template goes to `findings`."""
    if isinstance(raw, str):
        try:
            yield compile_text(raw), path
        except TemplateMistake as mistake:
            findings.add("E10", mistake.message, *path, help=mistake.help, at=mistake.at)
    elif isinstance(raw, dict):
        for key, value in raw.items():
            yield from texts(value, findings, *path, key)
    elif isinstance(raw, list):
        for index, value in enumerate(raw):
            yield from texts(value, findings, *path, index)


def fixed(raw: Any) -> bool:
    """Whether a parameter is the same in every run, so that it can be checked before one."""
    if isinstance(raw, str):
        return "{{" not in raw and "{%" not in raw and not raw.startswith(SECRET)
    if isinstance(raw, dict):
        return all(fixed(value) for value in raw.values())
    return all(fixed(value) for value in raw) if isinstance(raw, list) else True


def fields_of(model: type[BaseModel] | None) -> dict[str, FieldInfo]:
    """Return a model's fields by the names a graph file gives them."""
    if model is None:
        return {}
    return {field.alias or name: field for name, field in model.model_fields.items()}


def is_state_path(field: FieldInfo) -> bool:
    """Whether the parameter is written as the bare name of a state field."""
    return any(isinstance(mark, StatePathMark) for mark in field.metadata)


def check_parameters(
    given: Mapping[str, Any],
    model: type[BaseModel] | None,
    findings: Findings,
    *path: str | int,
    use: str,
    others: Iterable[str] = (),
    partly: bool = False,
) -> None:
    """Compare the parameters of a step with what its plugin declares; `others` are keys it may have too.

    Given `partly`, those that are needed and missing are chosen by somebody else.
    """
    known = fields_of(model)
    free = model is not None and model.model_config.get("extra") == "allow"
    for key, value in given.items():
        if key not in known:
            if not free:
                help = near(key, [*known, *(other for other in others if other not in known)])
                findings.add_key("E07", f"{use} has no parameter {key}", *path, key, help=help)
        elif not is_state_path(known[key]) and fixed(value) and (wrong := _mistake(known[key], value)):
            findings.add("E07", f"{key}{wrong.what}", *path, key, help=wrong.help)
    for key, field in known.items():
        if field.is_required() and key not in given and not partly:
            message = f"{use} needs the parameter {key}"
            findings.miss(key, message, *path, help=f"add {key} = …", code="E07")


def _mistake(field: FieldInfo, value: Any) -> Refusal | None:
    from typing import Annotated

    from pydantic import TypeAdapter, ValidationError

    kind: Any = field.annotation
    for mark in field.metadata:
        kind = Annotated[kind, mark]
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        return refusal(error)
    return None
