"""Which version a new run gets while graphs are edited, and that every run can keep the one it began with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from runtime.errors import Conflict, GraphError, NotFound
from runtime.graphs.library import GraphLibrary
from runtime.graphs.publishing import Outcome
from runtime.graphs.served import GraphState, ServedGraphs
from runtime.journal.graphs import JournalGraphs
from runtime.journal.sqlite import SqliteJournal

Make = Callable[..., GraphLibrary]
PARAMETERS = '[node.mark]\nuse = "scorer.fit"\nemployees = 5\nsave = ["score"]\nnext = "end"\n'


@dataclass
class Desk:
    """The graphs of a workspace, which can be opened again."""

    make: Make
    folder: Path
    journal: SqliteJournal
    told: list[GraphState] = field(default_factory=list)

    async def open(self, *, by_hand: bool = False, **texts: str) -> ServedGraphs:
        """Open what is written and published."""
        served = ServedGraphs(self.make(**texts), JournalGraphs(self.journal), by_hand=by_hand)
        served.told = self.told.append
        await served.open()
        return served

    async def save(self, served: ServedGraphs, **texts: str) -> None:
        """Save files while they are served."""
        for name, text in texts.items():
            (self.folder / "graphs" / f"{name}.toml").write_text(text)
        await served.edited(texts)


@pytest.fixture
async def desk(library: Make, tmp_path: Path) -> AsyncIterator[Desk]:
    """A workspace with a journal."""
    journal = SqliteJournal(tmp_path / "var" / "hubbub.db", durability="normal")
    await journal.open()
    yield Desk(library, tmp_path, journal)
    await journal.aclose()


@pytest.fixture
def edited(good: str) -> str:
    """The good graph, edited."""
    return good.replace("Asks,", "Edited,")


async def test_a_good_edit_is_what_new_runs_get(desk: Desk, good: str, edited: str) -> None:
    served = await desk.open(good=good)
    before = await served.get("good")
    await desk.save(served, good=edited)
    after = await served.get("good")
    assert after.about == "Edited, decides, answers"
    assert desk.told == [GraphState("good", after.version)]
    assert await served.version("good", before.version) is before


async def test_a_bad_edit_changes_nothing_and_is_told(desk: Desk, good: str) -> None:
    served = await desk.open(good=good)
    before = await served.get("good")
    await desk.save(served, good="graph = ")
    assert await served.get("good") is before
    (told,) = desk.told
    assert told.version == before.version
    assert [finding.code for finding in told.errors] == ["E01"]
    assert (await served.states())[0] == told
    assert served.names() == ["good"]


async def test_a_bad_edit_changes_nothing_after_a_restart_either(desk: Desk, good: str) -> None:
    before = await (await desk.open(good=good)).get("good")
    served = await desk.open(good="graph = ")
    assert (await served.get("good")).version == before.version
    assert served.names() == ["good"]


async def test_an_edit_while_nothing_serves_is_what_new_runs_get_then(
    desk: Desk, good: str, edited: str
) -> None:
    before = await (await desk.open(good=good)).get("good")
    served = await desk.open(good=edited)
    assert (await served.get("good")).about == "Edited, decides, answers"
    assert (await served.version("good", before.version)).about == "Asks, decides, answers"


async def test_a_graph_that_was_never_good_is_refused_with_its_mistake(desk: Desk, good: str) -> None:
    served = await desk.open(good=good, bad="graph = ")
    with pytest.raises(GraphError, match=r"graphs/bad.toml:1:\d+"):
        await served.get("bad")
    assert served.names() == ["good"]
    await desk.save(served, bad=good.replace('"good"', '"bad"'))
    assert (await served.get("bad")).name == "bad"


async def test_a_version_outlives_its_file_and_the_graph_does_not(desk: Desk, good: str) -> None:
    served = await desk.open(good=good)
    version = (await served.get("good")).version
    (desk.folder / "graphs" / "good.toml").unlink()
    await served.edited(["good"])
    for now in (served, await desk.open()):
        with pytest.raises(NotFound, match="There is no graph good"):
            await now.get("good")
        assert (await now.version("good", version)).about == "Asks, decides, answers"
        assert now.names() == []


async def test_a_renamed_graph_is_a_new_one_and_runs_of_the_old_one_go_on(desk: Desk, good: str) -> None:
    served = await desk.open(good=good)
    version = (await served.get("good")).version
    (desk.folder / "graphs" / "good.toml").unlink()
    await desk.save(served, better=good.replace('"good"', '"better"'))
    await served.edited(["good"])
    assert served.names() == ["better"]
    assert (await served.version("good", version)).name == "good"


async def test_a_version_that_nobody_kept_is_refused_aloud(desk: Desk, good: str) -> None:
    served = await desk.open(good=good)
    with pytest.raises(NotFound, match="start a new run"):
        await served.version("good", "0123456789abcdef")


async def test_a_version_whose_plugin_takes_other_parameters_now_is_refused_and_the_graph_goes_on(
    desk: Desk, good: str
) -> None:
    old = '[node.mark]\nuse  = "set"\nset  = { tags = "hot" }\nnext = "decide"\n'
    text = good.replace(old, PARAMETERS)
    assert text != good
    begun = await (await desk.open(good=text)).get("good")
    plugin = desk.folder / "plugins" / "things.py"
    plugin.write_text(plugin.read_text().replace("default=500", "default=400"))
    for by_hand in (True, False):
        served = await desk.open(by_hand=by_hand)
        now = await served.get("good")
        assert now.version != begun.version
        with pytest.raises(NotFound, match="a plugin it uses has changed; start a new run"):
            await served.version("good", begun.version)


async def test_a_version_whose_plugin_is_gone_is_refused_with_the_reason(desk: Desk, good: str) -> None:
    text = good.replace('use  = "set"\nset  = { tags = "hot" }', 'use = "step.join"\ntext = "x"')
    begun = await (await desk.open(good=text)).get("good")
    plugin = desk.folder / "plugins" / "things.py"
    plugin.write_text(plugin.read_text().replace("return [Join()]", "return []"))
    served = await desk.open()
    with pytest.raises(NotFound, match=r"cannot be run any more, because of this: .*step\.join"):
        await served.version("good", begun.version)


async def test_by_hand_an_edit_is_a_draft(desk: Desk, good: str, edited: str) -> None:
    before = await (await desk.open(good=good)).get("good")
    served = await desk.open(by_hand=True)
    await desk.save(served, good=edited)
    assert await served.get("good") is not None
    assert (await served.get("good")).version == before.version
    (told,) = desk.told
    assert (told.version, bool(told.draft)) == (before.version, True)
    (desk.folder / "graphs" / "good.toml").unlink()
    await served.edited(["good"])
    assert (await served.get("good")).version == before.version


async def test_by_hand_a_graph_that_was_never_published_is_refused(desk: Desk, good: str) -> None:
    served = await desk.open(by_hand=True, good=good)
    with pytest.raises(GraphError, match="never published; run `hubbub graph publish good`"):
        await served.get("good")
    assert served.names() == []


async def test_the_mistakes_of_all_files_are_known_although_nobody_asked_for_them(
    desk: Desk, good: str
) -> None:
    served = await desk.open(good=good, bad="graph = ")
    assert served.unread == 2
    await served.check()
    assert served.unread == 0
    assert [state.name for state in await served.states() if state.errors] == ["bad"]
    assert served.names() == ["good"]


async def test_what_is_served_is_checked_again_when_plugins_have_changed(desk: Desk, good: str) -> None:
    served = await desk.open(good=good)
    version = (await served.get("good")).version
    await served.plugins_changed()
    assert desk.told == [GraphState("good", version)]


async def test_names_that_are_paths_lead_nowhere(desk: Desk, good: str) -> None:
    served = await desk.open(good=good)
    (desk.folder / "other.toml").write_text(good)
    for name in ("../other", "/etc/passwd", "good.toml", "", "GOOD"):
        with pytest.raises(NotFound, match="There is no graph"):
            await served.get(name)


async def test_a_rollback_holds_until_the_next_save(desk: Desk, good: str, edited: str) -> None:
    served = await desk.open(good=good)
    old = await served.get("good")
    await desk.save(served, good=edited)
    outcome = await served.rollback("good")
    assert outcome.version == old.version
    assert [str(change) for change in outcome.changes] == [
        'about: "Edited, decides, answers" -> "Asks, decides, answers"'
    ]
    await served.edited(["good"])
    assert (await served.get("good")).version == old.version
    again = await desk.open()
    assert (await again.get("good")).version == old.version
    await desk.save(again, good=good.replace("Asks,", "Saved,"))
    assert (await again.get("good")).about == "Saved, decides, answers"


async def test_publishing_takes_what_was_rolled_back_after_all(desk: Desk, good: str, edited: str) -> None:
    served = await desk.open(good=good)
    await served.get("good")
    await desk.save(served, good=edited)
    new = await served.get("good")
    await served.rollback("good")
    assert (await served.publish("good")).version == new.version
    assert (await served.get("good")).version == new.version


async def test_by_hand_publishing_makes_a_draft_live_for_all(desk: Desk, good: str, edited: str) -> None:
    served = await desk.open(by_hand=True, good=good)
    first = await served.publish("good")
    assert (first.before, first.changes) == ("", ())
    await desk.save(served, good=edited)
    second = await served.publish("good")
    assert (second.before, len(second.changes)) == (first.version, 1)
    assert (await served.get("good")).version == second.version
    assert await served.publish("good") == Outcome(
        "good", second.version, second.version, findings=second.findings, report=ANY, changes=[]
    )


async def test_a_share_of_the_threads_gets_a_canary_also_after_a_restart(
    desk: Desk, good: str, edited: str
) -> None:
    served = await desk.open(by_hand=True, good=good)
    live = (await served.publish("good")).version
    await desk.save(served, good=edited)
    outcome = await served.publish("good", 30)
    assert (outcome.version, outcome.percent) == (live, 30)
    for now in (served, await desk.open(by_hand=True)):
        found = [await now.get("good", f"thread {number}") for number in range(50)]
        assert {each.version for each in found} == {live, outcome.canary}
        assert all(each.canary == (each.version == outcome.canary) for each in found)
    assert (await served.rollback("good")).canary == ""
    assert {(await served.get("good", f"thread {number}")).version for number in range(50)} == {live}


async def test_no_share_without_something_for_the_others(desk: Desk, good: str) -> None:
    served = await desk.open(by_hand=True, good=good)
    with pytest.raises(Conflict, match="that the other threads could get; publish it for all"):
        await served.publish("good", 10)
    with pytest.raises(Conflict, match="by-hand"):
        await (await desk.open()).publish("good", 10)


async def test_a_failing_test_and_a_mistake_keep_a_version_from_being_published(
    desk: Desk, good: str
) -> None:
    case = 'input = { question = "?" }\nmock = { ask = "a" }\nexpect = ["answer == \'b\'"]\n'
    test = f'\n[[test]]\nname = "x"\n{case}'
    served = await desk.open(by_hand=True, good=good + test)
    outcome = await served.publish("good")
    assert outcome.refused
    assert outcome.report
    assert [verdict.case.name for verdict in outcome.report.verdicts if verdict.failed] == ["x"]
    await desk.save(served, good="graph = ")
    outcome = await served.publish("good")
    assert (outcome.refused, [finding.code for finding in outcome.findings]) == (True, ["E01"])
    assert served.names() == []


INNER = """
graph  = "inner"
start  = "say"
output = ["said"]

