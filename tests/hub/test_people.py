"""Answers, messages, checkpoints and forks over the socket, on a real engine."""

from __future__ import annotations

from typing import Any

from tests.hub.wire import Client, connected

ASK = {"assistant_id": "approve", "input": {"topic": "piers"}}


async def asked(client: Client) -> str:
    """Start a run that asks, and return the id of its question."""
    await client.ask("run.start", **ASK)
    await client.ask("subscription.subscribe", channels=["input", "lifecycle", "updates"])
    question = (await client.until("input.requested"))[-1]["params"]["data"]
    assert question["value"] == question["payload"]
    await client.until("lifecycle", "interrupted")
    found: str = question["interrupt_id"]
    return found


async def test_a_person_answers_and_the_run_goes_on(real: Any) -> None:
    """A wrong answer is refused, the second one comes too late, and nobody asked anything else."""
    async with connected(real) as client:
        id = await asked(client)
        for params, error in (
            ({"interrupt_id": "none", "response": {"choice": "publish"}}, "no_such_interrupt"),
            ({"interrupt_id": id, "response": {"choice": "burn"}}, "invalid_argument"),
            ({"interrupt_id": id}, "invalid_argument"),
            ({"responses": []}, "invalid_argument"),
            ({"responses": [{"interrupt_id": id, "response": 1}] * 2}, "invalid_argument"),
            ({"interrupt_id": id, "response": 1, "responses": []}, "invalid_argument"),
        ):
            assert (await client.ask("input.respond", **params))["error"] == error, params
        answer = {"interrupt_id": id, "response": {"choice": "publish", "note": "now"}, "namespace": []}
        assert (await client.ask("input.respond", **answer, metadata={"by": "ada"}))["result"]["run_id"]
        words = [frame["params"]["data"].get("event") for frame in await client.run_to_end()]
        assert words.index("running") < words.index("completed")
        assert (await client.ask("input.respond", **answer))["error"] == "conflict"
        assert (await client.ask("input.inject", message={"role": "user", "content": "?"}))[
            "error"
        ] == "no_such_run"
        state = (await client.ask("state.get", keys=["decision"]))["result"]
        assert state["values"]["decision"]["choice"] == "publish"


async def test_several_answers_are_one_command(real: Any) -> None:
    """`responses` holds one for each question."""
    async with connected(real) as client:
        id = await asked(client)
        answers = [{"interrupt_id": id, "namespace": [], "response": {"choice": "publish", "note": ""}}]
        assert (await client.ask("input.respond", responses=answers))["type"] == "success"
        assert (await client.run_to_end())[-1]["params"]["data"]["event"] == "completed"


async def test_checkpoints_are_listed_and_forked(real: Any) -> None:
    """Page by page, newest first; a fork is a run from one of them."""
    async with connected(real) as client:
        id = await asked(client)
        await client.ask("input.respond", interrupt_id=id, response={"choice": "publish", "note": "now"})
        await client.run_to_end()
        whole = (await client.ask("state.listCheckpoints"))["result"]["checkpoints"]
        assert [each["step"] for each in whole] == sorted((each["step"] for each in whole), reverse=True)
        assert whole[0]["node_name"] == "publish"
        assert [each["parent_id"] for each in whole[:-1]] == [each["id"] for each in whole[1:]]
        first = (await client.ask("state.listCheckpoints", limit=2))["result"]["checkpoints"]
        second = await client.ask("state.listCheckpoints", limit=2, before=first[-1]["id"])
        assert first + second["result"]["checkpoints"] == whole[:4]
        assert (await client.ask("state.listCheckpoints", limit=0))["error"] == "invalid_argument"
        before = next(each for each in whole if each.get("node_name") == "draft")
        fork = (await client.ask("state.fork", checkpoint_id=before["id"]))["result"]
        assert fork["thread_id"] == "t1"
        assert (await client.until("input.requested"))[-1]["params"]["data"]["interrupt_id"]
        assert (await client.ask("state.fork", checkpoint_id="none"))["error"] == "no_such_checkpoint"
        assert (await client.ask("state.get", namespace=["none"]))["error"] == "no_such_namespace"


async def test_the_tree_of_a_run_is_shown(real: Any) -> None:
    """The newest run's, or a named one's; a thread without runs has none."""
    await real.ask("POST", "/threads", {"thread_id": "t2"})
    async with connected(real, "t2") as client:
        assert (await client.ask("agent.getTree"))["error"] == "no_such_run"
    async with connected(real) as client:
        await asked(client)
        tree = (await client.ask("agent.getTree"))["result"]["tree"]
        assert (tree["namespace"], tree["status"], tree["graph_name"]) == ([], "interrupted", "approve")
        assert "children" not in tree
        again = await client.ask("agent.getTree", run_id=tree["metadata"]["run_id"])
        assert again["result"]["tree"] == tree
        assert (await client.ask("agent.getTree", run_id="none"))["error"] == "no_such_run"
