"""Graphs as the LangGraph SDK's assistants."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.errors import NotFoundError

from tests.hub.conftest import GRAPHS


async def test_every_graph_is_an_assistant_by_its_name(hub: Any) -> None:
    client = get_client(url=hub.url)
    assert sorted(found["assistant_id"] for found in await client.assistants.search()) == sorted(GRAPHS)
    assistant = await client.assistants.get("echo")
    assert (assistant["graph_id"], assistant["name"]) == ("echo", "echo")
    assert assistant["metadata"] == {"created_by": "system", "graph_version": "v1"}
    with pytest.raises(NotFoundError, match="did you mean echo"):
        await client.assistants.get("ecco")


async def test_a_search_filters_and_pages(hub: Any) -> None:
    client = get_client(url=hub.url)
    assert [found["name"] for found in await client.assistants.search(graph_id="fail")] == ["fail"]
    assert await client.assistants.search(graph_id="none") == []
    assert await client.assistants.search(metadata={"created_by": "me"}) == []
    names = [
        found["name"] for found in await client.assistants.search(sort_by="name", sort_order="desc", limit=2)
    ]
    assert names == sorted(GRAPHS, reverse=True)[:2]
    assert await client.assistants.count() == len(GRAPHS)


async def test_schemas_are_those_of_the_graph(hub: Any) -> None:
    schemas = await get_client(url=hub.url).assistants.get_schemas("echo")
    assert schemas["input_schema"] == {"type": "object"}
