"""`/usage` and `/admin/views`: sums for those whose they are."""

from __future__ import annotations

from typing import Any

import pytest

from hub.parts import KEYRING
from runtime.records import ModelCall
from runtime.types import Usage

DAY = 1_735_732_800.0
"""The noon of 2025-01-01."""


async def used(hub: Any, tenant: str, model: str = "a:1", days: int = 0, cost: float = 0.25) -> None:
    at = DAY + days * 86_400
    hub.engine.views.record(
        ModelCall(at, 1.0, tenant, "t", "r", "writer", model, "stop", Usage(10, 5, cost_usd=cost))
    )
    await hub.engine.journal.barrier()


async def test_usage_is_grouped_and_bounded_by_days(hub: Any) -> None:
    await used(hub, "default")
    await used(hub, "default", days=1)
    await used(hub, "default", "b:2", days=1)
    status, answer = await hub.ask("GET", "/usage")
    assert status == 200
    assert [(row["day"], row["model"], row["calls"]) for row in answer["usage"]] == [
        ("2025-01-01", "a:1", 1),
        ("2025-01-02", "a:1", 1),
        ("2025-01-02", "b:2", 1),
    ]
    _, answer = await hub.ask("GET", "/usage?group=model&from=2025-01-02&to=2025-01-02")
    assert [(row["model"], row["cost_usd"]) for row in answer["usage"]] == [("a:1", 0.25), ("b:2", 0.25)]
    _, answer = await hub.ask("GET", "/usage?group=tenant,graph")
    assert [(row["tenant"], row["graph"], row["input_tokens"]) for row in answer["usage"]] == [
        ("default", "", 30)
    ]


async def test_a_key_sees_its_own_tenant_and_the_owner_all(guarded: Any) -> None:
    await used(guarded, "acme")
    await used(guarded, "bolt")
    _, key = await guarded.server.runner.app[KEYRING].create("app", "acme")
    mine = {"Authorization": f"Bearer {key}"}
    _, answer = await guarded.ask("GET", "/usage?group=tenant", headers=mine)
    assert [row["tenant"] for row in answer["usage"]] == ["acme"]
    assert (await guarded.ask("GET", "/usage?tenant=acme", headers=mine))[0] == 200
    status, answer = await guarded.ask("GET", "/usage?tenant=bolt", headers=mine)
    assert (status, answer["code"]) == (403, "permission_denied")
    _, answer = await guarded.ask("GET", "/usage?group=tenant", headers=guarded.owner)
    assert [row["tenant"] for row in answer["usage"]] == ["acme", "bolt"]
    _, answer = await guarded.ask("GET", "/usage?group=tenant&tenant=bolt", headers=guarded.owner)
    assert [row["tenant"] for row in answer["usage"]] == ["bolt"]
    assert (await guarded.ask("GET", "/usage"))[0] == 401


@pytest.mark.parametrize("query", ["group=year", "from=yesterday", "to=2025-1-1", "by=day"])
async def test_what_is_no_question_is_refused_with_a_sentence(hub: Any, query: str) -> None:
    status, answer = await hub.ask("GET", f"/usage?{query}")
    assert status == 422
    assert answer["detail"].endswith((".", "?"))


async def test_the_owner_rebuilds_the_views_of_a_hub_that_serves(guarded: Any) -> None:
    await used(guarded, "acme")
    assert (await guarded.ask("POST", "/admin/views/rebuild"))[0] == 401
    status, counts = await guarded.ask("POST", "/admin/views/rebuild", headers=guarded.owner)
    assert (status, counts) == (200, {"threads": 0, "runs": 0, "usage": 1, "facts": 0})


async def test_a_run_through_the_hub_is_in_the_views_and_leaves_them_with_its_thread(hub: Any) -> None:
    body = {"assistant_id": "echo", "input": {"text": "hi"}, "if_not_exists": "create"}
    assert (await hub.ask("POST", "/threads/t/runs/wait", body))[0] == 200
    (thread,) = await hub.engine.views.threads()
    assert (thread["thread"], thread["runs"], thread["graph"], thread["status"]) == (
        "t",
        1,
        "echo",
        "success",
    )
    assert (await hub.ask("DELETE", "/threads/t"))[0] == 204
    assert await hub.engine.views.threads() == []
