"""Making the index's file: whole or not at all, whoever looks at it meanwhile."""

import sqlite3
from pathlib import Path

from runtime.search.schema import FORMAT, open_reader, open_writer


def test_tables_of_another_format_are_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    old = sqlite3.connect(path)
    old.execute("PRAGMA user_version = 99")
    old.close()
    assert open_writer(path).execute("PRAGMA user_version").fetchone() == (FORMAT,)


def test_who_looks_at_a_file_does_not_keep_it_from_being_made(tmp_path: Path) -> None:
    """WAL cannot be turned on under a reader, and SQLite does not wait for that."""
    path = tmp_path / "search.db"
    looking = sqlite3.connect(path, isolation_level=None)
    looking.execute("CREATE TABLE half_made (id)")
    looking.execute("BEGIN")
    looking.execute("SELECT * FROM half_made").fetchall()
    assert open_writer(path).execute("PRAGMA journal_mode").fetchone() == ("wal",)
    looking.close()


def test_a_file_that_is_there_has_all_tables(tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    (tmp_path / "search.db.new").write_text("left by one that was killed")
    writer = open_writer(path)
    reader = open_reader(path)
    assert reader.execute("SELECT count(*) FROM passages").fetchone() == (0,)
    reader.close()
    writer.close()
    assert [file.name for file in tmp_path.iterdir()] == ["search.db"]
