"""What the hub does for a plugin in another process: what its context offers, asked over the pipe."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Protocol

from runtime.errors import InvalidInput

_SEARCHES = ("keyword", "dense", "hybrid", "search", "passages")
_TASTES = ("history", "items", "newest", "popular", "fitted")
_MEASURES = ("known", "read")


class Reply(Protocol):
    """Takes a value for who asked; the `last` one ends the answer."""

    def __call__(self, value: Any, *, last: bool) -> None:
        """Send it."""


async def lend(ctx: Any, what: str, args: Sequence[Any], reply: Reply) -> None:
    """Do what a call asks for, on behalf of its context and nobody else's."""
    if ctx is None:
        raise InvalidInput("this call was lent nothing; it has no context")
    if what == "complete":
        alias, request, told = args
        answer = await ctx.model(alias).complete(
            request, (lambda delta: reply(delta, last=False)) if told else None
        )
        reply(answer, last=True)
    elif what == "stream":
        alias, request = args
        async with aclosing(ctx.model(alias).stream(request)) as pieces:
            async for delta in pieces:
                reply(delta, last=False)
        reply(None, last=True)
    elif what == "embed":
        reply(await ctx.embed(args[0]), last=True)
    elif what == "predict":
        found = await ctx.predict(*args)
        reply({name: _crossing(value) for name, value in found.items()}, last=True)
    elif what in _SEARCHES:
        name, *rest = args
        reply(await getattr(ctx.collection(name), what)(*rest), last=True)
    elif what in _TASTES:
        reply(await getattr(ctx.interactions(), what)(*args), last=True)
    elif what in _MEASURES:
        reply(await getattr(ctx.measures(), what)(*args), last=True)
    else:
        raise InvalidInput(f"there is no {what[:40]} to be lent")


def _crossing(value: Any) -> Any:
    """Return texts as a list: an array of objects cannot leave its process."""
    return value.tolist() if getattr(getattr(value, "dtype", None), "hasobject", False) else value
