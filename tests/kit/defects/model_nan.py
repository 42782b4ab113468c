"""A missing input becomes NaN.

Found by: its answers are such as its kind allows.
"""

import numpy as np

from hubbub import hookimpl


class Bad:
    name = "bad"
    schema = {}
    examples = ({"x": [1.0, None, 3.0]},)

    async def predict(self, inputs, ctx):
        return {"y": np.array(inputs["x"], dtype=float) * 2}


@hookimpl
def register_models():
    return [Bad()]
