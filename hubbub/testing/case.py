"""The standard tests that objects of every kind share: shape, lifecycle, and calls that harm nobody."""

from __future__ import annotations

import asyncio
import copy
import inspect
import threading
import unittest
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, TypeVar

from pydantic import ValidationError

from hubbub.testing.context import FakeContext
from hubbub.testing.loop import LEAVING, PATIENCE, left_running, run, threads_left
from hubbub.testing.subject import CallFailed, Subject
from hubbub.testing.values import same, shown
from runtime.extensions.answers import plain
from runtime.extensions.shapes import KINDS, find_misfit
from runtime.types import Health

T = TypeVar("T")

_TURNS = 1, 3
"""Turns of the event loop after which calls are cancelled: at their start, and in their midst."""


class StandardTests:
    """What holds for an object of any kind.

    `params` are the object's own parameters, for those that declare `Params`.  `patience` are the
    seconds that one test may take.
    """

    kind: ClassVar[str] = ""
    params: Mapping[str, Any] = {}
    patience: float = PATIENCE

    def make(self) -> Any:
        """Return the object to be tested, a new one each time."""
        raise NotImplementedError(f"{type(self).__name__} has no make(self); return a new object there")

    def test_it_has_what_its_kind_needs(self) -> None:
        """Its name, attributes and methods are those of its kind's Protocol."""
        kind = next(kind for kind in KINDS.values() if kind.name == self.kind)
        misfit = find_misfit(kind, self.make())
        assert misfit is None, misfit.words

    def test_it_starts_and_closes(self) -> None:
        """`start` and `aclose`, where there are any, end in time and leave nothing running."""
        before = threading.enumerate()
        left = self.play(lambda _: asyncio.sleep(0), left_running)
        assert not left, f"after aclose this still runs: {', '.join(left)}; end it there"
        _refuse_threads(before)

    def test_its_check_gives_a_health(self) -> None:
        """`check`, where there is one, gives a `Health` with a sentence when all is not well."""

        async def ask(subject: Subject) -> None:
            if not subject.has("check") or self.kind == "guardrail":  # whose `check` is another one
                return
            health = await subject.call("check")
            assert isinstance(health, Health), f"check gave {shown(health)}; return a Health"
            assert health.ok or health.detail, "check says that all is not well; say why in detail"

        self.play(ask)

    # ------------------------------------------------------------------- for the tests of a kind

    def play(
        self,
        act: Callable[[Subject], Awaitable[T]],
        after: Callable[[], Awaitable[Any]] | None = None,
        *,
        may_block: bool = True,
    ) -> Any:
        """Start a new object, act on it, close it, on an event loop of its own.

        Returns what `act` gave, or what `after` gives once the object is closed.
        """
        value = self.make()
        file = _file_of(value)

        async def scenario() -> Any:
            subject = Subject(value, file)
            if subject.has("start"):
                await subject.call("start")
            try:
                given = await act(subject)
            finally:
                for context in subject.contexts:
                    await context.aclose()
                if subject.has("aclose"):
                    await subject.call("aclose")
            return await after() if after else given

        return run(scenario, file, patience=self.patience, may_block=may_block)

    def context(self, subject: Subject, **given: Any) -> FakeContext:
        """Return the context of one call, with the object's own parameters."""
        declared = getattr(subject.value, "Params", None)
        if declared is not None and self.kind != "step":
            try:
                given.setdefault("params", declared.model_validate(dict(self.params)))
            except ValidationError:
                raise unittest.SkipTest("its Params need values: give them as params = {…}") from None
        subject.contexts.append(FakeContext(**given))
        return subject.contexts[-1]


