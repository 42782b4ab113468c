"""Standard tests for guardrails."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from hubbub.testing.case import CallTests
from hubbub.testing.context import FakeContext
from hubbub.testing.subject import Subject
from hubbub.testing.values import shown
from runtime.types import Verdict

_ACTIONS = "allow", "block", "rewrite"
_LENGTHS = (*((length, 0.25) for length in range(12, 32, 2)), (200, 1.0), (2_000, 1.0), (20_000, 2.0))
"""Lengths of texts, and the seconds of processor time that each may take; short ones first, because a
pattern cannot be stopped."""
_WEARY = ("a", "1", " ", "@", ".", "-", "a.", "1-", "a@", "((", "{{")
"""What makes careless patterns try for ever, many times over."""


class GuardrailTests(CallTests):
    """Examples are texts; `blocked`, `rewritten` and `allowed` are such as must be."""

    kind = "guardrail"
    blocked: Sequence[str] = ()
    rewritten: Sequence[str] = ()
    allowed: Sequence[str] = ()

    def given(self) -> Sequence[Any]:
        """Return harmless texts, among them nothing at all."""
        return "When do owls hunt?", "", "🦉", *self.allowed, *self.blocked, *self.rewritten

    async def exercise(self, subject: Subject, example: Any, ctx: FakeContext) -> Any:
        """Check one text."""
        return await subject.call("check", example, ctx)

    def judge(self, example: Any, answer: Any) -> None:
        """A verdict is one of three, says why where it must, and a rewrite has a text."""
        assert isinstance(answer, Verdict), f"check gave {shown(answer)}; return a Verdict"
        assert answer.action in _ACTIONS, f"{answer.action!r} is no action; use {', '.join(_ACTIONS)}"
        if answer.action == "block":
            assert answer.reason.strip(), "it blocks without a reason; say in a sentence what is wrong"
            quoted = len(example) > len("secret") and example in answer.reason
            assert not quoted, "its reason repeats the text that it blocks; reasons are logged"
        if answer.action == "rewrite":
            assert isinstance(answer.text, str), f"it rewrites to {shown(answer.text)}; give the new text"

    def test_it_decides_as_it_should(self) -> None:
        """What must be blocked, rewritten and allowed is."""

        async def ask(subject: Subject) -> None:
            wanted = {"block": self.blocked, "rewrite": self.rewritten, "allow": self.allowed}
            for action, texts in wanted.items():
                for text in texts:
                    verdict = await self.exercise(subject, text, self.context(subject))
                    assert verdict.action == action, (
                        f"{shown(text)} must give {action} and gave {verdict.action}; mend its rule"
                    )

        self.play(ask)

    def test_what_it_rewrote_passes(self) -> None:
        """A rewritten text needs no second rewrite: nothing was left in it."""

        async def ask(subject: Subject) -> None:
            for text in self._examples(subject.value):
                verdict = await self.exercise(subject, text, self.context(subject))
                new = getattr(verdict, "text", None)
                if not isinstance(new, str):
                    continue
                again = await self.exercise(subject, new, self.context(subject))
                settled = again.action == "allow" or again.text == new
                assert settled, f"it rewrote to {shown(new)} and would again; take all out at once"

        self.play(ask)

    def test_a_long_text_is_checked_in_time(self) -> None:
        """No text makes a pattern try for ever."""

        async def ask(subject: Subject) -> None:
            ctx = self.context(subject)
            await self.exercise(subject, "Hello", ctx)  # what is imported on first use counts for nothing
            for length, most in _LENGTHS:
                for piece in _WEARY:
                    text = (piece * length)[:length] + "!"
                    began = time.process_time()
                    await self.exercise(subject, text, ctx)
                    took = time.process_time() - began
                    assert took < most, (
                        f"{length} characters like {shown(text[:20])} took {took:.1f} s to check; "
                        "use patterns that cannot try in many ways"
                    )

        self.play(ask)
