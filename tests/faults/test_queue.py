"""A queue that is full says so, and everything it took comes to its end, also over a kill."""

from __future__ import annotations

import asyncio

from tests.faults.client import Client
from tests.faults.conftest import MakePlace
from tests.faults.figures import count
from tests.faults.place import until

PLACES = 5


async def test_a_full_queue_is_refused_with_a_time_and_loses_none_of_its_runs(make_place: MakePlace) -> None:
    place = make_place(f"\n[runs]\nconcurrency = 1\nqueue = {PLACES}\n")
    await place.start()
    clients = [Client(place.url) for _ in range(PLACES + 1)]
    for client in clients:
        await client.__aenter__()
    try:
        await clients[0].start("hold", word="first", gate="g")
        await until(lambda: len(place.ledger) == 1)
        for client in clients[1:]:
            await client.start("chain", word="queued")
        refused = await clients[0].send("run.start", assistant_id="chain", input={"word": "too many"})
        assert refused
        assert refused["error"] == "rate_limited"
        assert refused["retryable"]
        assert refused["retry_after_ms"] > 0
        await place.restart()
        place.gate("g")
        await asyncio.gather(*(client.ended(client.accepted[0]) for client in clients))
        figures = count(place, clients)
        assert figures.clean, figures
        # One at a time, in the order they were accepted.
        befores = [line["run"] for line in place.ledger if line["text"] == "before queued"]
        assert list(dict.fromkeys(befores)) == [client.accepted[0] for client in clients[1:]]
    finally:
        for client in clients:
            await client.__aexit__()
