"""Each figure is what a plain reading of the log gives, split in any way, and of one tenant alone."""

from __future__ import annotations

import random
import sqlite3
import statistics
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import InvalidInput, NotFound
from runtime.journal.measures import MEASURES, MOST
from runtime.journal.measuring import JournalMeasures
from runtime.journal.sqlite import SqliteJournal
from runtime.journal.views import JournalViews
from runtime.records import Fact, ModelCall, Run, RunStatus, Thread
from runtime.runs.run import lifecycle
from runtime.types import Event, Usage

FIRST, LAST = "2025-03-01", "2025-03-14"
_BEGIN = datetime(2025, 3, 1, tzinfo=UTC)


@dataclass
class Planted:
    """What was written, as rows to count by hand."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[SqliteJournal]:
    """An open journal."""
    made = SqliteJournal(tmp_path / "hubbub.db", durability="normal")
    await made.open()
    yield made
    await made.aclose()


async def _plant(journal: SqliteJournal, tenant: str, seed: int) -> Planted:
    """Write runs, calls and facts of some days; a third of the threads is deleted again."""
    views, chance, planted = JournalViews(journal), random.Random(seed), Planted()
    for number in range(60):
        at = _BEGIN + timedelta(hours=chance.uniform(-48, 16 * 24))
        day, graph = at.date().isoformat(), chance.choice(["ask", "write"])
        status = chance.choice(
            ["success", "success", "error", "timeout", "cancelled", "interrupted", "running"]
        )
        seconds = round(chance.uniform(0.1, 9.0), 3)
        run = f"{tenant}:{number}"
        error = {"error": "model_error", "timeout": "limit_exceeded"}.get(status, "")
        await _run(journal, tenant, run, graph, at, RunStatus(status), seconds, error)
        about = {"day": day, "graph": graph}
        planted.runs.append(about | {"status": status, "error": error, "seconds": seconds})
        cost = chance.choice([None, 0.25, 0.001])
        model, finish = chance.choice(["a:1", "b:2"]), chance.choice(["stop", "stop", ""])
        usage = Usage(10, 5, 2, 1, cost)
        stamp = at.timestamp()
        views.record(ModelCall(stamp, 1.5, tenant, run, run, "writer", model, finish, usage))
        planted.calls.append(about | {"model": model, "failed": not finish, "cost": cost or 0.0})
        for kind, name, label, given, version in (
            ("score", "lead", chance.choice(["hot", "cold"]), round(chance.random(), 3), "2"),
            ("guard", "pii", chance.choice(["allow", "block", "rewrite"]), None, ""),
            ("approval", "ask_editor", chance.choice(["publish", "reject"]), None, ""),
            ("recommendation", "ease", chance.choice(["a", "b"]), float(chance.randint(1, 9)), ""),
            ("clicked", "ease", chance.choice(["a", "b"]), None, ""),
            (chance.choice(["bought", "dismissed"]), "ease", "a", None, ""),
        ):
            views.note(Fact(stamp, tenant, run, graph, kind, name, label, given, version))
            named = {"kind": kind, "name": name, "label": label, "number": given, "version": version}
            planted.facts.append(about | named)
        if number % 3 == 0:
            await journal.delete_thread(run)
    await journal.barrier()
    return planted


async def _run(
    journal: SqliteJournal, tenant: str, id: str, graph: str, at: datetime, status: RunStatus, seconds: float,
    error: str,
) -> None:  # fmt: skip
    begun = round(at.timestamp() * 1000)
    run = Run(id, id, tenant, graph, "v1", RunStatus.ACCEPTED, {}, begun / 1000, begun / 1000)
    failed = {"message": "No.", "code": error, "step": "write"} if error else None
    accepted = lifecycle(run, RunStatus.ACCEPTED, attempt=1)
    ended = lifecycle(run, status, attempt=1, error=failed)
    events = [
        Event(id, 10 * place, draft.method, draft.data, id, stamp, (), place)
        for place, (draft, stamp) in enumerate(
            ((accepted, begun), (ended, begun + round(seconds * 1000))), start=1
        )
    ]
    thread = Thread(id, tenant, {}, begun / 1000, begun / 1000)
    await journal.accept(run, events[:1], thread=thread, new=True)
    assert await journal.append(id, events[1:]) == ""


def _expected(name: str, planted: Planted) -> Iterator[tuple[dict[str, Any], float]]:
    """Yield what each observation adds to a count or an amount."""
    facts = {kind: [each for each in planted.facts if each["kind"] == kind] for kind in _COLUMNS}
    match name:
        case "calls":
            yield from ((call, 1) for call in planted.calls)
        case "tokens" | "input_tokens" | "output_tokens":
            yield from ((call, {"tokens": 15, "input_tokens": 10}.get(name, 5)) for call in planted.calls)
        case "cost":
            yield from ((call, call["cost"]) for call in planted.calls)
        case "runs":
            yield from ((run, 1) for run in planted.runs)
        case "failed_runs":
            yield from ((run, 1) for run in planted.runs if run["status"] in ("error", "timeout"))
        case "choices" | "verdicts" | "scores":
            kind = {"choices": "approval", "verdicts": "guard", "scores": "score"}[name]
            yield from ((_named(kind, fact), 1) for fact in facts[kind])
        case "clicked" | "bought" | "dismissed":
            yield from ((_named(name, fact), 1) for fact in facts[name])
        case "recommended":
            yield from ((_named("recommendation", fact), fact["number"]) for fact in facts["recommendation"])
        case "funnel":
            ends = {"success": "answered", "interrupted": "waiting", "error": "failed", "timeout": "failed"}
            for run in planted.runs:
                yield run | {"stage": "started"}, 1
                if stage := (ends | {"cancelled": "cancelled"}).get(run["status"]):
                    yield run | {"stage": stage}, 1
            yield from ((fact | {"stage": f"chose {fact['label']}"}, 1) for fact in facts["approval"])


_COLUMNS = {
    "score": ("scorer", "tier"),
    "guard": ("guardrail", "verdict"),
    "approval": ("step", "choice"),
    "recommendation": ("recommender", "variant"),
    "clicked": ("recommender", "variant"),
    "bought": ("recommender", "variant"),
    "dismissed": ("recommender", "variant"),
}


def _named(kind: str, fact: dict[str, Any]) -> dict[str, Any]:
    name, label = _COLUMNS[kind]
    return fact | {name: fact["name"], label: fact["label"]}


async def test_a_sum_is_that_of_the_log_however_it_is_split(journal: SqliteJournal) -> None:
    planted = await _plant(journal, "acme", 1)
    await _plant(journal, "other", 2)
    measures = JournalMeasures(journal, "acme")
    for name, one in MEASURES.items():
        if one.kind not in ("count", "amount"):
            continue
        columns = ("day", *one.by)
        splits = [by for size in range(len(columns) + 1) for by in combinations(columns, size)]
        for by, graph in product(splits, ("", "ask")):
            expected = dict[tuple[Any, ...], float]()
            for row, value in _expected(name, planted):
                if FIRST <= row["day"] <= LAST and graph in ("", row["graph"]):
                    key = tuple(row[column] for column in by)
                    expected[key] = expected.get(key, 0) + value
            found = await measures.read(name, FIRST, LAST, by, graph)
            rows = {tuple(row[column] for column in by): row["value"] for row in found["rows"]}
            assert rows == pytest.approx(expected), (name, by, graph)


async def test_shares_and_means_are_of_what_they_say(journal: SqliteJournal) -> None:
    planted = await _plant(journal, "acme", 3)
    await _plant(journal, "other", 4)
    measures = JournalMeasures(journal, "acme")
    runs = [run for run in planted.runs if FIRST <= run["day"] <= LAST]
    calls = [call for call in planted.calls if FIRST <= call["day"] <= LAST]
    facts = [fact for fact in planted.facts if FIRST <= fact["day"] <= LAST]

    async def read(name: str, graph: str = "") -> Any:
        (row,) = (await measures.read(name, FIRST, LAST, (), graph))["rows"]
        return row["value"], row["n"]

    ended = [run for run in runs if run["status"] not in ("running", "interrupted")]
    failed = [run for run in ended if run["status"] in ("error", "timeout")]
    assert await read("failure_rate") == (pytest.approx(len(failed) / len(ended)), len(ended))
    broken = sum(call["failed"] for call in calls)
    assert await read("failed_calls") == (pytest.approx(broken / len(calls)), len(calls))
    assert await read("call_seconds") == (pytest.approx(1.5), len(calls))
    scores = [fact["number"] for fact in facts if fact["kind"] == "score"]
    assert await read("mean_score") == (pytest.approx(statistics.mean(scores)), len(scores))
    verdicts = [fact["label"] for fact in facts if fact["kind"] == "guard"]
    assert await read("blocked") == (pytest.approx(verdicts.count("block") / len(verdicts)), len(verdicts))
    shown = sum(fact["number"] for fact in facts if fact["kind"] == "recommendation")
    clicked = sum(fact["kind"] == "clicked" for fact in facts)
    assert await read("click_share") == (pytest.approx(clicked / shown), shown)
    for graph in ("", "ask"):
        took = sorted(r["seconds"] for r in runs if r["status"] == "success" and graph in ("", r["graph"]))
        assert await read("run_seconds", graph) == (pytest.approx(statistics.median_low(took)), len(took))
        late = took[-(-95 * len(took) // 100) - 1]
        assert await read("slow_run_seconds", graph) == (pytest.approx(late), len(took))


async def test_nobody_sees_another_tenant(journal: SqliteJournal) -> None:
    await _plant(journal, "acme", 5)
    for name, tenant in product(MEASURES, ("other", "", "acme' OR '1'='1", "%")):
        found = await JournalMeasures(journal, tenant).read(name, FIRST, LAST, ("day", *MEASURES[name].by))
        assert found["rows"] == []


async def test_what_is_shown_is_what_ran(journal: SqliteJournal, tmp_path: Path) -> None:
    await _plant(journal, "acme", 6)
    found = await JournalMeasures(journal, "acme").read("cost", FIRST, LAST, ("day", "model"))
    with sqlite3.connect(tmp_path / "hubbub.db") as database:
        rows = database.execute(found["sql"], found["parameters"]).fetchall()
    assert [(row["day"], row["model"], row["value"], row["n"]) for row in found["rows"]] == rows


@pytest.mark.parametrize(
    "asked",
    [
        ("calls; DROP TABLE threads", FIRST, LAST),
        ("calls", FIRST, LAST, ("day, tenant",)),
        ("calls", FIRST, LAST, ("tenant",)),
        ("calls", FIRST, LAST, ("status",)),
        ("calls", "2025-02-30", LAST),
        ("calls", "20250301", LAST),
        ("calls", "today", LAST),
        ("calls", LAST, FIRST),
        ("calls", "0001-01-01", "9999-12-31"),
    ],
)
async def test_what_cannot_be_asked_is_one_sentence(asked: Any, journal: SqliteJournal) -> None:
    with pytest.raises((NotFound, InvalidInput)) as refused:
        await JournalMeasures(journal, "acme").read(*asked)
    assert "\n" not in str(refused.value)
    assert "; " in str(refused.value)


async def test_a_graph_is_a_value_and_never_a_part_of_the_text(journal: SqliteJournal) -> None:
    await _plant(journal, "acme", 7)
    measures = JournalMeasures(journal, "acme")
    hostile = "' OR 1=1 UNION SELECT tenant, 1 FROM view_usage --"
    assert (await measures.read("calls", FIRST, LAST, ("graph",), hostile))["rows"] == []
    assert (await measures.read("calls", FIRST, LAST, ("graph",)))["rows"] != []


async def test_a_long_answer_is_cut_and_says_so(journal: SqliteJournal) -> None:
    views = JournalViews(journal)
    for number in range(MOST + 1):
        views.note(Fact(_BEGIN.timestamp(), "acme", "r", "g", "score", f"s{number}", "", 0.5))
    await journal.barrier()
    found = await JournalMeasures(journal, "acme").read("scores", FIRST, LAST, ("scorer",))
    assert (len(found["rows"]), found["more"]) == (MOST, True)


async def test_an_empty_workspace_has_no_rows(journal: SqliteJournal) -> None:
    for known in await JournalMeasures(journal, "acme").known():
        for by in ((), known["by"]):
            found = await JournalMeasures(journal, "acme").read(known["name"], FIRST, LAST, by)
            assert (found["rows"], found["more"]) == ([], False)


@pytest.mark.parametrize("name", MEASURES)
async def test_a_figure_reads_the_rows_of_its_tenant_and_days_alone(
    journal: SqliteJournal, name: str
) -> None:
    found = await JournalMeasures(journal, "acme").read(name, FIRST, LAST, ("day",))

    def plan(database: sqlite3.Connection) -> list[str]:
        steps = database.execute(f"EXPLAIN QUERY PLAN {found['sql']}", found["parameters"])
        return [step for *_, step in steps if "view_" in step or "past_runs" in step]

    read = await journal.read(plan)
    assert read
    for step in read:
        assert "(tenant=? AND" in step
        assert step.startswith("SEARCH")
        assert "view_runs" not in step or "USING COVERING INDEX" in step
