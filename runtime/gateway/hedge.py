"""Two candidates at once, when the first is slow to begin: the one that speaks first is listened to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing

from runtime.gateway.asking import P

Leg = AsyncGenerator[P, None]
"""One candidate's answer: nothing before its first content, and nothing at all when it has none."""


async def hedged(first: Leg[P], second: Callable[[], Leg[P]], after: float) -> AsyncGenerator[P, None]:
    """Yield the answer of `first`, or of `second` when that begins sooner.

    `second` is begun when `first` has said nothing for `after` seconds.  The one that is not listened to
    is closed; when one has no answer, the other is waited for.
    """
    async with AsyncExitStack() as stack:
        legs = {_begin(first, stack): first}
        done, _ = await asyncio.wait(legs, timeout=after)
        if not done:
            leg = second()
            legs[_begin(leg, stack)] = leg
        while legs:
            done, _ = await asyncio.wait(legs, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                leg = legs.pop(task)
                if (piece := task.result()) is None:
                    continue
                await asyncio.gather(*(_end(other, legs[other]) for other in legs))
                yield piece
                async for piece in leg:
                    yield piece
                return


def _begin(leg: Leg[P], stack: AsyncExitStack) -> asyncio.Task[P | None]:
    """Ask for the first piece; whatever happens, the leg is ended with the race."""

    async def first() -> P | None:
        return await anext(leg, None)

    task = asyncio.create_task(first(), name="model race")
    stack.push_async_callback(_end, task, leg)
    return task


async def _end(task: asyncio.Task[P | None], leg: Leg[P]) -> None:
    """Stop asking, then close the leg; nothing runs on unseen."""
    task.cancel()
    await asyncio.wait([task])
    async with aclosing(leg):
        pass
