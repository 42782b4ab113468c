"""Guardrails look at every text that goes in or comes out, of a step or of a run, and block or rewrite it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from runtime.errors import Blocked, CannotStart, NotFound
from runtime.extensions import guard
from runtime.extensions.catalog import Catalog, Registered
from runtime.extensions.context import CallContext
from runtime.graphs.scope import RunScope, StepCall
from runtime.settings import GuardrailsSettings
from runtime.types import Delta, Verdict

Way = Literal["input", "output"]
Check = Callable[[Registered, str], Awaitable[Verdict]]

_STAGES: Final = {"input": ("input", "tool"), "output": ("output",)}
"""Which guardrails look at what is given, and which at what comes out."""
_MARKS: Final = frozenset({"role", "type", "id"})
"""What a message or a block of content has beside its text; nobody wrote it."""


def names_of(call: StepCall) -> tuple[str, ...]:
    """Return the guardrails of a step: its own, and for what a model says those of every run."""
    own = tuple(call.node.guard)
    return (*own, *(name for name in call.scope.guardrails.output if name not in own)) if _says(call) else own


def holds_back(call: StepCall) -> bool:
    """Whether nothing may be shown before it was looked at."""
    return any(found.value.stage in _STAGES["output"] for found in _found(call.scope.catalog, names_of(call)))


async def guarded(call: StepCall, way: Way, value: Any) -> Any:
    """Return a value as the step's guardrails let it pass, text by text; Blocked."""

    async def check(found: Registered, text: str) -> Verdict:
        verdict: Verdict = await guard.call(found, "check", text, call.context(), deadline=call.deadline)
        return verdict

    return await _through(call.scope, names_of(call), way, value, check, call.task)


async def screened(scope: RunScope, way: Way, value: Any) -> Any:
    """Return what a run is given, or gives, as the guardrails of every run let it pass; Blocked."""
    names = scope.guardrails.input if way == "input" else scope.guardrails.output

    async def check(found: Registered, text: str) -> Verdict:
        context = _context(scope, found)
        verdict: Verdict = await guard.call(found, "check", text, context, deadline=scope.deadline)
        return verdict

    return await _through(scope, names, way, value, check)


def check_names(settings: GuardrailsSettings, catalog: Catalog) -> None:
    """Refuse to start with a guardrail that is not there, or looks at something else: CannotStart."""
    for way in ("input", "output"):
        for name in getattr(settings, way):
            found = catalog.get("guardrail", name)
            known = ", ".join(catalog.names("guardrail")) or "none"
            if found is None:
                why = next((each.error for each in catalog.plugins if each.name == name and each.error), "")
                raise CannotStart(
                    f"[guardrails] {way} in config.toml names {name}, which no plugin supplies"
                    f"{f' ({why})' if why else ''}; there is {known}."
                )
            if found.value.stage not in _STAGES[way]:
                raise CannotStart(
                    f"[guardrails] {way} in config.toml names {name}, whose stage is {found.value.stage}; "
                    "move it, or take it out."
                )


async def _through(
    scope: RunScope, names: tuple[str, ...], way: Way, value: Any, check: Check, task: str | None = None
) -> Any:
    for found in _found(scope.catalog, names):
        if found.value.stage in _STAGES[way]:
            heard = _Heard(check)
            try:
                value = await _passed(found, way, value, heard.check)
            finally:
                if verdict := heard.gravest():
                    scope.note("guard", found.name, task, label=verdict)
    return value


@dataclass(frozen=True, slots=True)
class _Heard:
    """Listens to what a guardrail says of all the texts of one value."""

    asked: Check
    said: set[str] = field(default_factory=set)

    async def check(self, found: Registered, text: str) -> Verdict:
        verdict = await self.asked(found, text)
        self.said.add(verdict.action)
        return verdict

    def gravest(self) -> str:
        return next((action for action in ("block", "rewrite", "allow") if action in self.said), "")


async def _passed(found: Registered, way: Way, value: Any, check: Check) -> Any:
    if isinstance(value, str):
        return await _text(found, way, value, check) if value.strip() else value
    if isinstance(value, Mapping):
        marks = _MARKS if "content" in value or "text" in value else frozenset()
        return {
            key: each if key in marks else await _passed(found, way, each, check)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [await _passed(found, way, each, check) for each in value]
    return value


async def _text(found: Registered, way: Way, text: str, check: Check) -> str:
    verdict = await check(found, text)
    if verdict.action == "block":
        because = f" ({verdict.reason.rstrip('.')})" if verdict.reason else ""
        raise Blocked(f"the guardrail {found.name} blocked its {way}{because}; change the text, or the guard")
    return str(verdict.text) if verdict.action == "rewrite" else text


def _found(catalog: Catalog, names: tuple[str, ...]) -> list[Registered]:
    found = []
    for name in names:
        registered = catalog.get("guardrail", name)
        if registered is None:
            raise NotFound(f"there is no guardrail {name}; see `hubbub plugin list`")
        found.append(registered)
    return found


def _says(call: StepCall) -> bool:
    return call.node.use == "llm"


def _context(scope: RunScope, found: Registered) -> CallContext:
    run = scope.run
    return CallContext(
        tenant=run.tenant,
        run=run.id,
        thread=run.thread,
        idempotency_key=f"{run.id}:guardrail:{found.name}",
        deadline=scope.deadline,
        params=None,
        log=scope.log,
        services=scope.services,
        emitter=_nowhere,
        key=run.options.key,
    )


def _nowhere(_: Delta) -> None:
    """Drop a piece of text: a guardrail has nothing to say to those who watch."""
