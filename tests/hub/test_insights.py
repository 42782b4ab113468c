"""insights over the socket: a question goes in, and its answer with its SQL and charts comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.hub.wire import connected

GRAPHS = Path(__file__).parents[2] / "graphs"


async def test_a_question_is_answered_over_the_socket(real: Any) -> None:
    texts = {name: (GRAPHS / f"{name}.toml").read_text() for name in ("insights", "tell_figures")}
    real.world.write(**texts)
    await real.restart()
    async with connected(real) as client:
        for _ in range(2):
            asked = {"assistant_id": "insights", "input": {"question": "How many runs today, by status?"}}
            assert (await client.ask("run.start", **asked))["type"] == "success"
            await client.ask("subscription.subscribe", channels=["lifecycle", "updates"])
            # The graph inside, which tells the figures, ends before.
            while (ended := (await client.run_to_end())[-1]["params"])["namespace"]:
                pass
            assert ended["data"]["event"] == "completed"
        values = (await client.ask("state.get"))["result"]["values"]
    (number,) = values["numbers"]
    assert {row["status"]: row["value"] for row in number["rows"]} == {"running": 1, "success": 1}
    assert "by status: running 1 run, success 1 run." in values["answer"].lower()
    assert [each["title"] for each in values["charts"]] == ["Runs, by status"]
    assert values["sql"][0]["parameters"]["tenant"] == "default"
