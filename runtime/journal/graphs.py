"""The versions of graph files in the journal: their texts, and what is published."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from runtime.journal.sqlite import SqliteJournal
from runtime.records import GraphText, Publication

_decode = msgspec.json.Decoder(Publication).decode
_SELECT = "SELECT graph, version, text, inside, at FROM graph_texts WHERE graph = ?"


class JournalGraphs:
    """`ports.GraphVersions` on the tables `graph_texts` and `publications`."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal

    async def text(self, graph: str, version: str) -> GraphText | None:
        """Return the text of a version, or None."""
        rows = await self._rows(_SELECT + " AND version = ?", (graph, version))
        return _text(rows[0]) if rows else None

    async def texts(self, graph: str) -> list[GraphText]:
        """Return those of all its versions that are kept, the newest first."""
        return [_text(row) for row in await self._rows(_SELECT + " ORDER BY at DESC, rowid DESC", (graph,))]

    async def publications(self) -> list[Publication]:
        """Return what is published, one for each graph."""
        return [_decode(row[0]) for row in await self._rows("SELECT publication FROM publications", ())]

    async def put(self, texts: Sequence[GraphText], publication: Publication | None) -> None:
        """Keep texts, and publish, in one commit; a text that is kept already stays as it is."""
        statements: list[tuple[str, tuple[object, ...]]] = [
            ("graph.keep", (each.graph, each.version, each.text, _inside(each), each.at or time.time()))
            for each in texts
        ]
        if publication:
            statements.append(("graph.publish", (publication.graph, msgspec.json.encode(publication))))
        await self._journal.request(statements)

    async def withdraw(self, graph: str) -> None:
        """Publish nothing of a graph any more; its texts stay."""
        await self._journal.request([("graph.withdraw", (graph,))])

    async def _rows(self, sql: str, parameters: Sequence[object]) -> list[Any]:
        return await self._journal.read(lambda database: database.execute(sql, parameters).fetchall())


def _inside(text: GraphText) -> str:
    return orjson.dumps(dict(text.inside)).decode()


def _text(row: Any) -> GraphText:
    graph, version, text, inside, at = row
    return GraphText(graph, version, text, orjson.loads(inside), at)
