"""What a search tells beside its hits: facets, highlights, variety, and how the query is better spelled."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from runtime.errors import InvalidInput
from runtime.ports import Collection
from runtime.search import IndexTotals, Search
from runtime.types import SearchQuery

ROWS = [
    {"id": "owl", "text": "Owls hunt mice at night. They <b>see</b> well.", "kind": "bird", "year": 2020},
    {"id": "twin", "text": "Owls hunt mice at night. They hear well.", "kind": ["bird", "pet"], "year": 2021},
    {"id": "lark", "text": "Larks sing. The lantern of an owl burns.", "kind": "bird", "year": 2020},
    {"id": "car", "text": "The automobile needs an engine. No night is too dark.", "kind": "thing"},
]


@pytest.fixture
async def collection(
    tmp_path: Path,
    open_search: Callable[..., Awaitable[Search]],
    index: Callable[..., Awaitable[IndexTotals]],
) -> Collection:
    """Four records of which two say the same."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "animals.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    search = await open_search()
    await index(search, tmp_path / "docs")
    return search.collection("default", "docs")


async def test_facets_count_the_values_of_what_was_found(collection: Collection) -> None:
    hits = await collection.search(SearchQuery("owls", 1, facets=["kind", "year", "path", "none"]))
    assert len(hits) == 1
    assert hits.facets == {
        "kind": [{"value": "bird", "count": 3}, {"value": "pet", "count": 1}],
        "year": [{"value": 2020, "count": 2}, {"value": 2021, "count": 1}],
        "path": [{"value": "docs/animals.jsonl", "count": 3}],
        "none": [],
    }


async def test_facets_count_within_the_filter(collection: Collection) -> None:
    hits = await collection.search(SearchQuery("night", filter={"year": [2020, 2021]}, facets=["kind"]))
    assert hits.facets == {"kind": [{"value": "bird", "count": 2}, {"value": "pet", "count": 1}]}


async def test_a_part_of_a_split_record_or_file_counts_once(
    open_search: Callable[..., Awaitable[Search]],
    index: Callable[..., Awaitable[IndexTotals]],
    tmp_path: Path,
) -> None:
    (tmp_path / "long.jsonl").write_text(json.dumps({"id": "1", "text": "Owls hunt. " * 2_000, "kind": "a"}))
    (tmp_path / "long.md").write_text("Owls hunt.\n\n" * 2_000)
    search = await open_search()
    await index(search, tmp_path / "long.jsonl", tmp_path / "long.md")
    hits = await search.collection("default", "docs").search(SearchQuery("owls", facets=["kind", "path"]))
    assert hits.facets["kind"] == [{"value": "a", "count": 1}]
    assert [each["count"] for each in hits.facets["path"]] == [1, 1]


async def test_records_that_moved_to_other_lines_still_count_once_each(
    open_search: Callable[..., Awaitable[Search]],
    index: Callable[..., Awaitable[IndexTotals]],
    tmp_path: Path,
) -> None:
    file = tmp_path / "rows.jsonl"
    rows = [json.dumps({"id": str(at), "text": f"Owls hunt {at}.", "kind": "a"}) for at in range(3)]
    file.write_text("\n".join(rows[1:]))
    search = await open_search()
    await index(search, file)
    file.write_text("\n".join(rows))
    await index(search, file)
    hits = await search.collection("default", "docs").search(SearchQuery("owls", facets=["kind"]))
    assert hits.facets["kind"] == [{"value": "a", "count": 3}]


async def test_highlights_mark_every_form_of_the_words_and_escape_the_rest(collection: Collection) -> None:
    hits = await collection.search(SearchQuery("owl seeing", highlight=True))
    html = [each["html"] for each in hits[0].highlights]
    assert html == [
        "<mark>Owls</mark> hunt mice at night.",
        "They &lt;b&gt;<mark>see</mark>&lt;/b&gt; well.",
    ]
    assert all(hit.highlights == () for hit in await collection.keyword("owl", 3))


