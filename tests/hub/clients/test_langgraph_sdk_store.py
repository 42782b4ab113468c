"""`client.store` of the official SDK, unchanged."""

from __future__ import annotations

from typing import Any

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.errors import APIStatusError

from hub.parts import KEYRING

USER = ["users", "ann"]


async def test_an_item_is_put_read_changed_and_deleted(hub: Any) -> None:
    store = get_client(url=hub.url).store
    await store.put_item(USER, "tea", {"text": "green"})
    made: Any = await store.get_item(USER, "tea")
    assert made["namespace"] == USER
    assert (made["key"], made["value"]) == ("tea", {"text": "green"})
    assert set(made) == {"namespace", "key", "value", "created_at", "updated_at"}
    await store.put_item(USER, "tea", {"text": "black"})
    changed: Any = await store.get_item(USER, "tea")
    assert changed["value"] == {"text": "black"}
    assert changed["created_at"] == made["created_at"] < changed["updated_at"]
    await store.delete_item(USER, "tea")
    await store.delete_item(USER, "tea")
    assert await store.get_item(USER, "tea") is None


async def test_items_are_found_by_filter_page_and_meaning(hub: Any) -> None:
    store = get_client(url=hub.url).store
    for number in range(5):
        value = {"text": "green tea" if number else "a walk", "number": number}
        await store.put_item(USER, str(number), value, index=["text"])
    found = await store.search_items(["users"], filter={"number": {"$gte": 1, "$ne": 3}}, limit=2, offset=1)
    assert [item["key"] for item in found["items"]] == ["2", "1"]
    answer: Any = await store.search_items(USER, query="walk", limit=1)
    assert (answer["mode"], answer["degraded"]) == ("semantic", False)
    assert answer["items"][0]["key"] == "0"
    assert answer["items"][0]["score"] > 0.5
    assert answer["items"][0]["mode"] == "semantic"
    assert (await store.search_items(["nobody"]))["items"] == []


async def test_without_a_model_the_answer_says_that_it_went_by_words(hub: Any) -> None:
    hub.engine.search.space = ""
    store = get_client(url=hub.url).store
    await store.put_item(USER, "tea", {"text": "green tea"})
    answer: Any = await store.search_items([], query="tea")
    assert (answer["mode"], answer["degraded"]) == ("keyword", True)
    assert [item["mode"] for item in answer["items"]] == ["keyword"]


async def test_namespaces_are_listed(hub: Any) -> None:
    store = get_client(url=hub.url).store
    for namespace in (["a", "b", "c"], ["a", "b", "d"], ["z", "c"]):
        await store.put_item(namespace, "k", {}, index=False)
    listed: Any = await store.list_namespaces(prefix=["a"], max_depth=2)
    assert listed == {"namespaces": [["a", "b"]]}
    listed = await store.list_namespaces(suffix=["c"], limit=1, offset=1)
    assert listed == {"namespaces": [["z", "c"]]}


async def test_an_item_lives_as_long_as_its_ttl(hub: Any) -> None:
    store = get_client(url=hub.url).store
    hub.engine.store._clock = lambda: 1_000.0
    await store.put_item(USER, "tea", {"text": "green"}, ttl=1)
    hub.engine.store._clock = lambda: 1_059.0
    assert await store.get_item(USER, "tea", refresh_ttl=False)
    hub.engine.store._clock = lambda: 1_061.0
    assert await store.get_item(USER, "tea") is None
    assert (await store.search_items(USER, query="green", refresh_ttl=False))["items"] == []


async def test_two_tenants_with_keys_see_nothing_of_each_other(guarded: Any) -> None:
    keyring = guarded.server.runner.app[KEYRING]
    clients = []
    for tenant in ("acme", "bolt"):
        _, text = await keyring.create("app", tenant)
        clients.append(get_client(url=guarded.url, api_key=text).store)
    acme, bolt = clients
    await acme.put_item(USER, "tea", {"text": "the secret of acme"})
    assert await bolt.get_item(USER, "tea") is None
    assert (await bolt.search_items([], query="secret"))["items"] == []
    assert (await bolt.list_namespaces())["namespaces"] == []
    await bolt.put_item(USER, "tea", {"text": "of bolt"})
    await bolt.delete_item(USER, "tea")
    assert (await acme.get_item(USER, "tea"))["value"] == {"text": "the secret of acme"}
    with pytest.raises(APIStatusError):
        await get_client(url=guarded.url).store.get_item(USER, "tea")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/store/items", {"namespace": [], "key": "k", "value": {}}),
        ("PUT", "/store/items", {"namespace": ["langgraph"], "key": "k", "value": {}}),
        ("PUT", "/store/items", {"namespace": ["a.b"], "key": "k", "value": {}}),
        ("PUT", "/store/items", {"namespace": ["a"], "key": "", "value": {}}),
        ("PUT", "/store/items", {"namespace": ["a"], "key": "k", "value": []}),
        ("PUT", "/store/items", {"namespace": ["a"], "key": "k"}),
        ("PUT", "/store/items", {"namespace": ["a"], "key": "k", "value": {}, "index": True}),
        ("PUT", "/store/items", {"namespace": ["a"], "key": "k", "value": {}, "ttl": -1}),
        ("PUT", "/store/items", {"namespace": ["a"], "key": "k", "value": {}, "tll": 1}),
        ("GET", "/store/items?namespace=a", None),
        ("GET", "/store/items?namespace=a..b&key=k", None),
        ("POST", "/store/items/search", {"limit": 0}),
        ("POST", "/store/items/search", {"filter": {"a": {"$regex": "x"}}}),
        ("POST", "/store/items/search", {"namespace_prefix": ["a.b"]}),
        ("POST", "/store/namespaces", {"max_depth": 0}),
        ("POST", "/store/namespaces", {"prefix": ["a", ""]}),
        ("DELETE", "/store/items", {"namespace": ["a"]}),
    ],
)
async def test_what_cannot_be_is_refused_with_a_sentence(hub: Any, method: str, path: str, body: Any) -> None:
    status, answer = await hub.ask(method, path, body)
    assert status == 422, answer
    assert answer["detail"].endswith((".", "?"))
    assert answer["code"] == "invalid_argument"


async def test_too_large_a_value_is_said_to_be_too_large(hub: Any) -> None:
    body = {"namespace": ["a"], "key": "k", "value": {"text": "x" * 300_000}}
    status, answer = await hub.ask("PUT", "/store/items", body)
    assert (status, answer["code"]) == (413, "too_large")
