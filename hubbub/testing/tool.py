"""Standard tests for tools."""

from __future__ import annotations

import unittest
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from hubbub.testing.case import CallTests
from hubbub.testing.context import FakeContext
from hubbub.testing.subject import Subject
from hubbub.testing.values import shown


class ToolTests(CallTests):
    """Examples are arguments, as mappings; `failing` are such as the tool must refuse or fail on.

    Both may be attributes of the tool itself.
    """

    kind = "tool"
    stateless = False
    failing: Sequence[Mapping[str, Any]] = ()

    async def exercise(self, subject: Subject, example: Any, ctx: FakeContext) -> Any:
        """Use the tool once."""
        return await subject.call("run", _arguments(subject.value, example), ctx)

    def judge(self, example: Any, answer: Any) -> None:
        """A result is no error in disguise."""
        told = isinstance(answer, Mapping) and answer.get("error")
        said = isinstance(answer, str) and answer.lower().startswith(("error", "exception", "traceback"))
        assert not told, f"run gave {shown(answer)}: an error as a result; raise an error instead"
        assert not said, f"run gave {shown(answer)}: an error as a result; raise an error instead"

    def test_its_arguments_have_a_schema(self) -> None:
        """A model can be told what the tool takes."""
        tool = self.make()
        try:
            tool.Args.model_json_schema()
        except Exception as error:
            raise AssertionError(
                f"no JSON Schema can be made of Args ({type(error).__name__}); use plain types there"
            ) from None

    def test_what_must_fail_raises(self) -> None:
        """A failure is raised, so that the graph can retry, undo or say it; it is no result."""
        failing = self.failing or getattr(self.make(), "failing", ())
        if not failing:
            raise unittest.SkipTest("there is nothing that must fail: give failing = (…)")

        given: list[Any] = []

        async def ask(subject: Subject) -> None:
            for example in failing:
                with suppress(Exception):
                    arguments = subject.value.Args.model_validate(example)
                    given.append((example, await subject.raw("run", arguments, self.context(subject))))

        self.play(ask)
        for example, result in given:
            raise AssertionError(f"{shown(example)} gave {shown(result)}; raise an error instead")


def _arguments(tool: Any, example: Any) -> Any:
    try:
        return tool.Args.model_validate(example)
    except ValidationError as error:
        raise AssertionError(f"Args refuses the example {shown(example)} ({error}); mend one") from None
