"""Standard tests for predictive models."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import Any

from hubbub.testing.case import CallTests
from hubbub.testing.context import FakeContext
from hubbub.testing.subject import Subject
from hubbub.testing.values import shown
from runtime.extensions.answers import plain


class ModelTests(CallTests):
    """Examples are inputs: mappings of named arrays, or of single values."""

    kind = "model"

    async def exercise(self, subject: Subject, example: Any, ctx: FakeContext) -> Any:
        """Predict for one batch."""
        return await subject.call("predict", example, ctx)

    def judge(self, example: Any, answer: Any) -> None:
        """Outputs are named, finite, and as many as the rows that came in."""
        assert isinstance(answer, Mapping), f"predict gave {shown(answer)}; return a mapping of named outputs"
        assert answer, "predict gave no output; return at least one, by its name"
        rows = {len(value) for value in example.values() if _is_column(value)}
        for name, values in answer.items():
            assert isinstance(name, str), f"an output is named {shown(name)}; use a text"
            assert _finite(plain(values)), f"the output {name} holds NaN or infinity; handle missing inputs"
            if len(rows) == 1 and _is_column(values):
                (wanted,) = rows
                assert len(values) == wanted, (
                    f"{wanted} rows came in and {len(values)} of {name} out; give one for each row, in order"
                )

    def test_its_schema_is_json(self) -> None:
        """The schema can be shown to whoever builds a form or a tool from it."""
        schema = self.make().schema
        try:
            plain(schema)
        except TypeError as error:
            raise AssertionError(f"its schema is not JSON ({error}); describe the inputs in words") from None

    def test_what_it_explains_is_json(self) -> None:
        """`explain`, where there is one, takes the same inputs."""

        async def ask(subject: Subject) -> None:
            for inputs in self._examples(subject.value):
                if subject.has("explain"):
                    plain(await subject.call("explain", inputs, self.context(subject)))

        self.play(ask)


def _is_column(value: Any) -> bool:
    """Whether the value has rows: a list or an array."""
    return isinstance(value, Sized) and not isinstance(value, str | bytes | Mapping) and _has_rows(value)


def _has_rows(value: Any) -> bool:
    return getattr(value, "ndim", 1) > 0


def _finite(value: Any) -> bool:
    """Whether no number is missing: NaN and infinity become null in JSON."""
    if isinstance(value, list):
        return all(map(_finite, value))
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    return value is not None
