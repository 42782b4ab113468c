"""The store keeps what it was given, for one tenant, for as long as it was told, and finds it again."""

from __future__ import annotations

import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import InvalidInput, TooLarge
from runtime.store.requests import MAX_VALUE, ItemQuery, NamespaceQuery, Put
from runtime.store.store import Found, Store

NOTES = ("ann", "notes")


async def note(store: Store, key: str, text: str, *, tenant: str = "acme", **more: Any) -> None:
    await store.put(tenant, [Put(NOTES, key, {"text": text}, **more)])


async def ask(store: Store, query: str | None = None, *, tenant: str = "acme", **more: Any) -> Found:
    return await store.search(tenant, ItemQuery(query=query, **more))


def keys(found: Found) -> list[str]:
    return [item.key for item, _ in found.items]


async def test_an_item_is_there_when_put_returns_and_keeps_when_it_was_made(store: Store) -> None:
    await note(store, "a", "one")
    first = await store.get("acme", NOTES, "a")
    await note(store, "a", "two")
    second = await store.get("acme", NOTES, "a")
    assert first
    assert second
    assert (first.value, second.value) == ({"text": "one"}, {"text": "two"})
    assert second.created_at == first.created_at < second.updated_at


async def test_several_puts_are_one_commit(store: Store) -> None:
    await note(store, "old", "one")
    bad = Put(("langgraph",), "x", {})
    with pytest.raises(InvalidInput, match="langgraph"):
        await store.put("acme", [Put(NOTES, "new", {}), Put(NOTES, "old", None), bad])
    assert keys(await ask(store)) == ["old"]
    await store.put("acme", [Put(NOTES, "new", {}), Put(NOTES, "old", None)])
    assert keys(await ask(store)) == ["new"]


async def test_a_tenant_sees_nothing_of_another(store: Store) -> None:
    await note(store, "a", "the secret of acme")
    await note(store, "a", "another text", tenant="bolt")
    assert keys(await ask(store, tenant="other")) == []
    assert keys(await ask(store, "secret", tenant="other")) == []
    assert await store.get("other", NOTES, "a") is None
    assert await store.namespaces("other", NamespaceQuery()) == []
    await store.put("bolt", [Put(NOTES, "a", None)])
    found = await store.get("acme", NOTES, "a")
    assert found
    assert found.value == {"text": "the secret of acme"}


async def test_a_prefix_is_made_of_whole_labels(store: Store) -> None:
    for namespace in (("a",), ("a", "b"), ("ab",), ("a-b",), ("a/b",), ("b", "a"), ("\U0010ffff",)):
        await store.put("acme", [Put(namespace, "/".join(namespace), {})])
    assert sorted(keys(await ask(store, prefix=("a",)))) == ["a", "a/b"]
    assert len(keys(await ask(store))) == 7


async def test_without_a_query_the_latest_written_come_first(store: Store) -> None:
    for key in ("a", "b", "c", "a"):
        await note(store, key, key)
    assert keys(await ask(store)) == ["a", "c", "b"]
    assert keys(await ask(store, limit=1, offset=1)) == ["c"]
    assert (await ask(store)).mode == ""


# --------------------------------------------------------------------------- by meaning


async def test_a_query_ranks_by_meaning_right_after_the_put(store: Store) -> None:
    await note(store, "tea", "green tea at four")
    await note(store, "walk", "a walk in the green park")
    found = await ask(store, "tea at four")
    assert keys(found) == ["tea", "walk"]
    assert (found.mode, found.degraded) == ("semantic", False)
    scores = [score for _, score in found.items]
    assert scores == sorted(scores, key=lambda score: -(score or 0))
    assert 0 < (scores[0] or 0) <= 1.0001


async def test_only_the_named_fields_are_looked_at(store: Store) -> None:
    value = {"title": "tea", "body": "walk", "tags": ["green", "park"]}
    await store.put("acme", [Put(NOTES, "title", value, ["title"])])
    await store.put("acme", [Put(NOTES, "tags", value, ["tags[*]"])])
    await store.put("acme", [Put(NOTES, "none", value, index=False)])
    assert keys(await ask(store, "tea", limit=1)) == ["title"]
    found = await ask(store, "park")
    assert keys(found) == ["tags", "title"]
    assert found.items[0][1] == pytest.approx(1)
    assert set(keys(await ask(store))) == {"title", "tags", "none"}
    assert not found.degraded


async def test_a_new_value_is_found_by_its_own_words_alone(store: Store) -> None:
    await note(store, "a", "tea")
    await note(store, "a", "walk")
    await note(store, "b", "park", index=["text"])
    found = await ask(store, "tea")
    assert [score for _, score in found.items] == [0, 0]
    await note(store, "b", "park", index=False)
    assert keys(await ask(store, "park")) == ["a"]


