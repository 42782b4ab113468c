"""Standard tests for providers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import orjson

from hubbub.testing.case import CallTests
from hubbub.testing.context import FakeContext
from hubbub.testing.loop import left_running
from hubbub.testing.subject import Subject
from hubbub.testing.values import shown
from runtime.errors import HubbubError
from runtime.types import ChatRequest, Delta, Message, Usage

FINISHES = "stop", "length", "tool_calls", "content_filter", "incomplete"


class ProviderTests(CallTests):
    """Examples are `ChatRequest`s, or texts that a user says; `model` is what they ask for."""

    kind = "provider"
    model: str = "test"

    def given(self) -> Sequence[Any]:
        """Return two questions."""
        return "When do owls hunt?", "Which birds sing in the morning?"

    async def exercise(self, subject: Subject, example: Any, ctx: FakeContext) -> list[Any]:
        """Read a stream to its end."""
        async with aclosing(subject.stream("stream", self._request(example), ctx)) as pieces:
            return [piece async for piece in pieces]

    def judge(self, example: Any, answer: list[Any]) -> None:
        """A stream is of Deltas, has its one finish at the end, and counts what it used."""
        for piece in answer:
            assert isinstance(piece, Delta), f"stream yielded {shown(piece)}; yield Delta objects"
            assert isinstance(piece.text, str), f"a piece has the text {shown(piece.text)}; give a str"
        finishes = [piece.finish for piece in answer if piece.finish is not None]
        assert finishes, 'the stream ended without a finish; yield Delta(finish="stop") at the end'
        assert len(finishes) == 1, f"the stream has {len(finishes)} finishes; only the last piece has one"
        assert answer[-1].finish is not None, "pieces came after the finish; yield it last"
        assert finishes[0] in FINISHES, f"{finishes[0]!r} is no finish; use one of {', '.join(FINISHES)}"
        _judge_usage([piece.usage for piece in answer if piece.usage is not None])
        _judge_tool_calls(answer)

    def test_it_takes_a_whole_conversation(self) -> None:
        """Roles and content blocks are understood, or refused with a sentence."""
        blocks = [{"type": "text", "text": "And larks?"}]
        messages: list[Message] = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "When do owls hunt?"},
            {"role": "assistant", "content": "At night."},
            {"role": "user", "content": blocks},
        ]

        async def ask(subject: Subject) -> None:
            request = ChatRequest(self.model, messages, temperature=0.0, max_tokens=50)
            try:
                answer = await self.exercise(subject, request, self.context(subject))
            except AssertionError as error:
                if not isinstance(error.__cause__, HubbubError):
                    raise
                return
            self.judge(request, answer)

        self.play(ask)

    def test_a_reader_may_leave_early(self) -> None:
        """A stream that is closed after its first piece ends at once and leaves nothing running."""

        async def ask(subject: Subject) -> None:
            (example, *_) = self._examples(subject.value)
            pieces = subject.stream("stream", self._request(example), self.context(subject))
            await anext(pieces, None)
            closing = asyncio.ensure_future(pieces.aclose())
            await asyncio.wait({closing}, timeout=2)
            assert closing.done(), "the stream does not end when its reader leaves; bound what finally does"
            assert closing.exception() is None, (
                f"closing the stream early failed ({closing.exception()}); do not yield in finally or except"
            )

        left = self.play(ask, left_running)
        assert not left, f"a stream that was left early still runs {', '.join(left)}; end it in finally"

    def test_the_models_it_lists_have_names(self) -> None:
        """`models`, where there is one, gives names."""

        async def ask(subject: Subject) -> None:
            if subject.has("models"):
                names = await subject.call("models")
                listed = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
                assert listed, f"models gave {shown(names)}; return a list of names"

        self.play(ask)

    def _request(self, example: Any) -> ChatRequest:
        if isinstance(example, ChatRequest):
            return example
        return ChatRequest(self.model, [{"role": "user", "content": str(example)}])


def _judge_usage(given: list[Any]) -> None:
    for usage in given:
        assert isinstance(usage, Usage), f"a piece has the usage {shown(usage)}; give a Usage"
        counts = usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.reasoning_tokens
        sound = all(isinstance(count, int) for count in counts) and min(counts) >= 0
        assert sound, f"the usage is {shown(usage)}; tokens are counts, 0 or more"
        cost = usage.cost_usd
        assert cost is None or cost >= 0, f"the cost is {cost}; it is None when no price is known"


def _judge_tool_calls(pieces: list[Any]) -> None:
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    for call in (piece.tool_call for piece in pieces if piece.tool_call is not None):
        names[call.index] = names.get(call.index, "") or call.name
        arguments[call.index] = arguments.get(call.index, "") + call.arguments
    for index, text in arguments.items():
        assert names[index], f"the tool call {index} has no name; give it with its first piece"
        try:
            orjson.loads(text or "{}")
        except orjson.JSONDecodeError:
            raise AssertionError(
                f"the arguments of the tool call {names[index]} are {shown(text)}; give JSON text"
            ) from None
