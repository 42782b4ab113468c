"""How good recommendations are on a file of events: fitted to four fifths of it, asked for the rest."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from runtime.errors import InvalidInput, NotFound
from runtime.recommend.evaluation import (
    BUCKETS,
    Task,
    bucket_name,
    histories,
    means,
    ndcg,
    tasks_of,
    together,
)
from runtime.recommend.fitting import by_bucket, compare, fit
from runtime.recommend.sample import Sample, sample_of
from runtime.recommend.scoring import EASE, POPULARITY, mixed
from runtime.types import JsonObject

TESTED = 0.2
_SEED = 1
_MOST = 2**31
"""Items: all of them, as a judge must not leave out what is hard to foretell."""
_COLUMNS = ("user", "item", "at")


def judge(file: Path) -> JsonObject:
    """Return the NDCG@10 of what would be recommended, and of its parts alone, for both splits.

    What is relevant counts 1, all items but those a user had are ranked, and no user is left out.
    """
    sample = sample_of(read_events(file), _MOST)
    if len(sample) < 10:
        raise InvalidInput(f"{file} has {len(sample)} events; a judgment needs at least 10, add more.")
    random = np.random.default_rng(_SEED).random(len(sample)) < TESTED
    newest = np.arange(len(sample)) >= int(len(sample) * (1 - TESTED))
    splits = {"at random": random, "the newest": newest}
    told = {"events": len(sample), "users": len(sample.users), "items": len(sample.items)}
    return {**told, "splits": {name: _split(sample, tested) for name, tested in splits.items()}}


def read_events(file: Path) -> Iterator[tuple[str, str, float]]:
    """Yield the events of a CSV file; InvalidInput names the line that is none."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows = csv.DictReader(text)
            missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise InvalidInput(f"{file} has no column {missing[0]}; its first line names user,item,at.")
            for row in rows:
                yield _event(row, f"{file}:{rows.line_num}")
    except FileNotFoundError:
        raise NotFound(f"There is no file {file}; name one that exists.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{file} is no CSV in UTF-8 ({error}); save it as such.") from None


def _event(row: Mapping[str, str | None], where: str) -> tuple[str, str, float]:
    user, item, at = (row.get(name) or "" for name in _COLUMNS)
    try:
        moment = float(at)
    except ValueError:
        moment = math.nan
    if not user or not item or not math.isfinite(moment):
        raise InvalidInput(f"{where}: an event has a user, an item and at in Unix seconds; mend the line.")
    return user, item, moment


def _split(sample: Sample, tested: Any) -> JsonObject:
    before, after = sample.rows(~tested), sample.rows(tested)
    tasks = tasks_of(before, after, midway=False, most=None)
    choice = compare(before, {}).choice
    parts = fit(before, {}, choice)
    lists = {
        "what would be recommended": lambda had, some: by_bucket(
            parts, had, [task.bucket for task in some], choice.recipes
        ),
        "ease alone": lambda had, some: mixed(parts.each(had), EASE),
        "popularity alone": lambda had, some: mixed(parts.each(had), POPULARITY),
    }
    return {name: _scored(tasks, len(before.items), score) for name, score in lists.items()}


def _scored(tasks: list[Task], items: int, score: Any) -> JsonObject:
    values = [value for some in together(tasks) for value in ndcg(some, score(histories(some, items), some))]
    found = means(tasks, values)
    by_had = {bucket_name(bucket): found[bucket] for bucket in BUCKETS if bucket in found}
    return {"all": float(np.mean(values)), "ndcg": by_had}
