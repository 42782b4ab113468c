"""step.predict asks the model that a run names."""

from __future__ import annotations

from hubbub.testing import FakeContext, StepTests
from plugins.predict import Predict, Question


class TestPredict(StepTests):
    examples = ({"model": "churn", "inputs": {"x": [[1.0]]}},)

    def make(self) -> Predict:
        return Predict()


async def test_the_outputs_are_what_the_model_gives() -> None:
    context = FakeContext(predicted={"y": [0.25]})
    assert await Predict().run({}, Question(model="churn", inputs={}), context) == {"y": [0.25]}
