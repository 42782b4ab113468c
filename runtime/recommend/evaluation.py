"""How well lists foretell what users turn to: NDCG@10 on events that the models have not seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from runtime.recommend.ranking import came_back

if TYPE_CHECKING:
    from runtime.recommend.sample import Floats, Sample, Whole
    from runtime.recommend.scoring import Scores

AT = 10
BACK = -1
BUCKETS = (0, 1, 5, 20, BACK)
"""Users are judged apart by how many items they had, at least so many, and whether they came back."""
_FEW = 5
_TASKS = 2000
_TOGETHER = 256
_HALVED = 4
"""Later items from which on a user is asked about a second time, in the middle of them."""
_DISCOUNTS = 1.0 / np.log2(np.arange(2, AT + 2))
_IDEAL = np.concatenate([[1.0], np.cumsum(_DISCOUNTS)])


@dataclass(frozen=True, slots=True)
class Task:
    """What a user had, and what that user turned to next: numbers of items."""

    had: Whole
    wanted: Whole
    back: bool = False

    @property
    def bucket(self) -> int:
        """Which of BUCKETS it belongs to."""
        return bucket_of(len(self.had), self.back)


def bucket_of(had: int, back: bool = False) -> int:
    """Return the number of items from which on users are treated alike, or BACK."""
    return BACK if back and had >= _FEW else max(least for least in BUCKETS if least <= had)


def bucket_name(bucket: int) -> str:
    """Return what a bucket is called in JSON."""
    return "back" if bucket == BACK else str(bucket)


def cut(sample: Sample, share: float) -> tuple[Sample, Sample]:
    """Return the older rows and the newest `share` of them, at one moment for all users."""
    place = int(len(sample) * (1.0 - share))
    rows = np.arange(len(sample))
    return sample.rows(rows < place), sample.rows(rows >= place)


def tasks_of(
    before: Sample, after: Sample, *, midway: bool, most: int | None = _TASKS, seed: int = 7
) -> list[Task]:
    """Return what each user of `after` turned to then, given what that user had before.

    `midway` asks users who did enough a second time, in the middle of it: lists are made from what a
    user has done up to now, not from what was known when the model was fitted.
    """
    had, later = _by_user(before), _by_user(after)
    found = list[Task]()
    for user, (items, times) in later.items():
        known, past = had.get(user, (items[:0], times[:0]))
        halves = (0, len(items) // 2) if midway and len(items) >= _HALVED else (0,)
        for half in halves:
            now, at = np.concatenate([known, items[:half]]), np.concatenate([past, times[:half]])
            wanted = np.setdiff1d(items[half:], now)
            if len(wanted):
                found.append(Task(now, wanted, len(at) > 0 and came_back(at[0], at[-1])))
    chosen = np.random.default_rng(seed).permutation(len(found))[:most]
    return [found[number] for number in sorted(chosen)]


def _by_user(sample: Sample) -> dict[int, tuple[Whole, Floats]]:
    """Return what each user had, and when, the oldest first."""
    if not len(sample):
        return {}
    order = np.argsort(sample.user, kind="stable")
    users, starts = np.unique(sample.user[order], return_index=True)
    items, times = (np.split(each[order], starts[1:]) for each in (sample.item, sample.at))
    return dict(zip(users.tolist(), zip(items, times, strict=True), strict=True))


def histories(tasks: Sequence[Task], items: int) -> Any:
    """Return tasks times items as a sparse matrix of ones."""
    from scipy.sparse import csr_array

    columns = np.concatenate([task.had for task in tasks]) if tasks else np.zeros(0, np.int64)
    starts = np.cumsum([0, *(len(task.had) for task in tasks)])
    return csr_array((np.ones(len(columns), np.float32), columns, starts), shape=(len(tasks), items))


def together(tasks: Sequence[Task]) -> Iterator[Sequence[Task]]:
    """Yield the tasks in lists that fit into memory."""
    for start in range(0, len(tasks), _TOGETHER):
        yield tasks[start : start + _TOGETHER]


def ndcg(tasks: Sequence[Task], scores: Scores) -> list[float]:
    """Return the NDCG@10 of each task: what was wanted counts 1, all items are ranked but those it had."""
    found = []
    for task, row in zip(tasks, scores, strict=True):
        ranked = np.where(np.isfinite(row), row, 0.0)
        ranked[task.had] = -np.inf
        best = np.argpartition(-ranked, min(AT, len(ranked) - 1))[:AT]
        best = best[np.argsort(-ranked[best], kind="stable")]
        gains = np.isin(best, task.wanted) & np.isfinite(ranked[best])
        found.append(float(gains @ _DISCOUNTS[: len(best)] / _IDEAL[min(AT, len(task.wanted))]))
    return found


def means(tasks: Sequence[Task], values: Sequence[float]) -> Mapping[int, float]:
    """Return the mean of each bucket that has tasks."""
    groups: dict[int, list[float]] = {}
    for task, value in zip(tasks, values, strict=True):
        groups.setdefault(task.bucket, []).append(value)
    return {bucket: sum(each) / len(each) for bucket, each in groups.items()}
