"""Models are one file that is whole or not there, and no file can make a hub run what it holds."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from runtime.errors import StorageError
from runtime.journal.interactions import JournalInteractions
from runtime.journal.sqlite import SqliteJournal
from runtime.recommend.evaluation import BACK
from runtime.recommend.fitted import about, load, save
from runtime.recommend.interactions import AllInteractions, models_file
from runtime.recommend.ranking import Models, past_of
from runtime.recommend.refits import Refits
from runtime.settings import RecommendSettings
from runtime.types import CatalogueItem, Interaction
from tests.runtime.recommend.tastes import catalogue, events, rows


@pytest.fixture
async def file(journal: SqliteJournal, interactions: AllInteractions, tmp_path: Path) -> Path:
    """The models of a tenant, fitted in their own process; two items have no events."""
    await interactions.record("acme", rows(events()))
    items = [{"id": item.id, "title": item.title, "tags": list(item.tags)} for item in catalogue(92).values()]
    await interactions.put_items("acme", items)
    refits = Refits(JournalInteractions(journal), tmp_path, RecommendSettings())
    said = await refits.fit("acme")
    assert (said["users"], said["tenant"]) == (150, "acme")
    return models_file(tmp_path, "acme")


async def test_what_is_read_is_what_was_written(file: Path, tmp_path: Path) -> None:
    fitted = load(file)
    save(fitted, tmp_path / "again.npz")
    again = load(tmp_path / "again.npz")
    had = fitted.known(["item 1", "item 4", "item 7", "item 10", "item 13", "nowhere"])
    assert np.allclose(fitted.score(had), again.score(had))
    assert (fitted.items, fitted.titles, fitted.recipes) == (again.items, again.titles, again.recipes)
    assert fitted.about == again.about
    assert list(tmp_path.glob("*.npz.*")) == []


async def test_somebody_is_ranked_by_taste_and_told_why(file: Path) -> None:
    ranker = await Models().get(str(file))
    past = past_of([Interaction("me", f"item {n}", "like", 1.0) for n in (1, 4, 7, 10, 13, 16)])
    ranked = ranker.rank(past, [], frozenset(past.had))
    best = [id for id, _ in ranked[:5]]
    assert {int(id.split()[1]) % 3 for id in best} == {1}
    assert set(ranker.reasons(past, best)[best[0]]) <= set(past.had)
    assert not set(past.had) & {id for id, _ in ranked[:999]}


async def test_somebody_who_came_back_gets_what_is_in_demand_now(file: Path) -> None:
    ranker = await Models().get(str(file))
    days = [Interaction("me", f"item {n}", "like", n * 50_000.0) for n in (16, 13, 10, 7, 4, 1)]
    back, here = past_of(days), past_of(days[:2])
    assert (back.back, here.back, past_of([]).back) == (True, True, False)
    assert ranker.method(back) == ranker.fitted.recipes[BACK].name
    assert not past_of([Interaction("me", "item 1", "like", 1.0)]).back


async def test_somebody_new_gets_what_is_popular(file: Path) -> None:
    ranker = await Models().get(str(file))
    past = past_of([])
    ranked = ranker.rank(past, [], frozenset())
    assert ranker.method(past) == "popularity"
    assert (ranker.title("item 7"), ranker.title("nowhere")) == ("No 7", "nowhere")
    assert ranked[0] == (ranker.fitted.items[int(np.argmax(ranker.fitted.parts.popularity))], 1.0)


async def test_items_without_events_are_ranked_by_what_is_like_them(file: Path) -> None:
    ranker = await Models().get(str(file))
    past = past_of([Interaction("me", f"item {n}", "like", 1.0) for n in (1, 4, 7, 10, 13, 16)])
    later = [CatalogueItem("later", tags=("rice",)), CatalogueItem("odd", tags=("never seen",))]
    scores = dict(ranker.rank(past, later, frozenset())[:999])
    assert scores["item 91"] > scores["item 90"]  # rice, which the user likes, before tea
    assert scores["later"] > scores["odd"] == 0.0


async def test_other_models_are_read_when_the_file_is_another_one(file: Path) -> None:
    models = Models()
    first = await models.get(str(file))
    assert await models.get(str(file)) is first
    save(first.fitted, file)
    assert await models.get(str(file)) is not first


async def test_a_file_that_is_none_of_ours_is_one_sentence(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    for content in (b"", b"nonsense", whole[: len(whole) // 2], pickle.dumps({"a": 1})):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(StorageError, match="make them again with `hubbub train recommend`"):
            load(tmp_path / "bad.npz")
        assert about(tmp_path / "bad.npz") is None


async def test_objects_of_python_are_never_read(tmp_path: Path) -> None:
    with (tmp_path / "bad.npz").open("wb") as file:
        np.savez(file, about=np.array([object()], dtype=object))
    with pytest.raises(StorageError, match="allow_pickle=False"):
        load(tmp_path / "bad.npz")
