"""The open channels of this process: each thread has one here while somebody works on it or watches it."""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict
from weakref import WeakValueDictionary

from runtime.records import RunStatus, Thread
from runtime.runs.channel import Channel
from runtime.storage import Journal

_ACTIVE = (RunStatus.ACCEPTED, RunStatus.RUNNING)
_IDLE = 256
"""How many of the latest channels stay open though nobody uses them."""
_IDLE_BYTES = 64 << 20
"""How much memory their buffers may take."""
_WEIGHED = 16
"""Their memory is looked at once in so many openings."""


class Channels:
    """Opens a thread's channel once, however many ask at the same time; closes idle ones.

    There are never two channels of one thread, each would number its events: a channel that anybody
    still holds is found again.
    """

    def __init__(self, journal: Journal) -> None:
        self.epoch = uuid.uuid4().hex[:12]
        self._journal = journal
        self._open: OrderedDict[str, tuple[Thread, Channel]] = OrderedDict()
        self._held: WeakValueDictionary[str, Channel] = WeakValueDictionary()
        self._opened = 0
        self._opening: dict[str, asyncio.Future[tuple[Thread, Channel] | None]] = {}

    def add(self, thread: Thread) -> tuple[Thread, Channel, bool]:
        """Open the channel of a thread that is being created; the last value is false when it is there."""
        new = thread.id not in self._open
        return *self._keep(thread, Channel.of(thread, self.epoch, self._journal, 0)), new

    async def get(self, thread: str) -> tuple[Thread, Channel] | None:
        """Return a thread and its channel; None when there is no such thread."""
        if thread in self._open:
            self._open.move_to_end(thread)
            return self._open[thread]
        if thread not in self._opening:
            self._opening[thread] = asyncio.ensure_future(self._load(thread))
        return await asyncio.shield(self._opening[thread])

    def opened(self, thread: str) -> tuple[Thread, Channel] | None:
        """Return a thread and its channel if it is open."""
        return self._open.get(thread)

    def drop(self, thread: str) -> None:
        """Forget a thread that was deleted or never stored."""
        self._open.pop(thread, None)
        self._held.pop(thread, None)

    def update(self, thread: Thread) -> None:
        """Take over a thread's new metadata."""
        if thread.id in self._open:
            self._open[thread.id] = thread, self._open[thread.id][1]

    async def _load(self, id: str) -> tuple[Thread, Channel] | None:
        try:
            thread = await self._journal.thread(id)
            if thread is None:
                return None
            newest = await self._journal.runs(thread=id, limit=1)
            start = await self._journal.first_seq(id, newest[0].id) - 1 if newest else 0
            # The last event of a run is durable, so on a thread at rest nothing live came after the last one.
            active = await self._journal.runs(thread=id, status=_ACTIVE, limit=1)
            whole_from = None if active else await self._journal.last_seq(id)
            channel = Channel.of(thread, self.epoch, self._journal, max(0, start), whole_from)
            return self._keep(thread, channel)
        finally:
            del self._opening[id]

    def _keep(self, thread: Thread, channel: Channel) -> tuple[Thread, Channel]:
        """Keep a channel open, or the one that somebody else has opened meanwhile."""
        held = self._held.setdefault(thread.id, channel)
        opened = self._open.setdefault(thread.id, (thread, held))
        self._close_idle()
        return opened

    def _close_idle(self) -> None:
        """Close the channels that nobody used for longest; what is in use is found again in `_held`."""
        while len(self._open) > _IDLE:
            self._open.popitem(last=False)
        self._opened += 1
        if self._opened % _WEIGHED:
            return
        kept = sum(channel.bytes for _, channel in self._open.values())
        while len(self._open) > 1 and kept > _IDLE_BYTES:
            _, (_, closed) = self._open.popitem(last=False)
            kept -= closed.bytes
