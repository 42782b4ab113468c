"""Vectors of another size than was said.

Found by: its answers are such as its kind allows; no texts give no vectors.
"""

import numpy as np

from hubbub import hookimpl


class Bad:
    name = "bad"
    size = 3

    def embed(self, texts, ctx):
        vectors = np.array([[len(text) + 1, 7] for text in texts], dtype=np.float32).reshape(-1, 2)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@hookimpl
def register_embedders():
    return [Bad()]
