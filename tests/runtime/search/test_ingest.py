"""Reading files into the store."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.search.counts import Counts
from runtime.search.data import IndexProgress
from runtime.search.filters import read_filter
from runtime.search.ingest import Ingest, Reading
from runtime.search.keyword import search_keywords
from runtime.search.rows import read_rows
from runtime.search.schema import open_writer
from runtime.search.store import Store

Index = Callable[..., Reading]


class Interrupted(Exception):
    pass


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(open_writer(tmp_path / "var" / "search.db"), "default", "docs")


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    return tmp_path / "docs"


@pytest.fixture
def index(store: Store, docs: Path) -> Index:
    def index(*paths: Path, prune: bool = True, stop_after: int = 10**9) -> Reading:
        calls = 0

        def stop() -> None:
            nonlocal calls
            calls += 1
            if calls > stop_after:
                raise Interrupted

        ingest = Ingest(store, docs.parent, lambda _: None, stop)
        return ingest.run(list(paths) or [docs], prune=prune)

    return index


def texts(store: Store) -> list[str]:
    return [text for (text,) in store.connection.execute("SELECT text FROM passages ORDER BY text")]


def found(store: Store, query: str, filter: dict[str, Any] | None = None) -> list[str]:
    ranked = search_keywords(store.connection, store.id, query, 10, read_filter(store.id, filter), Counts())
    rows = read_rows(store.connection, store.id, "id", [place.id for place, _ in ranked])
    return [rows[place.id].text for place, _ in ranked]


def test_new_files_can_be_found_and_unchanged_ones_are_skipped(
    store: Store, docs: Path, index: Index
) -> None:
    (docs / "a.md").write_text("# Owls\nThey hunt at night.")
    (docs / "sub").mkdir()
    (docs / "sub" / "b.txt").write_text("Larks sing at dawn.")
    first = index()
    assert (first.documents, first.passages, first.failed) == (2, 2, [])
    assert found(store, "hunting owl") == ["They hunt at night."]
    assert (index().skipped, index().documents) == (2, 0)


def test_a_touched_file_is_skipped_by_its_content(docs: Path, index: Index) -> None:
    (docs / "a.txt").write_text("Same.")
    index()
    os.utime(docs / "a.txt", (1, 1))
    assert index().skipped == 1


def test_an_unchanged_file_is_read_again_when_its_reader_is_another(
    store: Store, docs: Path, index: Index
) -> None:
    (docs / "a.txt").write_text("Same.")
    index()
    store.connection.execute("UPDATE documents SET reader = 'text 0'")
    assert index().documents == 1
    assert index().skipped == 1


def test_a_file_that_is_refused_leaves_no_trace(store: Store, docs: Path, index: Index) -> None:
    (docs / "a.pdf").write_bytes(b"%PDF-1.4 and no more")
    (docs / "b.docx").write_bytes(b"")
    assert [path for path, _ in index().failed] == ["docs/a.pdf", "docs/b.docx"]
    assert store.documents() == {}


def test_only_changed_passages_of_a_changed_file_are_new(store: Store, docs: Path, index: Index) -> None:
    rows = [f'{{"id": "{number}", "text": "Record {number}."}}' for number in range(10)]
    (docs / "a.jsonl").write_text("\n".join(rows))
    index()
    store.connection.execute("UPDATE passages SET vector_stored = 1, sentences_stored = 1")
    rows[3] = '{"id": "3", "text": "Another text."}'
    (docs / "a.jsonl").write_text("\n".join(['{"id": "new", "text": "At the top."}', *rows]))
    assert index().passages == 2
    pending = store.connection.execute(
        "SELECT text, line FROM passages WHERE NOT vector_stored ORDER BY line"
    )
    assert pending.fetchall() == [("At the top.", 1), ("Another text.", 5)]
    assert len(texts(store)) == 11
    assert found(store, "another") == ["Another text."]


def test_vanished_files_leave_with_what_was_found_in_them(store: Store, docs: Path, index: Index) -> None:
    (docs / "a.txt").write_text("Owls.")
    (docs / "b.txt").write_text("Larks.")
    index()
    (docs / "a.txt").unlink()
    assert index(prune=False).removed == 0
    assert index().removed == 1
    assert texts(store) == ["Larks."]
    assert found(store, "owls") == []
    (deletes,) = store.connection.execute("SELECT count(*) FROM vector_deletes").fetchone()
    assert deletes == 1


def test_indexing_one_folder_or_file_does_not_prune_another(store: Store, docs: Path, index: Index) -> None:
    for name in ("one", "onesie"):
        (docs / name).mkdir()
        (docs / name / "a.txt").write_text(f"In {name}.")
    index()
    (docs / "onesie" / "a.txt").unlink()
    assert index(docs / "one").removed == 0
    assert index(docs / "onesie" / "a.txt").removed == 1


def test_what_cannot_be_read_is_listed_and_the_rest_goes_on(store: Store, docs: Path, index: Index) -> None:
    (docs / "binary.txt").write_bytes(b"\x7fELF\0\0")
    (docs / "latin.md").write_bytes("Größe".encode("latin-1"))
    (docs / "paper.pdf").write_bytes(b"%PDF")
    (docs / "bad.jsonl").write_bytes(b'{"text": "ok"}\n{oops\n')
    (docs / "dangling.md").symlink_to(docs / "nowhere.md")
    (docs / "utf16.txt").write_text("Wide owls.", encoding="utf-16")
    (docs / "good.txt").write_text("Good.")
    (docs / "empty.md").write_text("")
    reading = index(docs, docs / "missing.md")
    assert {path for path, _ in reading.failed} == {
        *("docs/binary.txt", "docs/latin.md", "docs/paper.pdf", "docs/bad.jsonl:2", "docs/dangling.md"),
        "docs/missing.md",
    }
    assert all(sentence.endswith(".") for _, sentence in reading.failed)
    assert texts(store) == ["Good.", "Wide owls.", "ok"]


def test_bad_lines_of_an_unchanged_file_are_listed_every_time(docs: Path, index: Index) -> None:
    (docs / "bad.jsonl").write_text('{"text": "ok"}\n{oops\n' + "{oops\n" * 30)
    first = index()
    assert [path for path, _ in first.failed][:2] == ["docs/bad.jsonl:2", "docs/bad.jsonl:3"]
    assert first.failed[-1] == ("docs/bad.jsonl", "11 further lines were skipped; mend those listed first.")
    again = index()
    assert (again.skipped, again.failed) == (1, first.failed)
    (docs / "bad.jsonl").write_text('{"text": "ok"}\n')
    assert index().failed == []


def test_a_file_that_became_binary_leaves(store: Store, docs: Path, index: Index) -> None:
    (docs / "a.txt").write_text("Owls.")
    index()
    (docs / "a.txt").write_bytes(b"\0\1\2")
    reading = index()
    assert (reading.removed, len(reading.failed), texts(store)) == (1, 1, [])


def test_an_interrupted_reading_goes_on_without_loss_or_doubles(
    store: Store, docs: Path, index: Index
) -> None:
    rows = [f'{{"id": "{number}", "text": "Record number {number}."}}' for number in range(1_700)]
    (docs / "a.jsonl").write_text("\n".join(rows))
    (docs / "b.txt").write_text("Owls.")
    with pytest.raises(Interrupted):
        index(stop_after=3)
    assert 0 < len(texts(store)) < 1_700
    assert index().documents == 2
    assert len(texts(store)) == len(set(texts(store))) == 1_701
    assert index().skipped == 2


def test_the_same_passage_twice_in_a_document_is_stored_twice_and_stays_so(
    store: Store, docs: Path, index: Index
) -> None:
    (docs / "a.jsonl").write_text('{"text": "Twice."}\n{"text": "Twice."}\n')
    index()
    assert texts(store) == ["Twice.", "Twice."]
    (docs / "a.jsonl").write_text('{"text": "Twice."}\n{"text": "Twice."}\n{"text": "Once."}\n')
    assert index().passages == 1


def test_rows_that_repeat_cost_no_more_than_rows_that_do_not(store: Store, docs: Path, index: Index) -> None:
    (docs / "a.csv").write_text("level,said\n" + "info,nothing new\n" * 400)
    looked: list[str] = []
    store.connection.set_trace_callback(lambda sql: looked.append(sql) if "WHERE key" in sql else None)
    index()
    assert len(texts(store)) == 400
    assert len([sql for sql in looked if sql.startswith("SELECT")]) < 1_000
    store.connection.set_trace_callback(None)
    (docs / "a.csv").write_text("level,said\n" + "info,nothing new\n" * 300)
    assert index().passages == 0
    assert len(texts(store)) == 300


def test_metadata_can_be_filtered_by_and_follows_changes(store: Store, docs: Path, index: Index) -> None:
    (docs / "a.jsonl").write_text('{"text": "Owls.", "year": 2020, "tags": ["bird", "night"], "ok": true}\n')
    index()
    filter: dict[str, Any]
    for filter in ({"year": 2020}, {"year": 2020.0}, {"year": [2019, 2020]}, {"tags": "night"}, {"ok": True}):
        assert found(store, "owls", filter) == ["Owls."]
    for filter in ({"year": "2020"}, {"year": {"in": [1]}}, {"tags": "day"}, {"none": 1}, {"path": "b"}):
        assert found(store, "owls", filter) == []
    assert found(store, "owls", {"path": "docs/a.jsonl", "year": 2020}) == ["Owls."]
    (docs / "a.jsonl").write_text('{"text": "Owls.", "year": 2021}\n')
    assert index().passages == 0
    assert found(store, "owls", {"year": 2021}) == ["Owls."]
    assert found(store, "owls", {"year": 2020}) == []


def test_what_is_no_file_is_listed_and_never_opened(docs: Path, index: Index) -> None:
    """Opening a pipe would wait for somebody who writes into it."""
    (docs / "a.txt").write_text("Owls.")
    index()
    (docs / "a.txt").unlink()
    os.mkfifo(docs / "a.txt")
    reading = index()
    assert reading.failed == [
        ("docs/a.txt", "This is no file but a pipe, a socket or a device; leave it out.")
    ]
    assert reading.removed == 1


def test_progress_ends_with_everything_read(store: Store, docs: Path) -> None:
    (docs / "a.txt").write_text("Owls.\n" * 20_000)
    told: list[IndexProgress] = []
    Ingest(store, docs.parent, told.append, lambda: None).run([docs], prune=True)
    assert told[-1].done == told[-1].total == 120_000
    assert [item.done for item in told] == sorted(item.done for item in told)
