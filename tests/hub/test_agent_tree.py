"""The tree of a run's graphs, folded from what its lifecycle events tell."""

from __future__ import annotations

from typing import Any

from hub.agent_tree import fold
from runtime.records import Run, RunStatus
from runtime.types import Event

RUN = Run("r1", "t1", "default", "team", "v1", RunStatus.RUNNING, {}, 0.0, 0.0)


def told(*events: tuple[str, tuple[str, ...]], **more: Any) -> list[Event]:
    return [
        Event("t1", seq, "lifecycle", {"event": event, **more}, "r1", 0, namespace, seq)
        for seq, (event, namespace) in enumerate(events, 1)
    ]


def test_graphs_inside_graphs_are_children() -> None:
    """Their names are those of their steps where nobody says another one."""
    events = told(("running", ()), ("started", ("agent:1",)), ("started", ("agent:1", "tools:2")))
    events += told(("completed", ("agent:1", "tools:2")), graph_name="toolbox")
    tree = fold(RUN, events).shown()
    assert (tree["graph_name"], tree["status"]) == ("team", "running")
    (agent,) = tree["children"]
    assert (agent["namespace"], agent["graph_name"], agent["status"]) == (["agent:1"], "agent", "started")
    (tools,) = agent["children"]
    assert (tools["graph_name"], tools["status"]) == ("toolbox", "completed")


def test_what_is_inside_ends_with_what_is_around_it() -> None:
    """A graph that was killed with its process has told nothing more."""
    events = told(("started", ("a:1",)), ("started", ("b:2",)), ("completed", ("b:2",)), ("failed", ()))
    assert fold(RUN, events).flat() == [
        {"namespace": [], "status": "failed"},
        {"namespace": ["a:1"], "status": "failed"},
        {"namespace": ["b:2"], "status": "completed"},
    ]
