"""How the log becomes views: each fold is one SQL text, for what is appended and for all there is.

A trigger folds every record of the log in the commit that appends it, so no write can forget a view;
a rebuild empties the view and folds the whole log with the same text.  The log is three tables: what
begins a thread (`threads`), what happened on it (`events`) and what each model call used (`usage`).
Usage holds no content, and outlives its threads.  Sums are of whole numbers (costs in billionths of a
US dollar), so they do not depend on their order.
"""

from __future__ import annotations

_TABLES = """
CREATE TABLE usage (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL,
    tenant TEXT NOT NULL, thread TEXT NOT NULL, run TEXT NOT NULL, graph TEXT NOT NULL, version TEXT NOT NULL,
    alias TEXT NOT NULL, model TEXT NOT NULL, finish TEXT NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL, cost INTEGER, ms INTEGER NOT NULL
);
CREATE INDEX usage_by_time ON usage (at);

CREATE TABLE view_threads (
    thread TEXT PRIMARY KEY, tenant TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    runs INTEGER NOT NULL, run TEXT, graph TEXT, status TEXT
) WITHOUT ROWID;
CREATE INDEX view_threads_latest ON view_threads (updated_at);

CREATE TABLE view_runs (
    run TEXT NOT NULL, thread TEXT NOT NULL, tenant TEXT NOT NULL, graph TEXT, version TEXT,
    status TEXT NOT NULL, attempt INTEGER,
    accepted_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER,
    error TEXT, step TEXT, canary INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (thread, run)
) WITHOUT ROWID;
CREATE INDEX view_runs_latest ON view_runs (accepted_at);

CREATE TABLE view_usage (
    tenant TEXT NOT NULL, day TEXT NOT NULL, graph TEXT NOT NULL, model TEXT NOT NULL,
    calls INTEGER NOT NULL, failed INTEGER NOT NULL, unpriced INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL, cost INTEGER NOT NULL, ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, day, graph, model)
) WITHOUT ROWID;
"""

_BEGIN = """
INSERT INTO view_threads SELECT id, tenant, created, created, 0, NULL, NULL, NULL
FROM (SELECT id, tenant, CAST(created_at * 1000 AS INTEGER) AS created FROM {threads})
"""

# What the lifecycle events of runs say; those of nested graphs are about no run.
_RUN = """
INSERT INTO view_runs
SELECT run, thread, tenant, graph, version, status, attempt, timestamp, timestamp,
    iif(status = 'running', timestamp, NULL),
    iif(status IN ('accepted', 'running', 'interrupted'), NULL, timestamp), error, step,
    canary
FROM (
    SELECT seq, run, thread, timestamp, threads.tenant AS tenant,
        json_extract(data, '$.graph_name') AS graph, json_extract(data, '$.graph_version') AS version,
        json_extract(data, '$.metadata.status') AS status, json_extract(data, '$.attempt') AS attempt,
        json_extract(data, '$.metadata.code') AS error, json_extract(data, '$.metadata.step') AS step,
        coalesce(json_extract(data, '$.canary'), 0) AS canary
    FROM (SELECT seq, run, thread, timestamp, CAST(data AS TEXT) AS data FROM {events})
    JOIN threads ON threads.id = thread
) WHERE status IS NOT NULL ORDER BY seq
ON CONFLICT (thread, run) DO UPDATE SET
    status = excluded.status,
    attempt = excluded.attempt,
    updated_at = excluded.updated_at,
    started_at = coalesce(started_at, excluded.started_at),
    ended_at = excluded.ended_at,
    error = excluded.error,
    step = excluded.step
"""

# The newest run is the one accepted last; what an earlier one does later is not the thread's status.
_THREAD = """
CREATE TRIGGER thread_has_run AFTER INSERT ON view_runs BEGIN
    UPDATE view_threads SET updated_at = new.updated_at, runs = runs + 1, run = new.run, graph = new.graph,
        status = new.status WHERE thread = new.thread;
END;
CREATE TRIGGER thread_has_changed AFTER UPDATE ON view_runs BEGIN
    UPDATE view_threads SET updated_at = new.updated_at, status = iif(run = new.run, new.status, status)
        WHERE thread = new.thread;
END;
"""

_USAGE = """
INSERT INTO view_usage
SELECT tenant, date(at / 1000, 'unixepoch'), graph, model, count(*), sum(finish = ''), sum(cost IS NULL),
    sum(input_tokens), sum(output_tokens), sum(cached_tokens), sum(reasoning_tokens),
    coalesce(sum(cost), 0), sum(ms)
FROM {usage} GROUP BY 1, 2, 3, 4
ON CONFLICT (tenant, day, graph, model) DO UPDATE SET
    calls = calls + excluded.calls,
    failed = failed + excluded.failed,
    unpriced = unpriced + excluded.unpriced,
    input_tokens = input_tokens + excluded.input_tokens,
    output_tokens = output_tokens + excluded.output_tokens,
    cached_tokens = cached_tokens + excluded.cached_tokens,
    reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens,
    cost = cost + excluded.cost,
    ms = ms + excluded.ms
"""


def _new(*columns: str) -> str:
    """Return the row that a trigger is about, as a table."""
    return f"(SELECT {', '.join(f'new.{column} AS {column}' for column in columns)})"


_NEW_USAGE = _new(
    *("at", "tenant", "graph", "model", "finish", "cost", "ms"),
    *("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens"),
)

SCHEMA = f"""{_TABLES}
CREATE TRIGGER thread_begun AFTER INSERT ON threads BEGIN
    {_BEGIN.format(threads=_new("id", "tenant", "created_at"))};
END;
CREATE TRIGGER run_changed AFTER INSERT ON events WHEN new.method = 'lifecycle' AND new.namespace = '' BEGIN
    {_RUN.format(events=_new("seq", "run", "thread", "timestamp", "data"))};
END;
{_THREAD}
CREATE TRIGGER model_called AFTER INSERT ON usage BEGIN
    {_USAGE.format(usage=_NEW_USAGE)};
END;
CREATE TRIGGER thread_gone AFTER DELETE ON threads BEGIN
    DELETE FROM view_threads WHERE thread = old.id;
    DELETE FROM view_runs WHERE thread = old.id;
END;
"""  # noqa: S608
"""The tables of the views and of usage, and what keeps the views in step."""


REBUILD = {
    "views.forget_thread": "DELETE FROM view_threads WHERE thread = ?1",
    "views.forget_runs": "DELETE FROM view_runs WHERE thread = ?1",
    "views.begin": _BEGIN.format(threads="threads WHERE id = ?1"),
    "views.runs": _RUN.format(events="events WHERE thread = ?1 AND method = 'lifecycle' AND namespace = ''"),
    "views.forget_strays": "DELETE FROM view_threads WHERE thread NOT IN (SELECT id FROM threads)",
    "views.forget_stray_runs": "DELETE FROM view_runs WHERE thread NOT IN (SELECT id FROM threads)",
    "views.forget_usage": "DELETE FROM view_usage WHERE day = ?1",
    "views.usage": _USAGE.format(usage="usage WHERE at >= ?1 AND at < ?2"),
}
"""Statements by name: of one thread, of what belongs to none, and of one day's usage."""
