"""No texts are a failure.

Found by: no texts give no vectors.
"""

import numpy as np

from hubbub import hookimpl


class Bad:
    name = "bad"
    size = 2

    def embed(self, texts, ctx):
        vectors = np.stack([np.array([len(text) + 1, 7], dtype=np.float32) for text in texts])
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@hookimpl
def register_embedders():
    return [Bad()]