class CallTests(StandardTests):
    """What holds for every call of an object.

    `examples` are what it is called with: items, queries, inputs, arguments …; without any, those of the
    object itself are taken (its attribute `examples`), or such as fit every object of the kind.  They
    must succeed.  `stateless` says that a call's answer does not depend on earlier calls.
    """

    examples: Sequence[Any] = ()
    stateless: bool = True

    async def exercise(self, subject: Subject, example: Any, ctx: FakeContext) -> Any:
        """Call the object once, in the way of its kind."""
        raise NotImplementedError

    def judge(self, example: Any, answer: Any) -> None:
        """Refuse an answer that the kind does not allow, with a sentence."""
        raise NotImplementedError

    def given(self) -> Sequence[Any]:
        """Return examples that every object of the kind can take."""
        return ()

    def test_its_answers_are_such_as_its_kind_allows(self) -> None:
        """The answer to each example has the right shape, type and range."""

        async def ask(subject: Subject) -> None:
            for example in self._examples(subject.value):
                answer = await self.exercise(subject, example, self.context(subject))
                self.judge(example, answer)
                _plain(answer)

        self.play(ask)

    def test_what_it_is_given_stays_as_it_was(self) -> None:
        """No call changes what it was given."""

        async def ask(subject: Subject) -> None:
            for example in self._examples(subject.value):
                before, params = copy.deepcopy(example), repr(self.context(subject).params)
                await self._use(subject, example)
                after = repr(subject.contexts[-1].params)
                assert after == params, f"it changed ctx.params to {shown(after)}; work on a copy"
                assert repr(example) == repr(before), (
                    f"it changed what it was given from {shown(before)} to {shown(example)}; work on a copy"
                )

        self.play(ask)

    def test_an_earlier_call_changes_nothing(self) -> None:
        """The same call gives the same answer, whatever was asked in between."""
        self._only_stateless()
        one, two = self._pair()

        async def ask(subject: Subject) -> None:
            answers = [await self._answer_of(example, "tenant", subject) for example in (one, two, one)]
            first, _, again = answers
            assert same(first, again), (
                f"the same call gave {shown(first)} and later {shown(again)}; keep nothing between two calls"
            )

        self.play(ask)

    def test_calls_at_once_do_not_mix(self) -> None:
        """Two calls at the same time, for two tenants, give what each gives alone."""
        pair = list(zip(self._pair(), ("one", "two"), strict=True))
        alone = [self.play(partial(self._answer_of, *call)) for call in pair]

        async def ask(subject: Subject) -> list[Any]:
            return await asyncio.gather(*(self._answer_of(*call, subject) for call in pair))

        together = self.play(ask)
        crossed = not same(*alone) and (same(together[0], alone[1]) or same(together[1], alone[0]))
        differs = self.stateless and self._steady() and not same(together, alone)
        assert not crossed, "of two calls at once, one got the other's answer; keep nothing of a call in self"
        assert not differs, (
            f"two calls at once gave {shown(together)}, one after the other {shown(alone)}; "
            "keep nothing of a call in self"
        )

    def test_a_cancelled_call_ends(self) -> None:
        """A call that is cancelled ends soon, and without an answer."""

        async def ask(subject: Subject) -> None:
            (example, *_) = self._examples(subject.value)
            for turns in _TURNS:
                call = asyncio.ensure_future(self.exercise(subject, example, self.context(subject)))
                for _ in range(turns):
                    await asyncio.sleep(0)
                if not call.cancel():
                    continue
                await asyncio.wait({call}, timeout=2 * LEAVING)
                assert call.done(), "it goes on when it is cancelled; let CancelledError through"
                swallowed = not call.cancelled() and call.exception() is None
                assert not swallowed, "it answers although it was cancelled; let CancelledError through"

        self.play(ask)

    def test_its_calls_leave_nothing_running(self) -> None:
        """No task and no thread of a call outlives the object."""
        before = threading.enumerate()

        async def ask(subject: Subject) -> None:
            for example in self._examples(subject.value):
                await self._use(subject, example)

        left = self.play(ask, left_running)
        assert not left, f"a call left this running: {', '.join(left)}; await it, or end it in aclose"
        _refuse_threads(before)

    def test_its_calls_do_not_hold_up_the_event_loop(self) -> None:
        """While a call works, others go on."""

        async def ask(subject: Subject) -> None:
            for example in self._examples(subject.value):
                await self._use(subject, example)

        self.play(ask, may_block=False)

    # ------------------------------------------------------------------- of these tests alone

    def _examples(self, value: Any) -> list[Any]:
        found = self.examples or getattr(value, "examples", ()) or self.given()
        if not found:
            raise unittest.SkipTest("there is nothing to call it with: give examples = (…)")
        return copy.deepcopy(list(found))

    def _pair(self) -> list[Any]:
        return (self._examples(self.make()) * 2)[:2]

    async def _answer_of(self, example: Any, tenant: str, subject: Subject) -> Any:
        answer = await self._use(subject, copy.deepcopy(example), tenant=tenant)
        try:
            return _plain(answer)
        except AssertionError as error:
            raise unittest.SkipTest(f"its answers cannot be compared: {error}") from None

    async def _use(self, subject: Subject, example: Any, **given: Any) -> Any:
        """Call the object in a test that is about something else: one that fails is told by its own test."""
        try:
            return await self.exercise(subject, example, self.context(subject, **given))
        except CallFailed as error:
            raise unittest.SkipTest(f"a call fails, which another test tells: {error}") from None

    def _steady(self) -> bool:
        """Whether two new objects give the same answer to the same call."""
        one, _ = self._pair()
        first, second = (self.play(partial(self._answer_of, one, "tenant")) for _ in range(2))
        return same(first, second)

    def _only_stateless(self) -> None:
        if not self.stateless:
            raise unittest.SkipTest("calls may change something: its tests say stateless = False")
        if not self._steady():
            raise unittest.SkipTest("its answers are never the same twice, so they cannot be compared")


def _plain(answer: Any) -> Any:
    try:
        return plain(answer)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"it gave what is not JSON ({error}); give plain values") from None


def _refuse_threads(before: list[threading.Thread]) -> None:
    left = threads_left(before)
    assert not left, f"these threads were left running: {', '.join(left)}; end them in aclose"


def _file_of(value: Any) -> str:
    """Return the file whose lines the object's methods are."""
    for kind in type(value).__mro__:
        for method in vars(kind).values():
            code = getattr(inspect.unwrap(method), "__code__", None) if callable(method) else None
            if code is not None:
                return str(code.co_filename)
    return ""
