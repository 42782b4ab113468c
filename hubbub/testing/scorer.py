"""Standard tests for scorers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubbub.testing.case import CallTests
from hubbub.testing.context import FakeContext
from hubbub.testing.subject import Subject
from hubbub.testing.values import finite, same, shown
from runtime.extensions.answers import plain
from runtime.types import Score


class ScorerTests(CallTests):
    """Examples are items: mappings with the fields that the scorer looks at."""

    kind = "scorer"

    async def exercise(self, subject: Subject, example: Any, ctx: FakeContext) -> Any:
        """Score one item."""
        return await subject.call("score", example, ctx)

    def judge(self, example: Any, answer: Any) -> None:
        """A score is a number from 0 to 1, and its reasons are sentences."""
        assert isinstance(answer, Score), f"score gave {shown(answer)}; return a Score"
        assert finite(answer.value) and 0 <= answer.value <= 1, (  # noqa: PT018
            f"the value for {shown(example)} is {answer.value}; it is a number from 0 to 1"
        )
        listed = isinstance(answer.reasons, list | tuple)
        assert listed, f"the reasons are {shown(answer.reasons)}; give a tuple of sentences"
        for reason in answer.reasons:
            assert _says_something(reason), f"a reason is {shown(reason)}; give a sentence"
        assert isinstance(answer.details, Mapping), f"the details are {shown(answer.details)}; give a mapping"

    def test_many_are_scored_as_each_is_alone(self) -> None:
        """`score_many`, where there is one, gives what `score` gives for each, in their order."""

        async def ask(subject: Subject) -> None:
            if not subject.has("score_many"):
                return
            items, ctx = self._examples(subject.value), self.context(subject)
            many = list(await subject.call("score_many", items, ctx))
            alone = [await self.exercise(subject, item, ctx) for item in items]
            assert same(plain(many), plain(alone)), (
                f"score_many gave {shown(many)}, score one by one {shown(alone)}; let both say the same"
            )

        self.play(ask)


def _says_something(reason: Any) -> bool:
    if isinstance(reason, Mapping):
        return any(isinstance(value, str) and value.strip() for value in reason.values())
    return isinstance(reason, str) and bool(reason.strip())
