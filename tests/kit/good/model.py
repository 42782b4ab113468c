"""A line through two points."""

import numpy as np

from hubbub import hookimpl


class Line:
    """Predicts y from x."""

    name = "line"
    schema = {"type": "object", "properties": {"x": {"type": "array", "items": {"type": "number"}}}}
    examples = ({"x": [1.0, 2.0, 3.0]}, {"x": [4.0]})

    def predict(self, inputs, ctx):
        return {"y": np.asarray(inputs["x"]) * 2 + 1}

    def explain(self, inputs, ctx):
        return {"slope": 2}


@hookimpl
def register_models():
    return [Line()]
