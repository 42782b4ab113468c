"""Every write the journal knows, by name: the vocabulary between the hub and its writer process.

The hub sends names and parameters, never SQL; `refusal` is the word it gets back when a statement
that must change a row finds none, or finds one where there must be none.
"""

from __future__ import annotations

from typing import NamedTuple

from runtime.journal import batch_tables, fact_folds, folds

SCHEMA_VERSION = 2

SCHEMA = """
CREATE TABLE threads (
    id TEXT PRIMARY KEY, tenant TEXT NOT NULL, metadata BLOB NOT NULL,
    created_at REAL NOT NULL, updated_at REAL NOT NULL, reserved INTEGER NOT NULL,
    expires_at REAL, expiry TEXT
) WITHOUT ROWID;
CREATE INDEX threads_by_tenant ON threads (tenant, updated_at);
CREATE INDEX threads_by_expiry ON threads (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE runs (
    id TEXT PRIMARY KEY, thread TEXT NOT NULL, tenant TEXT NOT NULL,
    graph TEXT NOT NULL, version TEXT NOT NULL, status TEXT NOT NULL,
    input BLOB, config BLOB NOT NULL, metadata BLOB NOT NULL,
    attempt INTEGER NOT NULL, fence INTEGER NOT NULL, idempotency_key TEXT, traceparent TEXT,
    error BLOB, output BLOB, created_at REAL NOT NULL, updated_at REAL NOT NULL,
    options BLOB NOT NULL, waiting BLOB
);
CREATE INDEX runs_waiting ON runs (thread) WHERE waiting IS NOT NULL;
CREATE INDEX runs_by_thread ON runs (thread);
CREATE INDEX runs_unfinished ON runs (status) WHERE status IN ('accepted', 'running');
CREATE UNIQUE INDEX runs_by_key ON runs (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE events (
    thread TEXT NOT NULL, position INTEGER NOT NULL, seq INTEGER NOT NULL, run TEXT NOT NULL,
    method TEXT NOT NULL, namespace TEXT NOT NULL, data BLOB NOT NULL, timestamp INTEGER NOT NULL,
    PRIMARY KEY (thread, seq)
);
CREATE INDEX questions ON events (thread) WHERE method = 'input.requested';

-- How far each subscriber has got in the log, by the rowid of events.  A rowid above all others may be given
-- again once its event is deleted: who had got further goes back, and what is on its way counts no more.
CREATE TABLE subscriptions (
    name TEXT PRIMARY KEY, place INTEGER NOT NULL, turn INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TRIGGER newest_event_gone AFTER DELETE ON events
    WHEN old.rowid > (SELECT coalesce(max(rowid), 0) FROM events) BEGIN
    UPDATE subscriptions
        SET turn = turn + 1, place = min(place, (SELECT coalesce(max(rowid), 0) FROM events));
END;

-- Messages that have begun and not ended: what a client of a dead process may have seen a half of.
CREATE TABLE open_messages (
    run TEXT NOT NULL, message TEXT NOT NULL, namespace TEXT NOT NULL, PRIMARY KEY (run, message)
) WITHOUT ROWID;

-- `owner` is the checkpoint whose task runs this subgraph; `chained` says that the state needs the parent's.
CREATE TABLE checkpoints (
    thread TEXT NOT NULL, ns TEXT NOT NULL, id TEXT NOT NULL, parent TEXT, run TEXT NOT NULL,
    owner_ns TEXT, owner TEXT, chained INTEGER NOT NULL,
    type TEXT NOT NULL, checkpoint BLOB NOT NULL, metadata TEXT NOT NULL,
    PRIMARY KEY (thread, ns, id)
);
CREATE INDEX checkpoints_by_owner ON checkpoints (thread, owner_ns, owner) WHERE owner IS NOT NULL;

-- Each run has a `layer` of its own for what replaces (an answer, an interrupt), so that a run can be undone.
CREATE TABLE writes (
    thread TEXT NOT NULL, ns TEXT NOT NULL, checkpoint TEXT NOT NULL,
    task TEXT NOT NULL, idx INTEGER NOT NULL, layer TEXT NOT NULL, run TEXT NOT NULL,
    path TEXT NOT NULL, channel TEXT NOT NULL, type TEXT NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (thread, ns, checkpoint, task, idx, layer)
);

CREATE TRIGGER checkpoint_takes_its_own_along AFTER DELETE ON checkpoints BEGIN
    DELETE FROM writes WHERE thread = old.thread AND ns = old.ns AND checkpoint = old.id;
    DELETE FROM checkpoints WHERE thread = old.thread AND owner_ns = old.ns AND owner = old.id;
END;

-- What runs do outside, in the order in which they do it: the intent before, the result after.
CREATE TABLE effects (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL, task TEXT NOT NULL, step TEXT NOT NULL,
    namespace TEXT NOT NULL, key TEXT NOT NULL, seen BLOB NOT NULL,
    state TEXT NOT NULL, tries INTEGER NOT NULL, result BLOB,
    UNIQUE (run, task)
);
CREATE TABLE endings (run TEXT PRIMARY KEY, ending BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE crons (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, cron BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE webhooks (id TEXT PRIMARY KEY, due_at REAL NOT NULL, webhook BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX webhooks_due ON webhooks (due_at);

-- The namespace ends every label with a dot, so that a prefix is a range: 'a.' to 'a/' is ("a", ...).
-- An id is never used again: what was read of an item cannot be taken for another one's.
CREATE TABLE items (
    id INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, namespace TEXT NOT NULL, key TEXT NOT NULL,
    value BLOB NOT NULL, fields TEXT, created_at REAL NOT NULL, updated_at REAL NOT NULL,
    ttl REAL, expires_at REAL,
    UNIQUE (tenant, namespace, key)
);
CREATE INDEX items_latest ON items (tenant, updated_at);
CREATE INDEX items_expiring ON items (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE item_vectors (item INTEGER PRIMARY KEY, space TEXT NOT NULL, vectors BLOB NOT NULL);
CREATE TRIGGER item_changed AFTER UPDATE OF value ON items BEGIN
    DELETE FROM item_vectors WHERE item = old.id;
END;
CREATE TRIGGER item_gone AFTER DELETE ON items BEGIN
    DELETE FROM item_vectors WHERE item = old.id;
END;

CREATE TABLE graph_texts (
    graph TEXT NOT NULL, version TEXT NOT NULL, text TEXT NOT NULL, inside TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (graph, version)
);
CREATE TABLE publications (graph TEXT PRIMARY KEY, publication BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE keys (
    id TEXT PRIMARY KEY, digest TEXT NOT NULL, tenant TEXT NOT NULL, name TEXT NOT NULL,
    created_at REAL NOT NULL, revoked INTEGER NOT NULL
) WITHOUT ROWID;

-- One row: the last batch this database holds, so that a writer that died can be asked what it did.
CREATE TABLE writer (id INTEGER PRIMARY KEY CHECK (id = 1), boot TEXT NOT NULL, outcomes BLOB NOT NULL);
INSERT INTO writer VALUES (1, '', x'90');
"""
SCHEMA += folds.SCHEMA

