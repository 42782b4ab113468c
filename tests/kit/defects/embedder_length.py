"""Vectors that are not of unit length.

Found by: its answers are such as its kind allows.
"""

import numpy as np

from hubbub import hookimpl


class Bad:
    name = "bad"
    size = 2

    def embed(self, texts, ctx):
        return np.array([[len(text) + 1, 7] for text in texts], dtype=np.float32).reshape(-1, 2)


@hookimpl
def register_embedders():
    return [Bad()]
