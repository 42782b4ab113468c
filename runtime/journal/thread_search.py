"""Looking for threads: what they hold, what they are doing, and in which order."""

from __future__ import annotations

from typing import Final

import orjson

from runtime.journal.json_contains import Condition, contains
from runtime.records import ThreadOrder, ThreadQuery

_WORKING = (
    "SELECT 1 FROM runs WHERE thread = threads.id AND status IN ('accepted', 'running')"
    # Waiting for a time that is to come is no work.
    " AND coalesce(json_extract(CAST(options AS TEXT), '$.start_at'), 0)"
    " <= (julianday('now') - 2440587.5) * 86400.0"
)
_NEWEST_ENDING = (
    "SELECT status FROM runs WHERE thread = threads.id AND status NOT IN ('accepted', 'running')"
    " ORDER BY rowid DESC LIMIT 1"
)
STATUS: Final = (
    f"CASE WHEN EXISTS ({_WORKING}) THEN 'busy' ELSE CASE ({_NEWEST_ENDING})"
    " WHEN 'interrupted' THEN 'interrupted' WHEN 'error' THEN 'error' WHEN 'timeout' THEN 'error'"
    " ELSE 'idle' END END"
)
"""What a thread is doing, as an expression beside the table `threads`."""

STATE_UPDATED_AT: Final = (
    "coalesce((SELECT timestamp FROM events WHERE thread = threads.id ORDER BY seq DESC LIMIT 1) / 1000.0,"
    " created_at)"
)
"""When the last event of a thread was: each change of its state is one."""

_ORDERS: Final[dict[ThreadOrder, str]] = {
    "thread_id": "id",
    "status": "status",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "state_updated_at": "state_updated_at",
}


def condition(tenant: str, query: ThreadQuery) -> Condition:
    """Return what a thread must fulfil to be found."""
    found = contains("CAST(metadata AS TEXT)", query.metadata)
    sql, parameters = ["tenant = ?", found.sql], list[object]([tenant, *found.parameters])
    if query.ids is not None:
        sql.append("id IN (SELECT value FROM json_each(?))")
        parameters.append(orjson.dumps(list(query.ids)).decode())
    if query.status is not None:
        sql.append(f"{STATUS} = ?")
        parameters.append(query.status)
    return Condition(" AND ".join(sql), parameters)


def order(query: ThreadQuery) -> str:
    """Return the order of the threads that are found; it never depends on chance."""
    way = "ASC" if query.ascending else "DESC"
    return f" ORDER BY {_ORDERS[query.sort_by]} {way}, id {way}"
