"""The vectors come back sorted by the length of the texts.

Found by: a text has one vector.
"""

import numpy as np

from hubbub import hookimpl


class Bad:
    name = "bad"
    size = 2

    def embed(self, texts, ctx):
        texts = sorted(texts, key=len)
        vectors = np.array([[len(text) + 1, 7] for text in texts], dtype=np.float32).reshape(-1, 2)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@hookimpl
def register_embedders():
    return [Bad()]
