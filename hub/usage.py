"""From what people write to ask for usage, in a URL or on the command line, to a query."""

from __future__ import annotations

import re
from typing import cast, get_args

from runtime.errors import InvalidInput
from runtime.records import UsageGroup, UsageQuery

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def usage_query(group: str, first: str | None, last: str | None, tenant: str | None) -> UsageQuery:
    """Return the query; `group` are names joined by commas.  InvalidInput names what is none."""
    known = get_args(UsageGroup)
    names = [name for name in (part.strip() for part in group.split(",")) if name]
    if unknown := [name for name in names if name not in known]:
        raise InvalidInput(f"Usage is not grouped by {unknown[0][:64]}; choose from {', '.join(known)}.")
    for day in (first, last):
        if day is not None and not _DAY.fullmatch(day):
            raise InvalidInput(f"{day[:64]} is no day; write it like 2025-01-31.")
    return UsageQuery(cast(tuple[UsageGroup, ...], tuple(dict.fromkeys(names))), tenant, first, last)