[state]
said = "text"

[node.say]
use  = "set"
set  = { said = "one" }
next = "end"
"""
OUTER = """
graph  = "outer"
start  = "run"
output = ["said"]

[state]
said = "text"

[node.run]
use   = "graph"
graph = "inner"
save  = ["said"]
next  = "end"
"""
AROUND = OUTER.replace('"outer"', '"around"').replace('"inner"', '"outer"')


def inside(version: Any) -> str:
    """Return what the innermost graph of a version says."""
    while version.inside:
        (version,) = version.inside.values()
    return str(version.spec.nodes["say"].params["set"]["said"])


async def test_a_saved_graph_is_what_the_graphs_around_it_run_and_they_are_new_versions(desk: Desk) -> None:
    served = await desk.open(inner=INNER, outer=OUTER, around=AROUND)
    before = {name: await served.get(name) for name in ("inner", "outer", "around")}
    await desk.save(served, inner=INNER.replace('"one"', '"two"'))
    for name, old in before.items():
        new = await served.get(name)
        assert (new.version != old.version, inside(new)) == (True, "two")
    again = await desk.open()
    assert inside(await again.get("around")) == "two"
    kept = await again.version("around", before["around"].version)
    assert (kept.version, inside(kept)) == (before["around"].version, "one")


async def test_by_hand_a_graph_keeps_the_one_inside_until_it_is_published_itself(desk: Desk) -> None:
    served = await desk.open(by_hand=True, inner=INNER, outer=OUTER)
    early = await served.publish("outer")
    assert early.refused
    assert "the graph inner was never published" in str(early.findings[0])
    await served.publish("inner")
    first = await served.publish("outer")
    await desk.save(served, inner=INNER.replace('"one"', '"two"'))
    inner = await served.publish("inner")
    assert inside(await served.get("outer")) == "one"
    second = await served.publish("outer")
    assert inside(await served.get("outer")) == "two"
    assert [str(change) for change in second.changes] == [
        f'the graph inner inside: "{inner.before}" -> "{inner.version}"'
    ]
    assert (await served.rollback("outer")).version == first.version
    assert inside(await served.get("outer")) == "one"


async def test_a_bad_edit_of_a_graph_inside_changes_nothing_around_it(desk: Desk) -> None:
    served = await desk.open(inner=INNER, outer=OUTER)
    before = await served.get("outer")
    await desk.save(served, inner="graph = ")
    assert await served.get("outer") is before
    await desk.save(served, outer=OUTER.replace("[state]", "# edited\n[state]"))
    assert inside(await served.get("outer")) == "one"


async def test_a_graph_that_comes_to_contain_itself_is_refused_and_the_last_good_one_goes_on(
    desk: Desk,
) -> None:
    served = await desk.open(inner=INNER, outer=OUTER)
    before = await served.get("outer")
    ring = OUTER.replace('"outer"', '"inner"', 1).replace('graph = "inner"', 'graph = "outer"')
    await desk.save(served, inner=ring)
    assert "the graph inner would contain itself" in str(served.state("inner").errors[0])
    assert await served.get("outer") is before


async def test_a_state_names_what_the_next_run_gets_whether_or_not_somebody_has_asked(
    desk: Desk, good: str, edited: str
) -> None:
    served = await desk.open(good=good)
    await served.check()
    (checked,) = await served.states()
    assert checked == GraphState("good", (await served.get("good")).version)
    await desk.save(served, good=edited)
    (live,) = await served.states()
    await served.rollback("good")
    assert await served.states() == [GraphState("good", checked.version, draft=live.version)]


async def test_a_save_ends_a_canary_that_was_begun_by_hand(desk: Desk, good: str, edited: str) -> None:
    by_hand = await desk.open(by_hand=True, good=good)
    live = (await by_hand.publish("good")).version
    await desk.save(by_hand, good=edited)
    await by_hand.publish("good", 50)
    served = await desk.open(good=good)
    assert {(await served.get("good", f"thread {number}")).version for number in range(20)} == {live}
