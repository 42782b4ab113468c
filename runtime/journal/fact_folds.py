"""How facts become a view: what scorers, recommenders, guardrails and people gave, and runs that are gone.

A fact holds no content: who gave it, a class that it fell into, a number.  Like usage it outlives its
thread.  So does the record of a run: what `view_runs` knew of it goes to `past_runs` with its thread.
"""

from __future__ import annotations

_FACTS = """
INSERT INTO view_facts
SELECT tenant, date(at / 1000, 'unixepoch'), graph, kind, name, version, label,
    count(*), count(number), coalesce(sum(number), 0)
FROM {facts} GROUP BY 1, 2, 3, 4, 5, 6, 7
ON CONFLICT (tenant, day, graph, kind, name, version, label) DO UPDATE SET
    facts = facts + excluded.facts,
    numbers = numbers + excluded.numbers,
    total = total + excluded.total
"""
_COLUMNS = ("at", "tenant", "graph", "kind", "name", "version", "label", "number")
_NEW = f"(SELECT {', '.join(f'new.{column} AS {column}' for column in _COLUMNS)})"

# A step that runs again after a crash says the same under the same key, and is heard once.
ADDITIONS = f"""
CREATE TABLE IF NOT EXISTS facts (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL,
    tenant TEXT NOT NULL, run TEXT NOT NULL, graph TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
    version TEXT NOT NULL, label TEXT NOT NULL, number INTEGER, key TEXT, UNIQUE (run, key)
);
CREATE INDEX IF NOT EXISTS facts_by_time ON facts (at);
CREATE TABLE IF NOT EXISTS view_facts (
    tenant TEXT NOT NULL, day TEXT NOT NULL, graph TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
    version TEXT NOT NULL, label TEXT NOT NULL,
    facts INTEGER NOT NULL, numbers INTEGER NOT NULL, total INTEGER NOT NULL,
    PRIMARY KEY (tenant, day, graph, kind, name, version, label)
) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS fact_noted AFTER INSERT ON facts BEGIN
    {_FACTS.format(facts=_NEW)};
END;

CREATE TABLE IF NOT EXISTS past_runs (
    run TEXT NOT NULL, tenant TEXT NOT NULL, graph TEXT NOT NULL, status TEXT NOT NULL,
    accepted_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER, error TEXT
);
CREATE INDEX IF NOT EXISTS past_runs_by_time ON past_runs (tenant, accepted_at);
-- All that figures of runs are made of: they are read from here, without the runs themselves.
CREATE INDEX IF NOT EXISTS view_runs_of_tenant
    ON view_runs (tenant, accepted_at, graph, status, error, ended_at);
CREATE TRIGGER IF NOT EXISTS thread_goes BEFORE DELETE ON threads BEGIN
    INSERT INTO past_runs SELECT run, tenant, coalesce(graph, ''), status, accepted_at, started_at, ended_at,
        error FROM view_runs WHERE thread = old.id;
END;
"""  # noqa: S608
"""The tables of facts and of past runs, and what keeps them in step."""

REBUILD = {
    "views.forget_facts": "DELETE FROM view_facts WHERE day = ?1",
    "views.facts": _FACTS.format(facts="facts WHERE at >= ?1 AND at < ?2"),
}
"""Statements by name, of one day."""

NOTE = (
    "INSERT INTO facts (at, tenant, run, graph, kind, name, version, label, number, key)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, key) DO NOTHING"
)
"""Takes down one fact, unless it was taken down."""