ADDITIONS = """
CREATE TABLE IF NOT EXISTS responses (
    tenant TEXT NOT NULL, id TEXT NOT NULL, created_at REAL NOT NULL, request BLOB NOT NULL,
    run TEXT NOT NULL, answer BLOB, events BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX IF NOT EXISTS responses_by_age ON responses (created_at);
CREATE TABLE IF NOT EXISTS key_limits (id TEXT PRIMARY KEY, limits BLOB NOT NULL) WITHOUT ROWID;
-- In billionths of a US dollar, by days of UTC.
CREATE TABLE IF NOT EXISTS key_spending (
    key TEXT NOT NULL, day TEXT NOT NULL, cost INTEGER NOT NULL, PRIMARY KEY (key, day)
) WITHOUT ROWID;
-- The response of a run has its id.
CREATE TRIGGER IF NOT EXISTS run_takes_its_response_along AFTER DELETE ON runs BEGIN
    DELETE FROM responses WHERE tenant = old.tenant AND id = 'resp_' || replace(old.id, '-', '');
END;
"""
ADDITIONS += fact_folds.ADDITIONS
ADDITIONS += """
-- The same event sent twice has the same key: it counts once.
CREATE TABLE IF NOT EXISTS interactions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, key TEXT NOT NULL, user TEXT NOT NULL,
    item TEXT NOT NULL, kind TEXT NOT NULL, at REAL NOT NULL, value REAL, recommendation TEXT NOT NULL,
    UNIQUE (tenant, key)
);
CREATE INDEX IF NOT EXISTS interactions_by_user ON interactions (tenant, user, at);
CREATE INDEX IF NOT EXISTS interactions_newest ON interactions (tenant, id);
CREATE INDEX IF NOT EXISTS interactions_by_time ON interactions (tenant, at);

CREATE TABLE IF NOT EXISTS catalogue (
    id INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, item TEXT NOT NULL, fields BLOB NOT NULL,
    UNIQUE (tenant, item)
);
CREATE INDEX IF NOT EXISTS catalogue_newest ON catalogue (tenant, id);
"""
ADDITIONS += batch_tables.TABLES
"""Tables that came later, each made IF NOT EXISTS: a database that lacks one gets it when it is opened."""