async def test_variety_puts_a_copy_behind_something_new(collection: Collection) -> None:
    plain = await collection.search(SearchQuery("owls night", 2))
    varied = await collection.search(SearchQuery("owls night", 2, mmr=0.7))
    assert {hit.source["id"] for hit in plain} == {"owl", "twin"}
    assert varied[0] == plain[0]
    assert varied[1].source["id"] in ("lark", "car")


@pytest.mark.parametrize(
    ("query", "better"),
    [
        ("Lantren of an owl", "Lantern of an owl"),
        ("AUTTOMOBILE engines?", "AUTOMOBILE engines?"),
        ("owls", None),
        ("hunting", None),
        ("owk", None),
        ("Wo brennt die Leuchtkugel des Wanderers", None),
        ("🦉 ~ 1234567", None),
        ("the of", None),
    ],
)
async def test_a_misspelled_word_is_corrected_by_the_collections_own_words(
    collection: Collection, query: str, better: str | None
) -> None:
    hits = await collection.search(SearchQuery(query, suggest=True))
    assert hits.did_you_mean == better


async def test_words_that_come_later_correct_as_well(
    open_search: Callable[..., Awaitable[Search]],
    index: Callable[..., Awaitable[IndexTotals]],
    tmp_path: Path,
) -> None:
    search = await open_search()
    collection = search.collection("default", "docs")
    wrong = SearchQuery("the kestrle", suggest=True)
    (tmp_path / "a.md").write_text("Larks sing.")
    await index(search, tmp_path / "a.md")
    assert (await collection.search(wrong)).did_you_mean is None
    (tmp_path / "b.md").write_text("A kestrel hovers.")
    await index(search, tmp_path / "b.md")
    assert (await collection.search(wrong)).did_you_mean == "the kestrel"


async def test_nothing_is_suggested_that_would_find_no_more(collection: Collection) -> None:
    wrong = SearchQuery("lantren", suggest=True, filter={"kind": "thing"})
    assert (await collection.search(wrong)).did_you_mean is None


async def test_a_collection_nobody_indexed_has_empty_facets(
    open_search: Callable[..., Awaitable[Search]],
) -> None:
    search = await open_search()
    hits = await search.collection("default", "none").search(
        SearchQuery("owls", facets=["kind"], suggest=True)
    )
    assert (len(hits), hits.facets, hits.did_you_mean) == (0, {"kind": []}, None)


@pytest.mark.parametrize(
    "wrong",
    [
        SearchQuery("owls", 0),
        SearchQuery("owls", 10_000),
        SearchQuery("owls", mmr=2),
        SearchQuery("owls", facets="kind"),
        SearchQuery("owls", facets=["kind"] * 21),
        SearchQuery("owls", mode="sideways"),  # type: ignore[arg-type]
    ],
)
async def test_what_can_never_work_is_a_sentence(collection: Collection, wrong: SearchQuery) -> None:
    with pytest.raises(InvalidInput, match=r"; (ask|choose|write)"):
        await collection.search(wrong)


@pytest.mark.parametrize("filter", [None, {"year": 2020}])
async def test_a_large_collection_is_ranked_like_a_small_one(
    collection: Collection, monkeypatch: pytest.MonkeyPatch, filter: dict[str, int] | None
) -> None:
    query = SearchQuery("night owls automobile lantern", 4, "keyword", filter)
    before = await collection.search(query)
    monkeypatch.setattr("runtime.search.keyword.AFFORDABLE", 1)
    monkeypatch.setattr("runtime.search.keyword.ENOUGH", 2)
    monkeypatch.setattr("runtime.search.keyword.COMMON", 1.0)
    after = await collection.search(query)
    assert [hit.id for hit in after] == [hit.id for hit in before]
    assert [hit.score for hit in after] == pytest.approx([hit.score for hit in before])
