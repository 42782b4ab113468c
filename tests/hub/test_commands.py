"""`POST /threads/{id}/commands`: every answer about the command is 200 with the protocol's envelope."""

from __future__ import annotations

from typing import Any

from hub.parts import KEYRING


async def send(
    hub: Any, method: str, *, thread: str = "t1", headers: Any = None, **params: Any
) -> dict[str, Any]:
    body = {"id": 5, "method": method, "params": params}
    status, reply = await hub.ask("POST", f"/threads/{thread}/commands", body, headers=headers)
    assert status == 200
    assert reply["id"] == 5
    found: dict[str, Any] = reply
    return found


async def test_a_run_is_started_on_a_thread_that_it_makes(hub: Any) -> None:
    """The reply has the run and no place in the events: nothing was sent here."""
    reply = await send(hub, "run.start", assistant_id="echo", input={"text": "a"})
    assert reply["type"] == "success"
    assert "meta" not in reply
    run = await hub.engine.runs.wait("default", reply["result"]["run_id"])
    assert (run.thread, run.status.value) == ("t1", "success")
    state = await send(hub, "state.get", keys=["answer"])
    assert state["result"]["values"] == {"answer": "a"}


async def test_an_idempotency_key_is_taken_from_the_header_and_from_the_parameters(hub: Any) -> None:
    """Both start one run."""
    asked: dict[str, Any] = {"assistant_id": "echo", "input": {"text": "a"}}
    first = await send(hub, "run.start", headers={"Idempotency-Key": "k"}, **asked)
    assert first["result"] == (await send(hub, "run.start", idempotency_key="k", **asked))["result"]
    other = await send(hub, "run.start", idempotency_key="k", assistant_id="fail", input={"text": "a"})
    assert other["error"] == "conflict"


async def test_a_run_is_cancelled(hub: Any) -> None:
    """And a run of another thread is not found."""
    run = (await send(hub, "run.start", assistant_id="wait", input={"text": "a"}))["result"]["run_id"]
    await hub.ask("POST", "/threads", {"thread_id": "t2"})
    assert (await send(hub, "run.cancel", thread="t2", run_id=run))["error"] == "not_found"
    assert (await send(hub, "run.cancel", run_id=run))["result"]["status"] == "cancelled"


async def test_refusals_are_envelopes_with_a_sentence(hub: Any) -> None:
    """The SDK does not read the bodies of other statuses."""
    for method, params, error in (
        ("state.get", {}, "not_found"),
        ("run.start", {"assistant_id": "ecco", "input": {}}, "not_found"),
        ("run.start", {"assistant_id": "echo", "input": {}}, "invalid_argument"),
        ("run.start", {"assistant_id": "echo", "webhook": "x"}, "invalid_argument"),
        ("run.start", {"assistant": "echo"}, "invalid_argument"),
        ("state.fork", {}, "invalid_argument"),
        ("subscription.subscribe", {"channels": ["values"]}, "not_supported"),
        ("auth", {"token": "x"}, "not_supported"),
        ("nonsense", {}, "unknown_command"),
    ):
        reply = await send(hub, method, **params)
        assert (method, reply["type"], reply["error"]) == (method, "error", error)
        assert reply["message"].endswith((".", "?"))
        assert reply["retryable"] is False
    assert (await send(hub, "ping"))["result"] == {}


async def test_unreadable_commands_are_envelopes_too(hub: Any) -> None:
    """Their id is null."""
    for body in (
        b"",
        b"{",
        b"[]",
        b'{"method":"ping"}',
        b'{"id":"a","method":"ping"}',
        b"[" * 999,
        b'{"id":1}',
    ):
        status, reply = await hub.ask("POST", "/threads/t1/commands", data=body)
        assert (status, reply["type"], reply["error"]) == (200, "error", "invalid_argument")
    status, reply = await hub.ask("POST", "/threads/t1/commands", data=b"x" * (2 << 20))
    assert (status, reply["error"]) == (200, "too_large")


async def test_who_is_asked_first(guarded: Any) -> None:
    """Without a key it is 401, and another tenant's thread is not found."""
    body = {"id": 1, "method": "ping", "params": {}}
    assert (await guarded.ask("POST", "/threads/t1/commands", body))[0] == 401
    assert (await guarded.ask("POST", "/threads/t1/commands", data=b"{"))[0] == 401
    keyring = guarded.server.runner.app[KEYRING]
    (_, mine), (_, theirs) = await keyring.create("a", "acme"), await keyring.create("b", "bolt")
    await send(guarded, "run.start", headers={"X-Api-Key": mine}, assistant_id="echo", input={"text": "a"})
    asked: list[tuple[str, dict[str, Any]]] = [
        ("state.get", {}),
        ("run.start", {"assistant_id": "echo", "input": {"text": "b"}}),
    ]
    for method, params in asked:
        assert (await send(guarded, method, headers={"X-Api-Key": theirs}, **params))["error"] == "not_found"


async def test_commands_are_counted_by_name_and_outcome(hub: Any) -> None:
    """Names that clients make up are one."""
    await send(hub, "ping")
    await send(hub, "made.up")
    text = hub.engine.telemetry.render().decode()
    assert 'hubbub_commands_total{method="ping",outcome="success"} 1.0' in text
    assert 'hubbub_commands_total{method="unknown",outcome="unknown_command"} 1.0' in text
