"""A disk without room: said, nothing half written, nothing lost, and it goes on when there is room."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.faults.client import Client
from tests.faults.conftest import MakePlace
from tests.faults.figures import count
from tests.faults.place import Place, until

UNAVAILABLE = 503


def ready(place: Place) -> int:
    """Return what `/readyz` answers."""
    try:
        with urlopen(f"{place.url}/readyz") as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 3 MiB where the hub keeps what it stores."""
    disk = tmp_path / "var"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a file system of its own can only be mounted by root")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


async def goes_through_it(place: Place, client: Client, fill: object, empty: object) -> None:
    """Run into a full disk in the middle of a run, and out of it."""
    run = await client.start("chain", word="x", gate="g")
    await client.until(lambda frame: frame["method"] == "messages")
    fill()  # type: ignore[operator]
    place.gate("g")
    await until(lambda: ready(place) == UNAVAILABLE)
    refused = await client.send("run.start", assistant_id="chain", input={"word": "refused"})
    assert refused
    assert refused["error"] == "storage_error"
    assert "free disk space, then try again" in refused["message"]
    assert not any(line["text"] == "after x" for line in place.ledger)
    empty()  # type: ignore[operator]
    assert (await client.ended(run))["attempt"] == 1
    again = await client.start("chain", word="y")
    assert (await client.ended(again))["event"] == "completed"
    figures = count(place, [client])
    assert figures.clean, figures
    assert ready(place) == 200


async def test_a_writer_that_may_write_no_more_holds_its_runs_until_it_may(place: Place) -> None:
    def allow(size: int) -> None:
        resource.prlimit(place.writer, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    async with Client(place.url) as client:
        await goes_through_it(place, client, lambda: allow(0), lambda: allow(resource.RLIM_INFINITY))
    assert "journal waits" in place.log
    assert "journal goes on" in place.log


async def test_a_full_file_system_holds_runs_until_there_is_room(
    make_place: MakePlace, small_disk: Path
) -> None:
    filler = small_disk / "filler"
    place = make_place()
    await place.start()

    def fill() -> None:
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    async with Client(place.url) as client:
        await goes_through_it(place, client, fill, filler.unlink)


async def test_a_hub_told_to_stop_without_room_ends_in_time_and_the_next_one_goes_on(
    make_place: MakePlace,
) -> None:
    place = make_place('\n[hub]\ndrain = "2s"\n')
    await place.start()
    async with Client(place.url) as client:
        run = await client.start("chain", word="x", gate="g")
        await client.until(lambda frame: frame["method"] == "messages")
        resource.prlimit(place.writer, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        place.gate("g")
        await until(lambda: ready(place) == UNAVAILABLE)
        place.tell(signal.SIGTERM)
        await asyncio.wait_for(place.ended(), 30)
        await place.start()
        assert (await client.ended(run))["event"] == "completed"
        figures = count(place, [client])
    assert figures.clean, figures
