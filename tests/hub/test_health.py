"""What probes and operators are told."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families


async def test_a_hub_that_serves_lives_and_is_ready(hub: Any) -> None:
    assert await hub.ask("GET", "/livez") == (200, {"status": "pass"})
    assert await hub.ask("GET", "/readyz") == (200, {"status": "pass"})
    assert await hub.ask("GET", "/ok") == (200, {"ok": True})
    _, info = await hub.ask("GET", "/info")
    assert info["flags"]["assistants"] is True


async def test_a_hub_that_stops_is_not_ready_and_still_lives(hub: Any) -> None:
    hub.engine.draining = True
    status, answer = await hub.ask("GET", "/readyz")
    assert (status, answer["status"]) == (503, "fail")
    assert (await hub.ask("GET", "/livez"))[0] == 200
    hub.engine.draining = False


async def test_a_hub_that_cannot_write_is_not_ready(hub: Any) -> None:
    await hub.engine.journal.aclose()
    status, answer = await hub.ask("GET", "/readyz")
    assert (status, bool(answer["output"])) == (503, True)
    assert (await hub.ask("GET", "/healthz"))[0] == 503


async def test_health_names_every_part_and_says_that_search_is_by_keyword(hub: Any) -> None:
    hub.engine.search.mode = "keyword"
    async with hub.client.get("/healthz") as answer:
        assert answer.content_type == "application/health+json"
        found = await answer.json(content_type=None)
    assert found["status"] == "warn"
    assert {"journal", "graph:echo", "search:mode"} <= set(found["checks"])
    (mode,) = found["checks"]["search:mode"]
    assert (mode["status"], "hubbub models pull" in mode["output"]) == ("warn", True)


async def test_strangers_are_told_whether_all_is_well_and_nothing_else(guarded: Any) -> None:
    guarded.engine.search.mode = "keyword"
    assert await guarded.ask("GET", "/healthz") == (200, {"status": "warn"})
    assert "checks" in (await guarded.ask("GET", "/healthz", headers=guarded.owner))[1]
    assert (await guarded.ask("GET", "/metrics"))[0] == 401
    for path in ("/livez", "/readyz", "/ok"):
        assert (await guarded.ask("GET", path))[0] == 200


async def test_metrics_are_in_prometheus_format_and_count_runs(hub: Any) -> None:
    await hub.ask("POST", "/graphs/echo", {"text": "a b"})
    async with hub.client.get("/metrics") as answer:
        families = {family.name: family for family in text_string_to_metric_families(await answer.text())}
    assert (
        sum(
            sample.value
            for sample in families["hubbub_runs_finished"].samples
            if sample.name.endswith("_total")
        )
        == 1
    )
