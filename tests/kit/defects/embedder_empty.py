"""A text without words has no direction.

Found by: its answers are such as its kind allows; a text has one vector.
"""

import numpy as np

from hubbub import hookimpl


class Bad:
    name = "bad"
    size = 2

    def embed(self, texts, ctx):
        vectors = np.array([[len(text), 2 * len(text)] for text in texts], dtype=np.float32).reshape(-1, 2)
        with np.errstate(invalid="ignore"):
            return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@hookimpl
def register_embedders():
    return [Bad()]
