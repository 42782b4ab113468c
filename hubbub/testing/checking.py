"""Runs the standard tests without pytest: what `hubbub plugin check` does."""

from __future__ import annotations

import inspect
import unittest
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from hubbub.testing.cache import CacheTests
from hubbub.testing.case import StandardTests
from hubbub.testing.embedder import EmbedderTests
from hubbub.testing.guardrail import GuardrailTests
from hubbub.testing.model import ModelTests
from hubbub.testing.provider import ProviderTests
from hubbub.testing.recommender import RecommenderTests
from hubbub.testing.retriever import RetrieverTests
from hubbub.testing.scorer import ScorerTests
from hubbub.testing.step import StepTests
from hubbub.testing.subscriber import SubscriberTests
from hubbub.testing.tool import ToolTests

TESTS: dict[str, type[StandardTests]] = {
    tests.kind: tests
    for tests in (
        ProviderTests,
        EmbedderTests,
        RetrieverTests,
        ScorerTests,
        RecommenderTests,
        ModelTests,
        ToolTests,
        StepTests,
        GuardrailTests,
        CacheTests,
        SubscriberTests,
    )
}
"""The standard tests of each kind that has some."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one test ended; `reason` says why it failed, or what it would have needed."""

    test: str
    state: Literal["passed", "failed", "skipped"]
    reason: str = ""


def check(kind: str, make: Callable[[], Any]) -> Iterator[Outcome]:
    """Run every standard test of a kind on objects that `make` gives, a new one each time."""
    tests = type("Checked", (TESTS[kind],), {"make": lambda self: make()})()
    for name, test in inspect.getmembers(tests, inspect.ismethod):
        if name.startswith("test_"):
            yield _outcome(name.removeprefix("test_").replace("_", " "), test)


def _outcome(name: str, test: Callable[[], None]) -> Outcome:
    try:
        test()
    except unittest.SkipTest as reason:
        return Outcome(name, "skipped", str(reason))
    except Exception as error:
        words = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
        return Outcome(name, "failed", " ".join(words.split()))
    return Outcome(name, "passed")
