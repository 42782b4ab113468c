"""tool.mongo reads and never writes; what needs a server is skipped where there is none (HUBBUB_MONGO)."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hubbub import InvalidInput, NotFound, PluginError
from hubbub.testing import FakeContext, ToolTests
from plugins.mongo import Database, Mongo, Query, Settings

NOWHERE = "mongodb://127.0.0.1:1/"


def mongo(url: str = NOWHERE, name: str = "crm", **more: Any) -> Mongo:
    return Mongo(Settings(databases={"crm": Database(url=url, database=name, timeout=0.3, **more)}))


async def ask(tool: Mongo, **args: Any) -> Any:
    try:
        return await tool.run(Query(database="crm", **{"collection": "lead", **args}), FakeContext())
    finally:
        await tool.aclose()


class TestShape(ToolTests):
    def make(self) -> Mongo:
        return Mongo(Settings())


@pytest.mark.parametrize("stage", ["$out", "$merge", "$currentOp", "$listSessions", "$changeStream", "$new"])
async def test_a_pipeline_only_reads(stage: str) -> None:
    with pytest.raises(InvalidInput, match="is not one that only reads; take it out"):
        await ask(mongo(), pipeline=[{"$match": {}}, {stage: {}}])
    inner: list[Any] = [{stage: {}}]
    for inside in (
        {"$facet": {"one": inner}},
        {"$lookup": {"from": "lead", "pipeline": inner}},
        {"$unionWith": {"coll": "lead", "pipeline": inner}},
    ):
        with pytest.raises(InvalidInput, match="is not one that only reads"):
            await ask(mongo(), pipeline=[inside])


@pytest.mark.parametrize(
    "args",
    [
        {"filter": {"$where": "while(true);"}},
        {"filter": {"$or": [{"a": 1}, {"$where": "1"}]}},
        {"pipeline": [{"$project": {"x": {"$function": {"body": "x", "args": [], "lang": "js"}}}}]},
        {"pipeline": [{"$group": {"_id": 1, "x": {"$accumulator": {}}}}]},
    ],
)
async def test_no_code_runs_on_the_server(args: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="runs code on the server; take it out"):
        await ask(mongo(), **args)


@pytest.mark.parametrize(
    "args",
    [
        {"collection": "salary"},
        {"pipeline": [{"$lookup": {"from": "salary", "as": "x"}}]},
        {"pipeline": [{"$unionWith": "salary"}]},
        {"pipeline": [{"$facet": {"a": [{"$unionWith": {"coll": "salary"}}]}}]},
    ],
)
async def test_only_listed_collections_are_read(args: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="the collection salary may not be read"):
        await ask(mongo(collections=("lead",)), **args)


async def test_a_server_that_is_not_there_is_told_without_its_address() -> None:
    url = "mongodb://hub:s3cret@127.0.0.1:1/"
    with pytest.raises(PluginError, match=r"gave no answer \(ServerSelectionTimeoutError\)") as caught:
        await ask(mongo(url))
    assert "s3cret" not in str(caught.value)


async def test_an_unknown_database_is_told() -> None:
    with pytest.raises(NotFound, match=r"no database crm \(known: none\)"):
        await Mongo(Settings()).run(Query(database="crm", collection="lead"), FakeContext())


@pytest.fixture
async def stored() -> AsyncIterator[Mongo]:
    """A tool, on a real server with three documents."""
    url = os.environ.get("HUBBUB_MONGO")
    if not url:
        pytest.skip("no MongoDB: set HUBBUB_MONGO to the address of one, such as mongodb://127.0.0.1:27017/")
    from pymongo import AsyncMongoClient

    name = f"hubbub_{uuid.uuid4().hex[:8]}"
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(url)
    await client[name]["lead"].insert_many(
        [{"_id": n, "name": f"lead {n}", "size": n * 10} for n in range(3)]
    )
    yield mongo(url, name)
    await client.drop_database(name)
    await client.close()


async def test_documents_are_found_sorted_and_limited(stored: Mongo) -> None:
    found = await ask(stored, filter={"size": {"$gte": 10}}, fields=["name"], sort={"size": -1}, rows=1)
    assert found == {"documents": [{"_id": 2, "name": "lead 2"}], "more": True}


async def test_documents_are_aggregated(stored: Mongo) -> None:
    found = await ask(stored, pipeline=[{"$group": {"_id": None, "sum": {"$sum": "$size"}}}])
    assert found == {"documents": [{"_id": None, "sum": 30}], "more": False}
