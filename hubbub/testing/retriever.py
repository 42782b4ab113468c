"""Standard tests for retrievers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hubbub.testing.case import CallTests
from hubbub.testing.context import FakeContext
from hubbub.testing.ranking import judge_ranking
from hubbub.testing.subject import Subject
from hubbub.testing.values import shown
from runtime.errors import InvalidInput
from runtime.types import Hit

_ODD = "", "   ", '"unbalanced', "AND OR NOT (", "a*b^c:d~e", "🦉", "don't", "word " * 2000


class RetrieverTests(CallTests):
    """Examples are queries, best such as find something; `k` is how many hits are asked for."""

    kind = "retriever"
    k: int = 3

    def given(self) -> Sequence[Any]:
        """Return two queries."""
        return "When do owls hunt at night?", "larks in the morning"

    async def exercise(self, subject: Subject, example: Any, ctx: FakeContext) -> Any:
        """Search once."""
        return await subject.call("search", example, self.k, ctx)

    def judge(self, example: Any, answer: Any) -> None:
        """Hits are at most `k`, the best first, each with a text and its source."""
        judge_ranking("search", answer, self.k, Hit)
        for hit in answer:
            assert isinstance(hit.text, str), f"the text of {hit.id} is {shown(hit.text)}; give a str"
            assert isinstance(hit.source, Mapping), (
                f"the source of {hit.id} is {shown(hit.source)}; give a mapping of path, id, title and line"
            )

    def test_it_gives_no_more_than_it_is_asked_for(self) -> None:
        """`k` is kept, whatever it is."""

        async def ask(subject: Subject) -> None:
            for query in self._examples(subject.value):
                for k in (1, 2, 20):
                    hits = await subject.call("search", query, k, self.context(subject))
                    judge_ranking("search", hits, k, Hit)

        self.play(ask)

    def test_an_odd_query_is_no_failure(self) -> None:
        """Empty, long and wild queries find something, nothing, or are refused with InvalidInput."""

        async def ask(subject: Subject) -> None:
            for query in _ODD:
                try:
                    hits = await subject.call("search", query, self.k, self.context(subject))
                except AssertionError as error:
                    if not isinstance(error.__cause__, InvalidInput):
                        raise AssertionError(f"on the query {shown(query)} {error}") from error  # noqa: TRY004
                else:
                    judge_ranking("search", hits, self.k, Hit)

        self.play(ask)
