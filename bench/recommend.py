"""Lists beside plain scripts on a made-up ratings set, and what a list costs over a trivial graph.

`python -m bench.recommend`; with `--ratings EVENTS.csv` (user, item, at) on those, and only their quality.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.beside import Spent, beside_trivial, print_beside
from runtime.engine import Engine
from runtime.recommend.evaluation import Task, histories, ndcg, tasks_of, together
from runtime.recommend.fitting import by_bucket, compare, fit
from runtime.recommend.judging import read_events
from runtime.recommend.popularity import DAY, popularity
from runtime.recommend.sample import Sample, sample_of

USERS, ITEMS, DAYS = 943, 1682, 215

Score = Callable[[Any, Sequence[Task]], Any]


def ratings(seed: int = 0) -> list[tuple[str, str, float]]:
    """Return (user, item, time): latent factors, popularity, new items that draw, and sessions of two hours.

    Of about the size of MovieLens-100K; a quarter of the users come back later.
    """
    random = np.random.default_rng(seed)
    users, items = random.normal(size=(USERS, 12)), random.normal(size=(ITEMS, 12))
    popular = 1.3 * random.gumbel(size=ITEMS)
    appears = np.where(random.random(ITEMS) < 0.8, 0.0, random.random(ITEMS) * DAYS)
    found = []
    for user in range(USERS):
        begins = random.random() * DAYS
        drawn = 2.0 * (appears > 0) * np.exp(-np.maximum(begins - appears, 0) / 40)
        liked = popular + 1.6 * (users[user] @ items.T) / np.sqrt(12) + drawn + random.gumbel(size=ITEMS)
        liked[appears > begins] = -np.inf
        count = int(np.clip(random.lognormal(4.1, 0.9), 20, 700))
        best = [item for item in np.argsort(-liked)[:count] if np.isfinite(liked[item])]
        times = begins + np.sort(random.random(len(best))) / 12
        if random.random() < 0.25:
            times[len(best) // 2 :] += random.random() * (DAYS - begins)
        found += [(f"u{user}", f"i{item}", 1e9 + DAY * at) for item, at in zip(best, times, strict=True)]
    return found


def quality(sample: Sample, tested: Any) -> Mapping[str, float]:
    """Return the NDCG@10 of what Hubbub would list and of plain scripts, on the rows that are tested."""
    before, after = sample.rows(~tested), sample.rows(tested)
    tasks = tasks_of(before, after, midway=False, most=None)
    choice = compare(before, {}).choice
    parts = fit(before, {}, choice)
    matrix = before.matrix()
    straight, near = _straight_ease(matrix), _neighbours(matrix)
    recent = popularity(before.rows(before.at > before.at.max() - 30 * DAY), None)
    lists: Mapping[str, Score] = {
        "Hubbub": lambda had, some: by_bucket(parts, had, [task.bucket for task in some], choice.recipes),
        "EASE, a straight script": lambda had, _: had @ straight,
        "item-kNN, 50 neighbours": lambda had, _: had @ near,
        "popularity of 30 days": lambda had, _: np.broadcast_to(recent, had.shape),
        "popularity": lambda had, _: np.broadcast_to(popularity(before, None), had.shape),
    }
    return {name: _mean(tasks, len(before.items), score) for name, score in lists.items()}


def _straight_ease(matrix: Any, ridge: float = 400.0) -> Any:
    inverse = np.linalg.inv((matrix.T @ matrix).toarray().astype(float) + ridge * np.eye(matrix.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights


def _neighbours(matrix: Any) -> Any:
    counted = (matrix.T @ matrix).toarray().astype(float)
    length = np.sqrt(np.diag(counted)) + 1e-9
    like = counted / length[:, None] / length
    np.fill_diagonal(like, 0.0)
    return np.where(like >= np.sort(like, axis=0)[-50], like, 0.0)


def _mean(tasks: Sequence[Task], items: int, score: Score) -> float:
    values = [each for some in together(tasks) for each in ndcg(some, score(histories(some, items), some))]
    return float(np.mean(values))


async def latency(found: Sequence[tuple[str, str, float]], rounds: int) -> Spent:
    """Return the seconds of runs of `recommend` and of a trivial graph."""
    users = [{"user": f"u{number % USERS}"} for number in range(rounds)]
    with tempfile.TemporaryDirectory() as folder:
        return await beside_trivial(Path(folder), "recommend", users, lambda engine: _tell(engine, found))


async def _tell(engine: Engine, found: Sequence[tuple[str, str, float]]) -> None:
    rows = [{"user": user, "item": item, "kind": "view", "at": at} for user, item, at in found]
    for start in range(0, len(rows), 10_000):
        await engine.interactions.record("default", rows[start : start + 10_000])
    items = [{"id": f"i{number}", "title": f"Film {number}"} for number in range(ITEMS)]
    await engine.interactions.put_items("default", items)
    await engine.refits.fit("default")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.recommend")
    parser.add_argument("--ratings", type=Path, help="a CSV file with the columns user, item and at")
    given = parser.parse_args().ratings
    found = list(read_events(given)) if given else ratings()
    print_quality(sample_of(found, 2**31))
    if not given:
        print()
        print_beside(asyncio.run(latency(found, 400)))


def print_quality(sample: Sample) -> None:
    """Print how good lists are on a fifth of the events, at random and the newest."""
    random = np.random.default_rng(1).random(len(sample)) < 0.2
    newest = np.arange(len(sample)) >= int(0.8 * len(sample))
    print(f"{len(sample)} events of {len(sample.users)} users with {len(sample.items)} items; NDCG@10")
    for split, tested in (("a fifth at random", random), ("the newest fifth", newest)):
        print(f"\n{split}")
        for name, value in quality(sample, tested).items():
            print(f"  {name:<24} {value:.3f}")


if __name__ == "__main__":
    main()
