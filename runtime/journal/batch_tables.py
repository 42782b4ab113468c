"""The tables of batches and every write they know; what a batch counts changes in the commit of its rows."""

from __future__ import annotations

TABLES = """
CREATE TABLE IF NOT EXISTS batches (
    id TEXT PRIMARY KEY, tenant TEXT NOT NULL, graph TEXT NOT NULL, version TEXT NOT NULL,
    status TEXT NOT NULL, created_at REAL NOT NULL, updated_at REAL NOT NULL,
    concurrency INTEGER NOT NULL, budget REAL, file TEXT NOT NULL, sha256 TEXT NOT NULL,
    idempotency_key TEXT, fingerprint TEXT NOT NULL, reason TEXT NOT NULL,
    rows INTEGER NOT NULL, done INTEGER NOT NULL, failed INTEGER NOT NULL, waiting INTEGER NOT NULL,
    cost INTEGER NOT NULL, unpriced INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS batches_by_tenant ON batches (tenant, created_at);
CREATE UNIQUE INDEX IF NOT EXISTS batches_by_key ON batches (tenant, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

-- The API key that a batch was made with, where there was one.
CREATE TABLE IF NOT EXISTS batch_keys (batch TEXT PRIMARY KEY, key TEXT NOT NULL) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS batch_takes_its_key_along AFTER DELETE ON batches BEGIN
    DELETE FROM batch_keys WHERE batch = old.id;
END;

-- `spent` is what earlier tries of a row cost; a cost is in billionths of a US dollar.
CREATE TABLE IF NOT EXISTS batch_rows (
    batch TEXT NOT NULL, row INTEGER NOT NULL, line INTEGER, input BLOB NOT NULL, problem TEXT NOT NULL,
    status TEXT NOT NULL, tries INTEGER NOT NULL, spent INTEGER NOT NULL,
    run TEXT NOT NULL, thread TEXT NOT NULL, result BLOB, cost INTEGER NOT NULL, unpriced INTEGER NOT NULL,
    PRIMARY KEY (batch, row)
);
CREATE INDEX IF NOT EXISTS batch_rows_pending ON batch_rows (batch, row) WHERE status = 'pending';
CREATE INDEX IF NOT EXISTS batch_rows_waiting ON batch_rows (run) WHERE status = 'waiting';
CREATE INDEX IF NOT EXISTS usage_by_run ON usage (run);

CREATE TRIGGER IF NOT EXISTS batch_row_arrived AFTER INSERT ON batch_rows BEGIN
    UPDATE batches SET rows = rows + 1 WHERE id = new.batch;
END;
CREATE TRIGGER IF NOT EXISTS batch_row_changed AFTER UPDATE OF status ON batch_rows BEGIN
    UPDATE batches SET
        done = done + (new.status = 'done') - (old.status = 'done'),
        failed = failed + (new.status = 'failed') - (old.status = 'failed'),
        waiting = waiting + (new.status = 'waiting') - (old.status = 'waiting'),
        cost = cost + new.cost - old.cost, unpriced = unpriced + new.unpriced - old.unpriced
    WHERE id = new.batch;
END;
"""

_END = (
    "UPDATE batch_rows SET status = ?3, run = ?4, thread = ?5, result = ?6,"
    " cost = spent + (SELECT coalesce(sum(cost), 0) FROM usage WHERE run = ?4),"
    " unpriced = (SELECT count(*) FROM usage WHERE run = ?4 AND cost IS NULL AND finish <> '')"
    " WHERE batch = ?1 AND row = ?2 AND "
)

STATEMENTS = {
    "batch.create": (
        "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "conflict",
    ),
    "batch.key": ("INSERT INTO batch_keys VALUES (?, ?)", ""),
    # What is there already was sent twice.
    "batch.add": (
        "INSERT OR IGNORE INTO batch_rows SELECT ?1, ?2, ?3, ?4, ?5, 'pending', 0, 0, '', '', NULL, 0, 0",
        "",
    ),
    "batch.change": (
        "UPDATE batches SET status = ?3, reason = ?4, budget = ?5, concurrency = ?6, updated_at = ?7"
        " WHERE id = ?1 AND status = ?2",
        "conflict",
    ),
    "batch.end_row": (f"{_END} status = 'pending'", "conflict"),
    # The run that a row waits for, and no other, says what became of it.
    "batch.answer_row": (f"{_END} status = 'waiting' AND run = ?4", "conflict"),
    "batch.again": (
        "UPDATE batch_rows SET status = 'pending', tries = tries + 1, spent = cost"
        " WHERE batch = ?1 AND status = 'failed'",
        "",
    ),
    "batch.forget_rows": (
        "DELETE FROM batch_rows WHERE batch = ?1 AND row IN"
        " (SELECT row FROM batch_rows WHERE batch = ?1 LIMIT ?2)",
        "",
    ),
    "batch.forget": ("DELETE FROM batches WHERE id = ?1", "gone"),
}
"""The SQL and the refusal of each."""