async def test_pages_of_a_ranking_are_the_ranking(store: Store) -> None:
    for number in range(700):
        await store.put(
            "acme", [Put(NOTES, str(number), {"text": "tea " * (number % 5), "even": number % 2 == 0})]
        )
    whole = keys(await ask(store, "tea", limit=1000))
    assert len(whole) == 700
    pages = [keys(await ask(store, "tea", limit=100, offset=start)) for start in range(0, 800, 100)]
    assert [key for page in pages for key in page] == whole
    some = keys(await ask(store, "tea", limit=1000, filter={"even": True}))
    assert some == [key for key in whole if int(key) % 2 == 0]
    assert keys(await ask(store, "tea", limit=7, offset=200, filter={"even": True})) == some[200:207]


# --------------------------------------------------------------------------- without a model


async def test_without_an_embedder_a_query_goes_by_words_and_says_so(opened: Any) -> None:
    opened.words.space = ""
    store = opened.store
    await note(store, "tea", "Green tea at four. Tea again.")
    await note(store, "one", "Some tea")
    await note(store, "walk", "a walk in the park")
    await note(store, "hidden", "tea tea tea", index=False)
    found = await ask(store, "teas")
    assert sorted(keys(found)) == ["one", "tea"]
    assert (found.mode, found.degraded) == ("keyword", True)
    assert all((score or 0) > 0 for _, score in found.items)
    assert keys(await ask(store, "the")) == ["walk"]
    assert keys(await ask(store, "?!")) == []
    assert keys(await ask(store, "tea", filter={"text": "Some tea"})) == ["one"]


async def test_what_was_stored_without_a_model_is_left_out_aloud_and_embedded_when_there_is_one(
    opened: Any,
) -> None:
    opened.words.space = ""
    for number in range(70):
        await note(opened.store, f"early {number}", "tea")
    opened.words.space = "words:64"
    await note(opened.store, "late", "tea")
    found = await ask(opened.store, "tea")
    assert keys(found) == ["late"]
    assert (found.mode, found.degraded) == ("semantic", True)
    await opened.store.tidy()
    found = await ask(opened.store, "tea", limit=100)
    assert len(keys(found)) == 71
    assert not found.degraded


async def test_vectors_of_another_model_are_not_compared(opened: Any) -> None:
    await note(opened.store, "a", "tea")
    opened.words.space = "other:64"
    assert keys(await ask(opened.store, "tea")) == []
    await opened.store.tidy()
    assert keys(await ask(opened.store, "tea")) == ["a"]


async def test_an_embedder_that_fails_loses_nothing(opened: Any) -> None:
    opened.words.broken = True
    await note(opened.store, "a", "tea")
    found = await ask(opened.store, "tea")
    assert (keys(found), found.mode, found.degraded) == (["a"], "keyword", True)
    await opened.store.tidy()
    opened.words.broken = False
    assert (await ask(opened.store, "tea")).degraded
    await opened.store.tidy()
    assert not (await ask(opened.store, "tea")).degraded


async def test_a_real_model_finds_what_shares_no_word(models: Path, opened: Any) -> None:
    from plugins.minilm import MiniLM, Settings

    embedder = MiniLM(Settings())
    embedder.load(models / "all-MiniLM-L6-v2")

    class Model:
        space = "minilm"

        async def embed(self, texts: list[str]) -> Any:
            return embedder.embed(texts, None)

    opened.store._embedding = Model()
    await note(opened.store, "food", "I never eat meat or fish")
    await note(opened.store, "car", "My old van needs a new engine")
    found = await ask(opened.store, "is she a vegetarian?")
    assert keys(found)[0] == "food"


# --------------------------------------------------------------------------- time to live


async def test_an_expired_item_is_nowhere_before_and_after_it_is_swept(opened: Any) -> None:
    store = opened.store
    await note(store, "short", "tea", ttl=1)
    await note(store, "long", "tea")
    opened.clock.now += 59
    assert sorted(keys(await ask(store, "tea", refresh=False))) == ["long", "short"]
    opened.clock.now += 2
    assert keys(await ask(store)) == keys(await ask(store, "tea")) == ["long"]
    assert await store.get("acme", NOTES, "short") is None
    await store.put("acme", [Put(NOTES, "long", None)])
    assert await store.namespaces("acme", NamespaceQuery()) == []
    await store.tidy()
    assert await count(opened, "items") == await count(opened, "item_vectors") == 0


async def test_reading_lets_the_time_begin_anew_unless_told_not_to(opened: Any) -> None:
    store, clock = opened.store, opened.clock
    for key in ("got", "found", "peeked"):
        await note(store, key, "tea", ttl=1)
    clock.now += 50
    await store.get("acme", NOTES, "got")
    await store.get("acme", NOTES, "peeked", refresh=False)
    await ask(store, filter={"text": "tea"}, limit=2, offset=1)
    await opened.journal.barrier()
    clock.now += 50
    assert sorted(keys(await ask(store, refresh=False))) == ["found", "got"]


async def test_an_item_that_had_expired_begins_anew(opened: Any) -> None:
    await note(opened.store, "a", "tea", ttl=1)
    opened.clock.now += 100
    await note(opened.store, "a", "walk")
    found = await opened.store.get("acme", NOTES, "a")
    assert found.created_at == found.updated_at
    assert found.ttl is None


