"""Standard tests for step kinds."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from hubbub.testing.case import CallTests
from hubbub.testing.context import FakeContext
from hubbub.testing.subject import Subject
from hubbub.testing.values import shown


class StepTests(CallTests):
    """Examples are parameters, as mappings; `state` is the state that the step reads."""

    kind = "step"
    state: Mapping[str, Any] = {}

    def given(self) -> Sequence[Any]:
        """Return no parameters, where none are needed."""
        try:
            self.make().Params.model_validate({})
        except ValidationError:
            return ()
        return ({},)

    async def exercise(self, subject: Subject, example: Any, ctx: FakeContext) -> Any:
        """Run the step once."""
        return await self._run(subject, example, copy.deepcopy(dict(self.state)), ctx)

    def judge(self, example: Any, answer: Any) -> None:
        """Whatever is JSON may be a step's result; that it is, is seen for every kind."""

    def test_the_state_stays_as_it_was(self) -> None:
        """What a step writes is what it returns; it never changes the state itself."""

        async def ask(subject: Subject) -> None:
            for example in self._examples(subject.value):
                state = copy.deepcopy(dict(self.state))
                await self._run(subject, example, state, self.context(subject))
                assert state == dict(self.state), (
                    f"it changed the state to {shown(state)}; return what it shall write"
                )

        self.play(ask)

    async def _run(self, subject: Subject, example: Any, state: dict[str, Any], ctx: FakeContext) -> Any:
        try:
            params = subject.value.Params.model_validate(example)
        except ValidationError as error:
            raise AssertionError(f"Params refuses the example {shown(example)} ({error}); mend one") from None
        return await subject.call("run", state, params, ctx)
