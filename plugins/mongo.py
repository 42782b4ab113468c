# /// script
# dependencies = ["pymongo>=4.13"]
# ///
"""tool.mongo: finds and aggregates documents of a MongoDB, read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from hubbub import Context, InvalidInput, JsonObject, NotFound, PluginError, hookimpl

if TYPE_CHECKING:
    from pymongo import AsyncMongoClient

_READS = frozenset(
    {
        "$addFields",
        "$bucket",
        "$bucketAuto",
        "$count",
        "$densify",
        "$documents",
        "$facet",
        "$fill",
        "$geoNear",
        "$group",
        "$limit",
        "$lookup",
        "$match",
        "$project",
        "$redact",
        "$replaceRoot",
        "$replaceWith",
        "$sample",
        "$search",
        "$set",
        "$setWindowFields",
        "$skip",
        "$sort",
        "$sortByCount",
        "$unionWith",
        "$unset",
        "$unwind",
        "$vectorSearch",
    }
)
"""Stages of a pipeline that change nothing."""
_RUNS = frozenset({"$where", "$function", "$accumulator"})
"""Operators that run JavaScript on the server."""


class Database(BaseModel):
    """`[plugins.mongo.databases.NAME]`: one database."""

    url: str = Field(description='"secret:NAME": an address such as mongodb://user:password@host/database')
    database: str = Field(description="the database's name there")
    collections: tuple[str, ...] = Field(
        default=(), description="those that may be read; all when none is listed"
    )
    rows: int = Field(default=1000, ge=1, le=100_000, description="documents of one answer, at most")
    timeout: float = Field(default=10.0, gt=0, description="seconds of one query, at most")


class Settings(BaseModel):
    """`[plugins.mongo]`: the databases that graphs may name."""

    databases: dict[str, Database] = Field(default_factory=dict, description="databases by name")


class Query(BaseModel):
    """Documents that are looked for: by a filter, or by a pipeline."""

    database: str = Field(default="default", description="a name of [plugins.mongo.databases]")
    collection: str = Field(min_length=1, max_length=120)
    filter: dict[str, Any] = Field(default_factory=dict, description="what documents must have")
    fields: list[str] = Field(
        default_factory=list, description="the fields that are wanted; all when none is listed"
    )
    sort: dict[str, int] = Field(default_factory=dict, description="fields with 1 (rising) or -1 (falling)")
    pipeline: list[dict[str, Any]] | None = Field(
        default=None, description="stages, instead of filter and sort"
    )
    rows: int = Field(default=100, ge=1, description="documents that are wanted, at most")


class Mongo:
    """Asks through MongoDB's own asynchronous client; nothing it sends can write or run code there."""

    name = "mongo"
    description = "Finds or aggregates documents of a MongoDB collection."
    Args = Query

    def __init__(self, settings: Settings) -> None:
        self._databases = settings.databases
        self._clients: dict[str, AsyncMongoClient[dict[str, Any]]] = {}

    async def run(self, args: Query, ctx: Context) -> JsonObject:
        """Return `{documents, more}`; `more` says that there were further ones."""
        from bson.json_util import RELAXED_JSON_OPTIONS, dumps
        from orjson import loads
        from pymongo.errors import PyMongoError

        database = self._checked(args)
        most = min(args.rows, database.rows)
        try:
            found = await self._found(args, database, most + 1)
        except PyMongoError as error:
            why = type(error).__name__
            raise PluginError(
                f"the database {args.database} gave no answer ({why}); mend the query, or [plugins.mongo]"
            ) from None
        documents = loads(dumps(found[:most], json_options=RELAXED_JSON_OPTIONS))
        return {"documents": documents, "more": len(found) > most}

    async def aclose(self) -> None:
        """Close the connections."""
        while self._clients:
            await self._clients.popitem()[1].close()

    async def _found(self, args: Query, database: Database, most: int) -> list[dict[str, Any]]:
        collection = self._client(args.database, database)[database.database][args.collection]
        milliseconds = int(database.timeout * 1000)
        if args.pipeline is not None:
            stages = [*args.pipeline, {"$limit": most}]
            return await (await collection.aggregate(stages, maxTimeMS=milliseconds)).to_list(most)
        cursor = collection.find(args.filter, args.fields or None, limit=most, max_time_ms=milliseconds)
        return await (cursor.sort(list(args.sort.items())) if args.sort else cursor).to_list(most)

    def _client(self, name: str, database: Database) -> AsyncMongoClient[dict[str, Any]]:
        from pymongo import AsyncMongoClient

        if name not in self._clients:
            wait = int(database.timeout * 1000)
            self._clients[name] = AsyncMongoClient(
                database.url, serverSelectionTimeoutMS=wait, connectTimeoutMS=wait, timeoutMS=wait
            )
        return self._clients[name]

    def _checked(self, args: Query) -> Database:
        database = self._databases.get(args.database)
        if database is None:
            known = ", ".join(sorted(self._databases)) or "none"
            said = f"there is no database {args.database[:80]} (known: {known})"
            raise NotFound(f"{said}; add it to [plugins.mongo.databases]")
        _refuse_code([args.filter, args.pipeline])
        asked = {args.collection, *_read_by(args.pipeline or [])}
        if database.collections and (other := asked - set(database.collections)):
            raise InvalidInput(
                f"the collection {min(other)[:80]} may not be read; add it to [plugins.mongo.databases."
                f"{args.database}] collections"
            )
        return database


def _read_by(stages: list[Any]) -> set[str]:
    """Return the further collections that a pipeline reads; InvalidInput for what may change something."""
    read: set[str] = set()
    for stage in stages:
        if not isinstance(stage, dict) or len(stage) != 1:
            raise InvalidInput('a stage of the pipeline is a mapping with one key; write {"$match" = {…}}')
        ((name, about),) = stage.items()
        if name not in _READS:
            raise InvalidInput(f"the stage {name[:80]} is not one that only reads; take it out")
        inner = about if isinstance(about, dict) else {}
        if name == "$facet":
            for branch in inner.values():
                read |= _read_by(branch)
        elif name in ("$lookup", "$unionWith"):
            read |= {str(about)} if isinstance(about, str) else set()
            other = inner.get("from") or inner.get("coll")
            read |= {str(other)} if other else set()
            read |= _read_by(inner.get("pipeline") or [])
    return read


def _refuse_code(value: Any) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in _RUNS:
                raise InvalidInput(f"{key} runs code on the server; take it out")
            _refuse_code(inner)
    elif isinstance(value, list):
        for inner in value:
            _refuse_code(inner)


@hookimpl
def register_tools(settings: Settings) -> list[Mongo]:
    """Supply `tool.mongo`."""
    return [Mongo(settings)]
