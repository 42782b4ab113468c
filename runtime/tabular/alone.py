"""How much one column says about the outcome by itself, on rows it was not learnt from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.int8]

FOLDS: Final = 5
_BINS: Final = 64
_PER_BIN: Final = 50
"""Rows of a bin at least."""
_PRIOR: Final = 10.0
"""Rows of the average outcome that every group is mixed with, so that rare ones say little."""
_WORD: Final = re.compile(r"[^\W\d_]+|\d+")
_MOST_TEXTS: Final = 20_000
_WORDS: Final = 5_000


def groups_of(values: Floats, *, number: bool) -> NDArray[np.int64]:
    """Cut numbers into groups of like size, levels as they are; rows without a value are group 0."""
    import numpy as np

    missing = np.isnan(values)
    if number and not missing.all():
        bins = max(2, min(_BINS, int((~missing).sum() / _PER_BIN)))
        edges = np.unique(np.quantile(values[~missing], np.linspace(0, 1, bins + 1)[1:-1]))
        groups = np.searchsorted(edges, values, side="right")
    else:
        groups = np.nan_to_num(values, nan=0.0).astype(np.int64)
    return np.where(missing, 0, groups + 1).astype(np.int64)


def auc_of_groups(groups: NDArray[np.int64], outcome: Flags, seed: int = 0) -> float:
    """Return the AUC of the outcome's share in each group, taken from the other folds."""
    import numpy as np
    from sklearn.metrics import roc_auc_score

    fold = np.random.default_rng(seed).integers(0, FOLDS, len(groups))
    size = int(groups.max()) + 1
    totals = np.bincount(groups * FOLDS + fold, minlength=size * FOLDS).reshape(size, FOLDS)
    good = np.bincount(groups * FOLDS + fold, weights=outcome, minlength=size * FOLDS).reshape(size, FOLDS)
    others, others_good = totals.sum(1, keepdims=True) - totals, good.sum(1, keepdims=True) - good
    base = others_good.sum(0) / np.maximum(1, others.sum(0))
    shares = (others_good + _PRIOR * base) / (others + _PRIOR)
    # Each fold is ranked by itself: a group that is more common in it is scored lower by the others.
    scores = [roc_auc_score(outcome[fold == f], shares[groups[fold == f], f]) for f in _whole(fold, outcome)]
    return float(np.mean(scores)) if scores else 0.5


def auc_of_texts(texts: Sequence[str], outcome: Flags, seed: int = 0) -> tuple[float, str, float]:
    """Return the AUC of the words of a text, the most telling word, and the outcome's share beside it."""
    import numpy as np
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.naive_bayes import BernoulliNB

    chosen = np.random.default_rng(seed).permutation(len(texts))[:_MOST_TEXTS]
    counter = CountVectorizer(
        binary=True,
        min_df=5,
        max_features=_WORDS,
        tokenizer=_WORD.findall,
        token_pattern=None,
        dtype=np.float64,
    )
    try:
        words = counter.fit_transform([texts[row] for row in chosen])
    except ValueError:  # no word comes often enough
        return 0.5, "", 0.0
    known = outcome[chosen]
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    guessed = cross_val_predict(BernoulliNB(), words, known, cv=folds, method="predict_proba")[:, 1]
    total = np.asarray(words.sum(0)).ravel()
    good = np.asarray(words[known == 1].sum(0)).ravel()
    gain = np.abs(good - total * known.mean()) / np.sqrt(total)
    best = int(gain.argmax())
    word = counter.get_feature_names_out()[best]
    return float(roc_auc_score(known, guessed)), str(word), float(good[best] / total[best])


def _whole(fold: NDArray[np.int64], outcome: Flags) -> list[int]:
    return [f for f in range(FOLDS) if 0 < outcome[fold == f].sum() < (fold == f).sum()]