class Statement(NamedTuple):
    """One write; with a `refusal` it must change at least one row, and break no constraint."""

    sql: str
    refusal: str = ""


# A row that must not be written gets NULL where there has to be a value.  (INSERT … SELECT … WHERE says it
# more plainly, and costs an event twice as much: SQLite takes the row through a temporary table.)
_WRITE = (
    "INSERT INTO writes VALUES (?1, ?2, ?3, ?4, ?5, ?6, CASE WHEN ?12 IS NULL OR EXISTS"
    " (SELECT 1 FROM runs WHERE id = ?7 AND fence <= ?12) THEN ?7 END, ?8, ?9, ?10, ?11)"
    " ON CONFLICT (thread, ns, checkpoint, task, idx, layer) DO UPDATE SET"
)

STATEMENTS: dict[str, Statement] = {
    "thread.create": Statement("INSERT INTO threads VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
    "thread.update": Statement(
        "UPDATE threads SET metadata = ?2, updated_at = ?3, expires_at = ?4, expiry = ?5 WHERE id = ?1",
        "gone",
    ),
    "thread.accept": Statement(
        "UPDATE threads SET metadata = ?2, reserved = max(reserved, ?3), updated_at = max(updated_at, ?4)"
        " WHERE id = ?1",
        "gone",
    ),
    "thread.reserve": Statement(
        "UPDATE threads SET reserved = max(reserved, ?2), updated_at = max(updated_at, ?3) WHERE id = ?1",
        "gone",
    ),
    "thread.expire": Statement("UPDATE threads SET expires_at = ?2, expiry = 'delete' WHERE id = ?1"),
    "thread.delete": Statement("DELETE FROM threads WHERE id = ?1", "gone"),
    "thread.delete_messages": Statement(
        "DELETE FROM open_messages WHERE run IN (SELECT id FROM runs WHERE thread = ?1)"
    ),
    "thread.delete_effects": Statement(
        "DELETE FROM effects WHERE run IN (SELECT id FROM runs WHERE thread = ?1)"
    ),
    "thread.delete_runs": Statement("DELETE FROM runs WHERE thread = ?1"),
    "thread.delete_events": Statement("DELETE FROM events WHERE thread = ?1"),
    "run.create": Statement(
        "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ),
    "run.change": Statement(
        # A finished run never changes again, and a newer fence shuts an older claimant out.
        "UPDATE runs SET status = ?2, fence = ?3, attempt = coalesce(?4, attempt),"
        " error = coalesce(?5, error), output = coalesce(?6, output), updated_at = ?7, waiting = ?8"
        " WHERE id = ?1 AND fence <= ?3 AND status IN ('accepted', 'running', 'interrupted')",
        "fenced",
    ),
    # One answer wins: the next one finds nothing that waits.
    "run.resume": Statement(
        "UPDATE runs SET status = ?3, fence = ?4, attempt = ?5, options = ?6, waiting = ?7, updated_at = ?8,"
        " config = ?9, metadata = ?10"
        " WHERE id = ?1 AND fence = ?2 AND status = 'interrupted' AND waiting IS NOT NULL",
        "answered",
    ),
    "run.answered": Statement(
        "UPDATE runs SET waiting = NULL WHERE id = ?1 AND status = 'interrupted'", "answered"
    ),
    "run.ask": Statement("UPDATE runs SET waiting = ?2 WHERE id = ?1 AND status = 'interrupted'"),
    "runs.unasked": Statement("UPDATE runs SET waiting = NULL WHERE thread = ?1 AND waiting IS NOT NULL"),
    "runs.overtaken": Statement(
        "UPDATE runs SET waiting = NULL WHERE thread = ?1 AND waiting IS NOT NULL AND id != ?2"
    ),
    "run.options": Statement(
        "UPDATE runs SET options = ?2 WHERE id = ?1 AND status IN ('accepted', 'running')", "fenced"
    ),
    "run.delete": Statement("DELETE FROM runs WHERE id = ?1", "gone"),
    "message.open": Statement("INSERT OR IGNORE INTO open_messages VALUES (?, ?, ?)"),
    "message.close": Statement("DELETE FROM open_messages WHERE run = ?1 AND message = ?2"),
    "messages.forget": Statement("DELETE FROM open_messages WHERE run = ?1"),
    "event": Statement(
        # Compare and set: the position is the next one, or nothing is appended.
        "INSERT INTO events VALUES (?1, CASE WHEN ?2 = 1 + coalesce((SELECT position FROM events"
        " WHERE thread = ?1 ORDER BY seq DESC LIMIT 1), 0) THEN ?2 END, ?3, ?4, ?5, ?6, ?7, ?8)",
        "conflict",
    ),
    "checkpoint": Statement(
        # Whoever gives no fence is trusted; else the run must be on record, with no newer one.
        "INSERT INTO checkpoints VALUES (?1, ?2, ?3, ?4, CASE WHEN ?12 IS NULL OR EXISTS"
        " (SELECT 1 FROM runs WHERE id = ?5 AND fence <= ?12) THEN ?5 END, ?6, ?7, ?8, ?9, ?10, ?11)"
        " ON CONFLICT (thread, ns, id) DO UPDATE SET"
        " parent = excluded.parent, run = excluded.run, owner_ns = excluded.owner_ns, owner = excluded.owner,"
        " chained = excluded.chained, type = excluded.type, checkpoint = excluded.checkpoint,"
        " metadata = excluded.metadata",
        "fenced",
    ),
    "checkpoints.prune": Statement(
        # Once a tenth too many: all go but the newest ?3, the newest of another run (where undoing this
        # one leads back to), and the ancestors that the state of these is built from.
        "WITH RECURSIVE kept (id) AS ("
        " SELECT id FROM (SELECT id FROM checkpoints WHERE thread = ?1 AND ns = ?2 ORDER BY id DESC LIMIT ?3)"
        " UNION SELECT id FROM (SELECT id FROM checkpoints WHERE thread = ?1 AND ns = ?2 AND run <> ?4"
        " ORDER BY id DESC LIMIT 1)"
        " UNION SELECT parent FROM kept JOIN checkpoints USING (id)"
        " WHERE thread = ?1 AND ns = ?2 AND chained AND parent IS NOT NULL)"
        " DELETE FROM checkpoints WHERE ns = ?2 AND id NOT IN kept AND thread = CASE WHEN EXISTS"
        " (SELECT 1 FROM checkpoints WHERE thread = ?1 AND ns = ?2 LIMIT 1 OFFSET ?3 + ?3 / 10) THEN ?1 END"
    ),
    "checkpoints.keep_latest": Statement(
        "WITH RECURSIVE kept (ns, id) AS ("
        " SELECT ns, max(id) FROM checkpoints WHERE thread = ?1 GROUP BY ns"
        " UNION SELECT ns, parent FROM kept JOIN checkpoints USING (ns, id)"
        " WHERE thread = ?1 AND chained AND parent IS NOT NULL)"
        " DELETE FROM checkpoints WHERE thread = ?1 AND (ns, id) NOT IN kept"
    ),
    "checkpoints.copy": Statement(
        "INSERT INTO checkpoints SELECT ?2, ns, id, parent, '', owner_ns, owner, chained, type, checkpoint,"
        " metadata FROM checkpoints WHERE thread = ?1"
    ),
    "checkpoints.delete": Statement("DELETE FROM checkpoints WHERE thread = ?1"),
    "checkpoints.delete_run": Statement("DELETE FROM checkpoints WHERE thread = ?1 AND run = ?2"),
    "write": Statement(
        # What a task wrote first, stays.
        f"{_WRITE} idx = excluded.idx",
        "fenced",
    ),
    "write.replace": Statement(
        f"{_WRITE} path = excluded.path, channel = excluded.channel,"
        " type = excluded.type, value = excluded.value",
        "fenced",
    ),
    "writes.copy": Statement(
        "INSERT INTO writes SELECT ?2, ns, checkpoint, task, idx, layer, '', path, channel, type, value"
        " FROM writes WHERE thread = ?1 ORDER BY rowid"
    ),
    "writes.delete": Statement("DELETE FROM writes WHERE thread = ?1"),
    "writes.delete_run": Statement("DELETE FROM writes WHERE thread = ?1 AND run = ?2"),
    "effect.begin": Statement(
        # The same step once more, after a crash, has the same key: what it may have done is one entry.
        "INSERT INTO effects (run, task, step, namespace, key, seen, state, tries)"
        " VALUES (CASE WHEN EXISTS (SELECT 1 FROM runs WHERE id = ?1 AND fence <= ?7) THEN ?1 END,"
        " ?2, ?3, ?4, ?5, ?6, 'begun', 0)"
        " ON CONFLICT (run, task) DO UPDATE SET key = excluded.key, seen = excluded.seen",
        "fenced",
    ),
    "effect.settle": Statement(
        "UPDATE effects SET state = ?3, tries = ?4, result = ?5 WHERE run = ?1 AND task = ?2"
    ),
    "effects.forget": Statement("DELETE FROM effects WHERE run = ?1"),
    "ending.put": Statement("INSERT OR IGNORE INTO endings VALUES (?, ?)"),
    "ending.forget": Statement("DELETE FROM endings WHERE run = ?1"),
    "cron.put": Statement("INSERT OR REPLACE INTO crons VALUES (?, ?, ?)"),
    # A cron that was deleted meanwhile stays deleted.
    "cron.change": Statement("UPDATE crons SET cron = ?3 WHERE id = ?1 AND tenant = ?2", "gone"),
    "cron.delete": Statement("DELETE FROM crons WHERE id = ?1 AND tenant = ?2", "gone"),
    "thread.delete_crons": Statement(
        "DELETE FROM crons WHERE json_extract(CAST(cron AS TEXT), '$.thread') = ?1"
    ),
    "subscription.begin": Statement(
        "INSERT OR IGNORE INTO subscriptions SELECT ?1, coalesce(max(rowid), 0), 0 FROM events"
    ),
    # Refused when the log's newest events were deleted meanwhile, for their places are given again.
    "subscription.move": Statement(
        "UPDATE subscriptions SET place = ?2 WHERE name = ?1 AND turn = ?3", "conflict"
    ),
    "webhook.put": Statement("INSERT OR REPLACE INTO webhooks VALUES (?, ?, ?)"),
    "webhook.delete": Statement("DELETE FROM webhooks WHERE id = ?1"),
    "item.put": Statement(
        # An item whose time was up is a new one, swept or not.
        "INSERT INTO items (tenant, namespace, key, value, fields, created_at, updated_at, ttl, expires_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?6 + ?7)"
        " ON CONFLICT (tenant, namespace, key) DO UPDATE SET value = ?4, fields = ?5, updated_at = ?6,"
        " ttl = ?7, expires_at = ?6 + ?7, created_at = iif(expires_at <= ?6, ?6, created_at)"
    ),
    "item.delete": Statement("DELETE FROM items WHERE tenant = ?1 AND namespace = ?2 AND key = ?3"),
    "item.vectors": Statement(
        # Of the very text that was embedded: the item may have been written again since.
        "INSERT OR REPLACE INTO item_vectors SELECT id, ?5, ?6 FROM items"
        " WHERE tenant = ?1 AND namespace = ?2 AND key = ?3 AND updated_at = ?4"
    ),
    "items.touch": Statement(
        "UPDATE items SET expires_at = ?2 + ttl"
        " WHERE id IN (SELECT value FROM json_each(?1)) AND expires_at > ?2"
    ),
    "items.sweep": Statement(
        "DELETE FROM items WHERE id IN (SELECT id FROM items WHERE expires_at <= ?1 LIMIT ?2)"
    ),
    "interactions.add": Statement(
        "INSERT OR IGNORE INTO interactions (tenant, key, user, item, kind, at, value, recommendation)"
        " SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,"
        " value ->> 6 FROM json_each(?2)"
    ),
    "interactions.feedback": Statement(
        # What came of a list is told of whoever made it; of one that nobody made, nothing.
        "INSERT INTO facts (at, tenant, run, graph, kind, name, version, label, key)"
        " SELECT given.value ->> 4, tenant, run, graph, given.value ->> 2, name, version, label,"
        " given.value ->> 3 FROM json_each(?2) AS given JOIN facts ON run = given.value ->> 0"
        " AND facts.key = given.value ->> 1 || ':recommendation:' || name"
        " WHERE tenant = ?1 AND kind = 'recommendation' ON CONFLICT (run, key) DO NOTHING"
    ),
    "interactions.forget": Statement(
        "DELETE FROM interactions WHERE id IN"
        " (SELECT id FROM interactions WHERE tenant = ?1 AND user = ?2 LIMIT ?3)"
    ),
    "catalogue.put": Statement(
        # WHERE 1: without it SQLite takes ON CONFLICT for a join.
        "INSERT INTO catalogue (tenant, item, fields) SELECT ?1, value ->> 0, value ->> 1 FROM json_each(?2)"
        " WHERE 1 ON CONFLICT (tenant, item) DO UPDATE SET fields = excluded.fields"
    ),
    "usage": Statement(
        "INSERT INTO usage SELECT NULL, ?1, ?2, ?3, ?4, coalesce(graph, ''), coalesce(version, ''),"
        " ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13 FROM (SELECT 1) LEFT JOIN runs ON id = ?4"
    ),
    "fact": Statement(fact_folds.NOTE),
    **{name: Statement(sql) for name, sql in (folds.REBUILD | fact_folds.REBUILD).items()},
    **{name: Statement(*each) for name, each in batch_tables.STATEMENTS.items()},
    "graph.keep": Statement("INSERT OR IGNORE INTO graph_texts VALUES (?, ?, ?, ?, ?)"),
    "graph.publish": Statement("INSERT OR REPLACE INTO publications VALUES (?, ?)"),
    "graph.withdraw": Statement("DELETE FROM publications WHERE graph = ?1"),
    "response.put": Statement("INSERT OR REPLACE INTO responses VALUES (?, ?, ?, ?, ?, ?, ?)"),
    "response.end": Statement("UPDATE responses SET answer = ?3, events = ?4 WHERE tenant = ?1 AND id = ?2"),
    "response.delete": Statement("DELETE FROM responses WHERE tenant = ?1 AND id = ?2", "gone"),
    "responses.sweep": Statement(
        "DELETE FROM responses WHERE rowid IN (SELECT rowid FROM responses WHERE created_at < ?1 LIMIT ?2)"
    ),
    "key.put": Statement("INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?, ?, ?)"),
    "key.limit": Statement("INSERT OR REPLACE INTO key_limits VALUES (?, ?)"),
    "key.spend": Statement(
        "INSERT INTO key_spending VALUES (?1, ?2, ?3)"
        " ON CONFLICT (key, day) DO UPDATE SET cost = cost + excluded.cost"
    ),
}
