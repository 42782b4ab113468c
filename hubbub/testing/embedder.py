"""Standard tests for embedders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hubbub.testing.case import CallTests
from hubbub.testing.context import FakeContext
from hubbub.testing.subject import Subject
from hubbub.testing.values import shown

_UNIT = 1e-3
_SAME = 0.999


class EmbedderTests(CallTests):
    """Examples are texts; they are embedded together."""

    kind = "embedder"

    def given(self) -> Sequence[Any]:
        """Return texts, short and long ones, that mean different things."""
        return (
            "Owls hunt mice at night.",
            "The invoice is due in March.",
            "",
            "🦉",
            "word " * 2000,
            "Owls, larks and other birds.",
        )

    def _examples(self, value: Any) -> list[Any]:
        return [super()._examples(value)]

    async def exercise(self, subject: Subject, example: Any, ctx: FakeContext) -> Any:
        """Embed all texts at once."""
        return await subject.call("embed", example, ctx)

    def judge(self, example: Any, answer: Any) -> None:
        """Vectors are float32, of the promised size and of unit length, one for each text."""
        wanted = len(example), self.make().size
        assert isinstance(answer, np.ndarray), f"embed gave {shown(type(answer))}; return a numpy array"
        assert answer.shape == wanted, (
            f"{wanted[0]} texts gave an array of shape {answer.shape}; it must be {wanted}: (texts, size)"
        )
        assert answer.dtype == np.float32, f"the vectors are {answer.dtype}; make them float32"
        assert np.isfinite(answer).all(), "a vector holds NaN or infinity; mind texts without words"
        lengths = np.linalg.norm(answer, axis=1)
        assert (abs(lengths - 1) < _UNIT).all(), (
            f"the lengths are {lengths.round(3).tolist()}; divide each vector by its length"
        )

    def test_a_text_has_one_vector(self) -> None:
        """A text has the same vector alone and among others, in the order of the texts, always."""

        async def ask(subject: Subject) -> None:
            (texts,) = self._examples(subject.value)
            ctx = self.context(subject)
            together = await subject.call("embed", texts, ctx)
            for text, vector in zip(texts, together, strict=True):
                (alone,) = await subject.call("embed", [text], ctx)
                assert float(alone @ vector) > _SAME, (
                    f"{shown(text)} has another vector alone than among others; keep the order of the texts, "
                    "and let padding change nothing"
                )

        self.play(ask)

    def test_other_texts_have_other_vectors(self) -> None:
        """Texts that differ are told apart."""

        async def ask(subject: Subject) -> None:
            (texts,) = self._examples(subject.value)
            vectors = await subject.call("embed", texts, self.context(subject))
            assert len({vector.tobytes() for vector in vectors}) > 1 or len(texts) == 1, (
                "all texts have the same vector; make it from the text"
            )

        self.play(ask)

    def test_no_texts_give_no_vectors(self) -> None:
        """Nothing to embed is no failure."""

        async def ask(subject: Subject) -> None:
            vectors = await subject.call("embed", [], self.context(subject))
            assert np.shape(vectors) == (0, subject.value.size), (
                f"no texts gave the shape {np.shape(vectors)}; return an empty array of (0, size)"
            )

        self.play(ask)
