"""Standard tests for recommenders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hubbub.testing.case import CallTests
from hubbub.testing.context import FakeContext
from hubbub.testing.ranking import judge_ranking
from hubbub.testing.subject import Subject
from hubbub.testing.values import shown
from runtime.types import Item


class RecommenderTests(CallTests):
    """Examples are ids of users, best such as are known; `k` is how many items are asked for."""

    kind = "recommender"
    k: int = 3

    def given(self) -> Sequence[Any]:
        """Return two users."""
        return "1", "2"

    async def exercise(self, subject: Subject, example: Any, ctx: FakeContext) -> Any:
        """Recommend once."""
        return await subject.call("recommend", example, self.k, ctx)

    def judge(self, example: Any, answer: Any) -> None:
        """Items are at most `k`, the best first, each once, and say why in sentences."""
        judge_ranking("recommend", answer, self.k, Item)
        for item in answer:
            listed = isinstance(item.because, list | tuple)
            assert listed, f"because of {item.id} is {shown(item.because)}; give a tuple of sentences"
            empty = [why for why in item.because if not isinstance(why, str) or not why.strip()]
            assert not empty, f"because of {item.id} holds {shown(empty[0])}; give sentences"

    def test_it_gives_no_more_than_it_is_asked_for(self) -> None:
        """`k` is kept, whatever it is."""

        async def ask(subject: Subject) -> None:
            for user in self._examples(subject.value):
                for k in (1, 2, 20):
                    items = await subject.call("recommend", user, k, self.context(subject))
                    judge_ranking("recommend", items, k, Item)

        self.play(ask)

    def test_a_new_user_is_no_failure(self) -> None:
        """Somebody unknown gets what most like, or nothing, and no error."""

        async def ask(subject: Subject) -> None:
            items = await self.exercise(subject, "nobody-has-this-id", self.context(subject))
            self.judge("nobody-has-this-id", items)

        self.play(ask)
