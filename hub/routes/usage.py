"""`/usage`: what models were asked and what it cost, summed up; never what it was about."""

from __future__ import annotations

import msgspec
from aiohttp import web

from hub.endpoint import Call, Endpoint, reply
from hub.usage import usage_query
from runtime.errors import Forbidden


class UsageAsked(msgspec.Struct, forbid_unknown_fields=True):
    """The query of `GET /usage`: `group` names, joined by commas; `from` and `to` are days of UTC."""

    group: str = "day,model"
    first: str | None = msgspec.field(name="from", default=None)
    last: str | None = msgspec.field(name="to", default=None)
    tenant: str | None = None


async def usage(call: Call[UsageAsked]) -> web.Response:
    """Return sums of usage: of the tenant who asks; of all, or of one, for the owner of the workspace."""
    given = call.given
    tenant = given.tenant if call.principal.owner else call.tenant
    if given.tenant not in (None, tenant):
        raise Forbidden("A key sees the usage of its own tenant alone; leave `tenant` out.")
    query = usage_query(given.group, given.first, given.last, tenant)
    return reply({"usage": await call.engine.views.usage(query)})


ENDPOINTS = (Endpoint("GET", "/usage", "usage.get", usage, UsageAsked, where="query"),)
