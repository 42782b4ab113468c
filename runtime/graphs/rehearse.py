"""Runs a graph with mocks in the place of everything that it would call: offline, in milliseconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, cast

from runtime.errors import HubbubError, InvalidInput
from runtime.extensions.catalog import Catalog
from runtime.extensions.context import Services
from runtime.extensions.failures import in_words
from runtime.graphs.cases import ERROR, Case, cases_of, names_in_expect, needs_mock, with_settings
from runtime.graphs.conditions import compile_condition
from runtime.graphs.decisions import Decision, Exit, choices, why_not
from runtime.graphs.fields import checked_input
from runtime.graphs.file import GraphFile
from runtime.graphs.findings import in_sentence, near
from runtime.graphs.scope import Outcome, RunScope, StepCall
from runtime.records import Run, RunStatus
from runtime.telemetry import Telemetry
from runtime.types import JsonObject, Usage

if TYPE_CHECKING:
    from runtime.graphs.scope import MessageSink

LONGEST = 10.0
"""Seconds that one rehearsal may take: nothing in it waits for anybody."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What came of one rehearsal; `error` is the sentence with which it ended, if it failed."""

    values: JsonObject
    decisions: Sequence[Decision] = ()
    steps: Sequence[str] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one test: it has passed when nothing has `failed`."""

    case: Case
    failed: Sequence[str]
    rehearsed: Rehearsed
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """What came of the tests of a graph, and which of its ways they took."""

    file: GraphFile
    verdicts: Sequence[Verdict]

    @property
    def passed(self) -> bool:
        """Whether no test failed."""
        return not any(verdict.failed for verdict in self.verdicts)

    @property
    def ways(self) -> Sequence[Exit]:
        """Every way that a run may or may not take."""
        return choices(self.file)

    @property
    def untried(self) -> Sequence[Exit]:
        """The ways that no test took."""
        taken = {(one.step, one.key) for each in self.verdicts for one in each.rehearsed.decisions}
        return [way for way in self.ways if (way.step, way.key) not in taken]


async def try_out(file: GraphFile) -> Report:
    """Run the tests of a graph that has passed its check."""
    import runtime.graphs.compile  # noqa: F401 - a second the first time, which is no test's

    return Report(file, [await _try(file, case) for case in cases_of(file)])


async def rehearse(
    file: GraphFile,
    input: JsonObject,
    mocks: Mapping[str, Any],
    *,
    heard: Callable[[Decision | str], None] = lambda happening: None,
) -> Rehearsed:
    """Run a graph that has passed its check once; InvalidInput when its input or a mock's name is wrong.

    `heard` is told of each decision, and of each step by its name when it is done.
    """
    from runtime.graphs.compile import compile_graph, initial_state

    given = checked_input(file.name, file.input, input)
    for step in mocks:
        if step not in file.nodes:
            remedy = in_sentence(near(step, file.nodes))
            raise InvalidInput(f"The graph {file.name} has no step {step} to stand in for; {remedy}")
    builder = compile_graph(file, {}, lambda reference, needed_by: reference)
    graph = builder.compile(name=file.name)
    stage = _Stage(file, mocks, heard)
    values: JsonObject = {}
    error = ""
    try:
        async with asyncio.timeout(LONGEST):
            stream: AsyncIterator[Any] = graph.astream(
                initial_state(file, given),
                {"recursion_limit": file.limits.max_steps},
                context=stage.scope(given),
                stream_mode=["updates", "values"],
            )
            async for mode, part in stream:
                if mode == "values":
                    values = {name: value for name, value in part.items() if name in file.fields}
                else:
                    stage.done(part)
    except Exception as failure:
        error = str(failure) if isinstance(failure, HubbubError) else _ended(failure)
    return Rehearsed(values, stage.decisions, stage.steps, error)


async def _try(file: GraphFile, case: Case) -> Verdict:
    started = time.perf_counter()
    chosen = with_settings(file, case.settings)
    rehearsed = await rehearse(chosen, case.input, case.mock)
    failed = list(_failures(chosen, case, rehearsed))
    return Verdict(case, failed, rehearsed, time.perf_counter() - started)


def _failures(file: GraphFile, case: Case, rehearsed: Rehearsed) -> Iterable[str]:
    """Yield why the test fails."""
    names = names_in_expect(file)
    values = {**dict.fromkeys(names), **file.settings, **rehearsed.values, "settings": file.settings}
    values |= {"state": rehearsed.values, "input": {name: rehearsed.values.get(name) for name in file.input}}
    if ERROR not in file.fields and ERROR not in file.settings:
        values[ERROR] = rehearsed.error or None
    conditions = [compile_condition(text, names) for text in case.expect]
    if rehearsed.error and not any((ERROR,) in condition.paths for condition in conditions):
        yield f"the run ended with an error: {rehearsed.error}"
        return
    for condition in conditions:
        try:
            holds, missing = condition.holds(values)
        except InvalidInput as error:
            yield str(error)
            continue
        if not holds:
            yield f"expected {why_not(condition, values, missing)}"


def _ended(failure: Exception) -> str:
    if isinstance(failure, RecursionError):
        return (
            "The run took more steps than limits.max_steps of its graph allows; raise it, or mend the loop."
        )
    if isinstance(failure, TimeoutError):
        return f"The run did not end within {LONGEST:g} s; mend the loop."
    return f"The run failed: {in_words(failure)}."


# --------------------------------------------------------------------------- the stage


@dataclass(slots=True)
class _Stage:
    """Stands in for the world of one run, and notes what happens."""

    file: GraphFile
    mocks: Mapping[str, Any]
    heard: Callable[[Decision | str], None]
    decisions: list[Decision] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def result(self, call: StepCall) -> Outcome | None:
        """Return what the mock of a step says."""
        step = call.node.id
        if step not in self.mocks:
            if needs_mock(call.node):
                raise InvalidInput(f"nothing stands in for {call.node.use}; add {step} to the mocks")
            return None
        mock = self.mocks[step]
        if call.item is not None and isinstance(mock, list) and mock:
            if call.item >= len(mock):
                raise InvalidInput(f"its mock is of {len(mock)} items, and there are more; add one for each")
            mock = mock[call.item]
        if mock == ERROR:
            raise InvalidInput("its mock says so")
        return Outcome(mock)

    def answer(self, step: str) -> Any:
        """Return what the mock of an approval says."""
        approval = self.file.nodes[step].approval
        mock = self.mocks.get(step)
        choice = mock.get("choice") if isinstance(mock, Mapping) else mock
        if approval is None or choice not in approval.choices:
            asked = " or ".join(approval.choices) if approval else "nothing"
            raise InvalidInput(f"The step {step} waits for a person; add {step} to the mocks, with {asked}.")
        return mock

    @property
    def max_steps(self) -> int:
        return self.file.limits.max_steps

    def step(self) -> None:
        """LangGraph counts them."""

    def spend(self, usage: Usage, alias: str) -> None:
        """No model is asked."""

    def decided(self, decision: Decision) -> None:
        self.decisions.append(decision)
        self.heard(decision)

    def done(self, part: Mapping[str, Any]) -> None:
        for step in part:
            self.steps.append(step)
            self.heard(step)

    def scope(self, given: JsonObject) -> RunScope:
        run = Run("rehearsal", "rehearsal", "default", self.file.name, "", RunStatus.RUNNING, given, 0.0, 0.0)
        return RunScope(
            run=run,
            deadline=time.monotonic() + LONGEST,
            catalog=Catalog(),
            services=cast(Services, _Nobody()),
            telemetry=Telemetry(),
            log=_Silence(),
            messages=_no_message,
            custom=lambda name, payload: None,
            settled=_settled,
            meter=self,
            decided=self.decided,
            stand_in=self,
        )


class _Nobody:
    """The services of a rehearsal, in which every call has a mock."""

    def __getattr__(self, name: str) -> NoReturn:
        _refuse(name)


class _Silence:
    """The log of a rehearsal: what happens is in its report."""

    def debug(self, event: str, **values: Any) -> None:
        """Say nothing."""

    info = warning = error = debug


def _refuse(what: str) -> NoReturn:
    raise InvalidInput(f"A rehearsal does not call {what}; give the step a mock.")


def _no_message(step: str, id: str, namespace: tuple[str, ...]) -> MessageSink:
    _refuse(f"the step {step}")


async def _settled() -> None:
    """Nothing has to be on disk."""
