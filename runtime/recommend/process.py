"""The process that fits one tenant's models: it reads the journal, writes one file, and says what won.

Started as `python -m runtime.recommend.process DATABASE FILE TENANT ITEMS`; nothing of the hub waits for
what it computes.  Killed at any moment it leaves the older file as it was.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from runtime.errors import HubbubError, NotFound
from runtime.recommend.content import describe, neighbours, vocabulary
from runtime.recommend.ease import lightened
from runtime.recommend.evaluation import BUCKETS, bucket_name
from runtime.recommend.fitted import Fitted, save
from runtime.recommend.fitting import Comparison, compare, fit
from runtime.recommend.requests import item_of
from runtime.recommend.sample import sample_of
from runtime.types import JsonObject

NICE = 10
_EVENTS = 2_000_000
"""The newest so many events of a tenant are looked at."""
_NEW_ITEMS = 5000
"""Items that nobody has turned to yet, the newest."""

_SELECT_EVENTS = (
    "SELECT user, item, at FROM interactions WHERE tenant = ? AND kind != 'dismiss' ORDER BY at DESC LIMIT ?"
)
_SELECT_ITEMS = "SELECT fields FROM catalogue WHERE tenant = ? ORDER BY id DESC"
_SELECT_LAST = "SELECT coalesce(max(id), 0) FROM interactions WHERE tenant = ?"


def fit_tenant(database: sqlite3.Connection, path: Path, tenant: str, most_items: int) -> JsonObject:
    """Fit a tenant's models and put them into a file; returns what won.  NotFound without events."""
    began = time.monotonic()
    database.execute("BEGIN")  # one moment of the journal for all that is read
    (last,) = database.execute(_SELECT_LAST, (tenant,)).fetchone()
    sample = sample_of(database.execute(_SELECT_EVENTS, (tenant, _EVENTS)), most_items)
    if not len(sample):
        raise NotFound(f"The tenant {tenant} has no events yet; send some with POST /events, then fit again.")
    items = [item_of(orjson.loads(fields)) for (fields,) in database.execute(_SELECT_ITEMS, (tenant,))]
    catalogue = {item.id: item for item in items}
    comparison = compare(sample, catalogue)
    parts = fit(sample, catalogue, comparison.choice)
    parts = replace(parts, ease=lightened(parts.ease))
    known = set(sample.items)
    strange = [item for item in items if item.id not in known and not item.deleted][:_NEW_ITEMS]
    words = vocabulary(items)
    users = np.bincount(sample.item, minlength=len(sample.items))
    expected = neighbours(describe(strange, words), parts.features)
    told = {
        "tenant": tenant,
        "fitted_at": time.time(),
        "last": last,
        "seconds": time.monotonic() - began,
        "events": len(sample),
        "users": len(sample.users),
        "items": len(sample.items),
        "new_items": len(strange),
        **described(comparison),
    }
    choice, ids = comparison.choice, [*sample.items, *(item.id for item in strange)]
    titles = [catalogue[id].title if id in catalogue else "" for id in ids]
    save(Fitted(ids, titles, parts, users, expected, words, choice.recipes, choice.share, told), path)
    return told


def described(comparison: Comparison) -> JsonObject:
    """Return what was tried and what won as JSON."""
    choice = comparison.choice
    return {
        "ndcg": comparison.ndcg,
        "asked": _by_bucket(comparison.users),
        "chosen": _by_bucket({bucket: recipe.name for bucket, recipe in choice.recipes.items()}),
        "ridge": choice.ridge,
        "half_life_days": choice.half_life,
        "new_items_by": choice.share,
        "trials": [{"name": trial.name, "ndcg": _by_bucket(trial.scores)} for trial in comparison.trials],
    }


def _by_bucket(values: Mapping[int, Any]) -> JsonObject:
    return {bucket_name(bucket): values[bucket] for bucket in BUCKETS if bucket in values}


def main() -> None:
    """Fit, and print what won as one line of JSON, or the error."""
    database, file, tenant, items = sys.argv[1:]
    os.nice(NICE)
    try:
        with closing(sqlite3.connect(f"{Path(database).as_uri()}?mode=ro", uri=True)) as opened:
            said = fit_tenant(opened, Path(file), tenant, int(items))
    except HubbubError as error:
        said = {"error": {"code": error.code, "message": error.message}}
    except (ArithmeticError, MemoryError, OSError, sqlite3.Error, orjson.JSONDecodeError) as error:
        why = f"{type(error).__name__}: {error}".rstrip(": ")
        sentence = (
            f"The models of {tenant} could not be fitted ({why}); the older ones stay, fit again later."
        )
        said = {"error": {"code": "unknown_error", "message": sentence}}
    sys.stdout.buffer.write(orjson.dumps(said))


if __name__ == "__main__":
    main()
