"""Answers to the questions of an interrupted run: what they are for, whether they fit, what stays open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from runtime.errors import InvalidInput, NoSuchInterrupt
from runtime.records import Interrupt, Run, RunOptions, RunStatus
from runtime.types import JsonObject

_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person answers: `responses` by interrupt id, and LangGraph's `update` and `goto` beside it.

    `config` and `metadata` are added to those of the run.
    """

    responses: Mapping[str, Any]
    update: JsonObject | None = None
    goto: Any = None
    config: JsonObject = field(default_factory=dict)
    metadata: JsonObject = field(default_factory=dict)

    @property
    def command(self) -> JsonObject:
        """The command that LangGraph resumes with."""
        found: JsonObject = {"resume": dict(self.responses)}
        if self.update is not None:
            found["update"] = self.update
        if self.goto is not None:
            found["goto"] = self.goto
        return found


def answered(run: Run, answer: Answer) -> Run:
    """Return an interrupted run as it goes on; NoSuchInterrupt, InvalidInput when an answer does not fit.

    Questions that nobody answered stay with the run: it asks them again.
    """
    for id, value in answer.responses.items():
        check(question(run.waiting, id), value)
    rest = tuple(each for each in run.waiting if each.id not in answer.responses)
    options = replace(run.options, command=answer.command, turn=run.options.turn + 1)
    return replace(
        run,
        status=RunStatus.ACCEPTED,
        attempt=0,
        fence=run.fence + 1,
        options=options,
        waiting=rest,
        config={**run.config, **answer.config},
        metadata={**run.metadata, **answer.metadata},
    )


def resuming(options: RunOptions, waiting: Sequence[Interrupt]) -> RunOptions:
    """Return the options of a run that goes on from an interrupted one, its `resume` as answers by id.

    As in LangGraph, a value that is no mapping of ids answers the only question there is.
    """
    command = options.command
    if command is None or "resume" not in command or not waiting:
        return options
    value, ids = command["resume"], {each.id for each in waiting}
    if not (isinstance(value, dict) and value and value.keys() <= ids):
        if len(waiting) > 1:
            names = ", ".join(sorted(ids))
            raise InvalidInput(
                f"The run waits for {len(waiting)} answers; send `resume` as a mapping of {names}."
            )
        value = {waiting[0].id: value}
    for id, each in value.items():
        check(question(waiting, id), each)
    return replace(options, command={**command, "resume": value})


def question(waiting: Iterable[Interrupt], id: str) -> Interrupt:
    """Return the question with this id; NoSuchInterrupt."""
    for each in waiting:
        if each.id == id:
            return each
    raise NoSuchInterrupt(f"Nothing waits for an answer to {id[:64]}; look at the thread's state.")


def check(asked: Interrupt, value: Any) -> None:
    """Refuse an answer that does not fit the question's schema."""
    if asked.schema is None:
        return
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    if error := best_match(Draft202012Validator(asked.schema).iter_errors(value)):
        place = "".join(f".{part}" for part in error.absolute_path)
        raise InvalidInput(
            f"The answer{place} does not fit: {error.message[:_SHOWN]}; see response_schema of the question."
        )


def merged(asked: Sequence[Interrupt], before: Sequence[Interrupt]) -> tuple[Interrupt, ...]:
    """Return what a run asks now; a question that was open before keeps the time it has."""
    earlier = {each.id: each for each in before}
    return tuple(
        replace(each, expires_at=earlier[each.id].expires_at) if each.id in earlier else each
        for each in asked
    )
