"""From events to a list and back: fitted while serving, by the rules, for each tenant its own."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from runtime.settings import AuthSettings
from tests.conftest import ROOT
from tests.hub.conftest import RealHub
from tests.runtime.recommend.tastes import catalogue, events, rows


@pytest.fixture
async def real(tmp_path: Path) -> Any:
    """A hub that recommends, and asks for keys."""
    found = RealHub(tmp_path)
    found.world.write(recommend=(ROOT / "graphs" / "recommend.toml").read_text())
    await found.serve(auth=AuthSettings(mode="keys"))
    yield found
    await found.stop()


class Tenant:
    """Asks with the key of a tenant."""

    def __init__(self, real: RealHub, key: str) -> None:
        self._real, self._headers = real, {"Authorization": f"Bearer {key}"}

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        status, said = await self._real.ask(method, path, body, headers=self._headers)
        assert status == 200, said
        return said

    async def recommend(self, user: str, k: int = 5) -> Any:
        return await self.ask("POST", "/graphs/recommend", {"user": user, "k": k})


async def tenant(real: RealHub, name: str) -> Tenant:
    body = {"name": name, "tenant": name}
    status, key = await real.ask("POST", "/admin/keys", body, headers=owner(real))
    assert status == 201
    return Tenant(real, key["key"])


def owner(real: RealHub) -> dict[str, str]:
    return {"Authorization": f"Bearer {real.world.engine.boot_token}"}


async def fit(real: RealHub, name: str) -> Any:
    status, said = await real.ask("POST", "/admin/recommend/fit", {"tenant": name}, headers=owner(real))
    return status, said


async def test_two_tenants_are_recommended_their_own(real: RealHub) -> None:
    acme, other = await tenant(real, "acme"), await tenant(real, "other")
    items = [{"id": i.id, "title": i.title, "tags": list(i.tags)} for i in catalogue().values()]
    await acme.ask("POST", "/items", {"items": items})
    await acme.ask("POST", "/events", {"events": rows(events())})
    first = await acme.recommend("user 1")
    assert (first["method"], len(first["items"])) == ("popularity", 5)
    empty = await other.recommend("user 1")
    assert (empty["items"], empty["note"][:25]) == ([], "Nothing is known of any u")

    status, said = await fit(real, "acme")
    assert (status, said["users"]) == (200, 150)
    fitted = await acme.recommend("user 1")
    assert "ease" in fitted["method"]
    kinds = [int(item["id"].split()[1]) % 3 for item in fitted["items"]]
    assert kinds.count(1) > max(kinds.count(0), kinds.count(2))
    assert fitted["items"][0]["because"][0].startswith("You looked at No ")
    assert (await acme.recommend("nobody"))["method"] == "popularity"
    assert (await other.recommend("user 1"))["items"] == []
    assert (await fit(real, "other"))[0] == 404


async def test_what_came_of_a_list_is_counted_once_and_names_nobody(real: RealHub) -> None:
    acme, other = await tenant(real, "acme"), await tenant(real, "other")
    await acme.ask("POST", "/events", {"events": rows(events(users=5))})
    said = await acme.recommend("new")
    shown = [item["id"] for item in said["items"]]
    about = {"user": "new", "at": time.time(), "recommendation": said["recommendation_id"]}
    came = [{**about, "item": shown[0], "kind": kind} for kind in ("view", "like", "buy")]
    came += [{**about, "item": shown[1], "kind": "view"}, {**about, "item": shown[2], "kind": "dismiss"}]
    for _ in range(2):
        await acme.ask("POST", "/events", {"events": came})
    await other.ask("POST", "/events", {"events": came})
    await acme.ask("POST", "/events", {"events": [{**came[0], "at": 5, "recommendation": "made:up"}]})
    sql = "SELECT tenant, kind, name, label, facts, total FROM view_facts WHERE tenant != 'x' ORDER BY kind"
    counted = await real.world.engine.journal.read(lambda database: database.execute(sql).fetchall())
    group = said["group"]
    assert [row for row in counted if row[1] != "recommendation"] == [
        ("acme", "bought", "personal", group, 1, 0),
        ("acme", "clicked", "personal", group, 2, 0),
        ("acme", "dismissed", "personal", group, 1, 0),
    ]
    kept = await real.world.engine.journal.read(
        lambda database: database.execute("SELECT * FROM facts").fetchall()
    )
    assert not any("new" in map(str, row) or shown[0] in str(row) for row in kept)


async def test_lists_are_made_while_models_are_fitted(real: RealHub) -> None:
    acme = await tenant(real, "acme")
    await acme.ask("POST", "/events", {"events": rows(events())})
    fitting = asyncio.create_task(fit(real, "acme"))
    asked = 0
    while not fitting.done():
        assert len((await acme.recommend(f"user {asked}"))["items"]) == 5
        asked += 1
    assert (await fitting)[0] == 200
    assert asked > 1
    assert "ease" in (await acme.recommend("user 1"))["method"]


async def test_only_the_owner_fits(real: RealHub) -> None:
    acme = await tenant(real, "acme")
    status, _ = await real.ask("POST", "/admin/recommend/fit", {"tenant": "acme"}, headers=acme._headers)
    assert status == 403
