"""EASE: items foretell each other by a linear model in closed form (Steck 2019, arXiv:1905.03375)."""

from __future__ import annotations

from typing import Any

import numpy as np

_ENTRIES = 4_000_000
"""Weights that are kept, the largest ones: what a hub holds of one tenant."""


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


def lightened(weights: Any) -> Any:
    """Return the weights, as a sparse matrix without the smallest ones where there are too many."""
    from scipy.sparse import csr_array

    if weights.size <= _ENTRIES:
        return weights
    place = weights.size - _ENTRIES
    least = np.partition(np.abs(weights), place, axis=None)[place]
    return csr_array(np.where(np.abs(weights) >= least, weights, np.float32(0)))
