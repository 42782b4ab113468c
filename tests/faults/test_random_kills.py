"""kill -9 of hub, writer or both at random moments under load: the figures that are promised to be zero.

`HUBBUB_FAULTS_SECONDS=600 pytest tests/faults/test_random_kills.py -s` goes on for as long as you like;
`HUBBUB_FAULTS_SEED` plays the same dice again.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from tests.faults.client import Client
from tests.faults.conftest import MakePlace
from tests.faults.figures import count, repeated_effects
from tests.faults.place import Place

SECONDS = float(os.environ.get("HUBBUB_FAULTS_SECONDS", "15"))
SEED = int(os.environ.get("HUBBUB_FAULTS_SEED", random.randrange(1_000_000)))
THREADS = 16
GRAPHS = ("chain", "chain", "parallel")
"""A text file with effects, and a graph written in Python with two models that write at the same time."""
ALWAYS = "\n[runs]\nqueue = 100\nattempts = 100\n"


@pytest.mark.timeout(SECONDS + 180)
async def test_nothing_a_client_was_told_is_lost_or_doubled(
    make_place: MakePlace, capsys: pytest.CaptureFixture[str]
) -> None:
    place, dice = make_place(ALWAYS), random.Random(SEED)
    for word in ("left", "right"):
        (place.folder / f"gate-{word}").touch()
    await place.start()
    stop = time.monotonic() + SECONDS
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(place.url)) for _ in range(THREADS)]
        working = [asyncio.create_task(_work(client, dice.random(), stop)) for client in clients]
        kills = await _kill(place, dice, stop)
        await asyncio.gather(*working)
        figures = count(place, clients)
    runs = sum(len(client.accepted) for client in clients)
    with capsys.disabled():
        print(f"\nseed {SEED}: {runs} runs on {THREADS} threads, killed {dict(kills)},", end=" ")
        print(f"{repeated_effects(place)} effects repeated under their key\n{figures}")
    assert kills.total() > 0
    assert runs > THREADS
    assert figures.clean, place.log[-4000:]


async def _work(client: Client, luck: float, stop: float) -> None:
    """Start runs one after the other, now and then two at once; wait for the end of all."""
    dice = random.Random(luck)
    while time.monotonic() < stop:
        runs = [
            await client.start(dice.choice(GRAPHS), word=f"w{len(client.accepted)}")
            for _ in range(dice.choice((1, 1, 2)))
        ]
        for run in runs:
            await client.ended(run)


async def _kill(place: Place, dice: random.Random, stop: float) -> Counter[str]:
    kills = Counter[str]()
    while time.monotonic() < stop:
        await asyncio.sleep(dice.uniform(0.1, 1.5))
        victims = dice.choice(("both", "both", "hub", "writer"))
        kills[victims] += 1
        if victims == "writer":
            place.kill(victims)
        else:
            await place.restart(victims)
    return kills
