"""What a response is asked with: the turns before it, which its client need not send again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hub.responses import of_run
from runtime.errors import InvalidInput, NoSuchResponse
from runtime.types import JsonObject

if TYPE_CHECKING:
    from runtime.engine import Engine
    from runtime.journal.responses import StoredResponse

_MOST_TURNS = 1000
_OURS = ("previous_response_id", "background", "type", "stream_id", "generate")
"""What the hub carries out itself, and no model is told."""

Known = Mapping[str, "StoredResponse"]


class NoPreviousResponse(InvalidInput):
    """The response to go on from is not there."""

    vendor_code = "previous_response_not_found"


async def in_full(engine: Engine, tenant: str, body: JsonObject, known: Known) -> JsonObject:
    """Return a request that holds the turns before it, for whoever answers; NoPreviousResponse.

    `known` are responses that are stored nowhere else.  A vendor is never told an id of a response: all
    tenants share its key, and with the key its memory.
    """
    if body.get("conversation"):
        raise InvalidInput("Conversations are not kept here; send previous_response_id, or the whole input.")
    if body.get("background") is True and body.get("store") is False:
        raise InvalidInput("What is answered in the background has to be stored; leave store out.")
    asked = {name: value for name, value in body.items() if name not in _OURS}
    if previous := body.get("previous_response_id"):
        asked["input"] = [*await turns(engine, tenant, previous, known), *items_of(body.get("input") or [])]
    return asked


async def turns(engine: Engine, tenant: str, id: Any, known: Known) -> list[JsonObject]:
    """Return what was said up to and with a response, oldest first; NoPreviousResponse."""
    found: list[list[JsonObject]] = []
    while id and len(found) < _MOST_TURNS:
        try:
            stored = known.get(id) or await engine.responses.get(tenant, str(id))
            answer = stored.answer or (await of_run.whole(engine, stored) if stored.run else None)
        except NoSuchResponse as error:
            raise NoPreviousResponse(f"previous_response_id: {error}") from None
        if answer is None or answer["status"] not in ("completed", "incomplete"):
            raise NoPreviousResponse(
                f"The response {id} has no answer to go on from; wait for it, or ask again."
            )
        found.append([*items_of(stored.request.get("input") or []), *_said(stored.id, answer["output"])])
        id = stored.request.get("previous_response_id")
    return [item for turn in reversed(found) for item in turn]


def items_of(given: Any) -> list[JsonObject]:
    """Return an input as its items."""
    return [{"role": "user", "content": given}] if isinstance(given, str) else list(given)


def _said(id: str, output: list[JsonObject]) -> list[JsonObject]:
    """Return an output as a part of the next input: a vendor knows no item that it has not made."""
    mark = id.removeprefix("resp_")
    items = [item if mark not in str(item.get("id")) else {**item, "id": None} for item in output]
    return [
        {name: value for name, value in item.items() if value is not None}
        for item in items
        if item["type"] != "reasoning" or item.get("id")
    ]
