"""What goes with what: EASE, a linear model in closed form (Steck 2019, arXiv:1905.03375), and tastes."""

from __future__ import annotations

from typing import Any

import numpy as np

_ENTRIES = 4_000_000
"""Weights that are kept, the largest ones: what a hub holds of one tenant."""

_TASTES, _SCALE = 64, 0.15
_SEED = 5


def fit_ease(matrix: Any, ridge: float) -> Any:
    """Return items times items, float32: row i is what having item i says of all others."""
    from scipy.linalg import lapack

    gram = np.asarray((matrix.T @ matrix).todense(), np.float64)
    gram[np.diag_indices_from(gram)] += ridge
    factor, failed = lapack.dpotrf(gram, overwrite_a=True)
    if not failed:
        inverse, failed = lapack.dpotri(factor, overwrite_c=True)
    if failed:
        raise ArithmeticError(f"the matrix of {len(gram)} items cannot be inverted")
    weights = np.triu(inverse) + np.triu(inverse, 1).T
    weights /= -np.diag(weights)
    weights[np.diag_indices_from(weights)] = 0.0
    return weights.astype(np.float32)


def broad_tastes(matrix: Any) -> Any:
    """Return items times items, float32: what the broadest tastes say, which EASE sees only pair by pair.

    The ideal low-pass filter of GF-CF (Shen et al. 2021, arXiv:2108.07567), on a small scale.
    """
    from scipy.sparse import diags_array
    from scipy.sparse.linalg import svds

    users, items = (np.maximum(matrix.sum(axis=axis), 1.0).astype(np.float64) for axis in (1, 0))
    count = min(_TASTES, min(matrix.shape) // 4)
    if not count:
        return np.zeros((len(items), len(items)), np.float32)
    even = diags_array(users**-0.5) @ matrix @ diags_array(items**-0.5)
    _, _, tastes = svds(even, k=count, random_state=_SEED)
    tastes = tastes.astype(np.float32)
    weights = (tastes.T * (_SCALE * items**-0.5)[:, None].astype(np.float32)) @ (
        tastes * np.sqrt(items).astype(np.float32)
    )
    weights[np.diag_indices_from(weights)] = 0.0
    return weights


def lightened(weights: Any) -> Any:
    """Return the weights, as a sparse matrix without the smallest ones where there are too many."""
    from scipy.sparse import csr_array

    if weights.size <= _ENTRIES:
        return weights
    place = weights.size - _ENTRIES
    least = np.partition(np.abs(weights), place, axis=None)[place]
    return csr_array(np.where(np.abs(weights) >= least, weights, np.float32(0)))
