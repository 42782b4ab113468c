"""Real hubs that are killed, and the clients that were told something by them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.place import Place
from tests.programs import Nursery

MakePlace = Callable[..., Place]


@pytest.fixture
async def make_place(tmp_path: Path, nursery: Nursery) -> AsyncIterator[MakePlace]:
    """Make a workspace whose hub is not started; its hub is killed after the test."""
    made: list[Place] = []

    def make(config: str = "") -> Place:
        made.append(Place(tmp_path, nursery, config))
        return made[-1]

    yield make
    for place in made:
        await place.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Iterator[Place]:
    """A workspace for all tests of a file."""
    made = Place(tmp_path_factory.mktemp("shared"), nursery)
    yield made
    asyncio.run(made.close())


@pytest.fixture
async def served(shared: Place) -> Place:
    """The workspace of the file, with a hub that serves it."""
    if not shared.alive:
        await shared.start()
    return shared


@pytest.fixture
async def place(make_place: MakePlace) -> Place:
    """A workspace with a hub that serves it."""
    made = make_place()
    await made.start()
    return made