async def test_sweeping_many_takes_several_commits_and_leaves_the_rest(opened: Any) -> None:
    for start in range(0, 2500, 500):
        await opened.store.put(
            "acme", [Put(NOTES, str(n), {}, index=False, ttl=1) for n in range(start, start + 500)]
        )
    await note(opened.store, "kept", "tea")
    opened.clock.now += 61
    await opened.store.tidy()
    assert await count(opened, "items") == 1


async def count(opened: Any, table: str) -> int:
    found = await opened.journal.read(
        lambda database: database.execute(f"SELECT count(*) FROM {table}").fetchone()
    )
    return int(found[0])


# --------------------------------------------------------------------------- namespaces


async def test_namespaces_are_listed_by_prefix_suffix_and_depth(store: Store) -> None:
    for path in ("a.b.c", "a.b.d.e", "a.b.d.i", "a.b.f", "a.c.f", "z"):
        await store.put("acme", [Put(tuple(path.split(".")), "k", {})])

    async def listed(**query: Any) -> list[str]:
        return [".".join(each) for each in await store.namespaces("acme", NamespaceQuery(**query))]

    assert await listed(prefix=("a", "b"), max_depth=3) == ["a.b.c", "a.b.d", "a.b.f"]
    assert await listed(suffix=("f",)) == ["a.b.f", "a.c.f"]
    assert await listed(prefix=("a", "*", "f")) == ["a.b.f", "a.c.f"]
    assert await listed(limit=2, offset=4) == ["a.c.f", "z"]
    await store.put("acme", [Put(("z",), "k", None)])
    assert await listed(prefix=("z",)) == []


# --------------------------------------------------------------------------- bounds


@pytest.mark.parametrize(
    ("put", "sentence"),
    [
        (Put((), "k", {}), "at least one label"),
        (Put(("langgraph", "a"), "k", {}), "langgraph"),
        (Put(("a.b",), "k", {}), "without dots"),
        (Put(("a", ""), "k", {}), "not empty"),
        (Put(("a\0",), "k", {}), "no label"),
        (Put(("a" * 200,), "k", {}), "at most"),
        (Put(("a",) * 40, "k", {}), "at most"),
        (Put(("a",), "", {}), "key"),
        (Put(("a",), "k" * 600, {}), "key"),
        (Put(("a",), "\ud800", {}), "key"),
        (Put(("a",), "k", {"a": {1, 2}}), "not JSON"),
        (Put(("a",), "k", {"a": float("nan")}), "NaN"),
        (Put(("a",), "k", {"a": [{"b": float("inf")}], "c": None}), "NaN"),
        (Put(("a",), "k", ["a"]), "JSON object"),  # type: ignore[arg-type]
        (Put(("a",), "k", {}, ttl=0), "ttl"),
        (Put(("a",), "k", {}, ttl=float("nan")), "ttl"),
        (Put(("a",), "k", {}, index=True), "index"),
        (Put(("a",), "k", {}, index=["a"] * 100), "index"),
        (Put(("a",), "k", {}, index=["a" * 300]), "index"),
    ],
)
async def test_what_cannot_be_stored_is_refused_with_a_sentence(
    store: Store, put: Put, sentence: str
) -> None:
    with pytest.raises(InvalidInput, match=sentence) as refused:
        await store.put("acme", [put])
    assert str(refused.value).endswith(".")


async def test_too_much_is_refused(store: Store) -> None:
    with pytest.raises(TooLarge, match="bytes"):
        await note(store, "a", "x" * MAX_VALUE)
    with pytest.raises(TooLarge, match="texts"):
        await store.put("acme", [Put(NOTES, "a", {"all": [f"t{n}" for n in range(100)]}, ["all[*]"])])
    for number in range(70):
        await store.put("acme", [Put(("large",), str(number), {"text": "x" * 250_000}, index=False)])
    with pytest.raises(TooLarge, match="fewer"):
        await store.search("acme", ItemQuery(("large",), limit=100))
    assert len((await store.search("acme", ItemQuery(("large",), limit=60))).items) == 60
    for query in (
        ItemQuery(limit=0),
        ItemQuery(limit=10_000),
        ItemQuery(offset=-1),
        ItemQuery(query="x" * 20_000),
    ):
        with pytest.raises(InvalidInput):
            await store.search("acme", query)
    with pytest.raises(InvalidInput, match="max_depth"):
        await store.namespaces("acme", NamespaceQuery(max_depth=0))


# --------------------------------------------------------------------------- what is on disk


async def test_a_put_that_returned_outlives_the_writer(opened: Any, tmp_path: Path) -> None:
    await note(opened.store, "a", "tea")
    os.kill(opened.journal._log._process.pid, signal.SIGKILL)
    await note(opened.store, "b", "tea")
    assert sorted(keys(await ask(opened.store, "tea"))) == ["a", "b"]
    with sqlite3.connect(tmp_path / "hubbub.db") as database:
        assert database.execute("SELECT count(*) FROM item_vectors").fetchone() == (2,)
