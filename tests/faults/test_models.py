"""A hub that is killed while models are asked and opened serves them again, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import aiohttp

from tests.faults.conftest import MakePlace
from tests.faults.place import Place, until
from tests.runtime.inference.making import endless, linear, put

ASKED = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}


async def answers(place: Place) -> bool:
    """Ask a model until it answers."""
    try:
        async with (
            aiohttp.ClientSession(place.url) as client,
            client.post("/v2/models/sums/infer", json=ASKED) as answer,
        ):
            return bool(answer.status == 200 and (await answer.json())["outputs"][0]["data"] == [10.0, 10.0])
    except aiohttp.ClientError:
        return False


def trials(folder: Path) -> list[str]:
    """Return the processes that try out a model of a folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
        except OSError:
            continue
        if "runtime.inference.trial" in line and str(folder) in line:
            found.append(pid)
    return found


async def test_a_hub_that_was_killed_serves_its_models_again(make_place: MakePlace, tmp_path: Path) -> None:
    place = make_place()
    put(tmp_path / "models", "sums", 1, linear())
    await place.start()
    await until(lambda: answers(place))

    async def keep_asking() -> None:
        while True:
            await answers(place)

    asking = [asyncio.create_task(keep_asking()) for _ in range(4)]
    put(tmp_path / "models", "endless", 1, endless())
    await until(lambda: bool(trials(tmp_path)))
    await place.restart("hub")
    for each in asking:
        each.cancel()
    await until(lambda: answers(place))
    place.kill("hub")
    await until(lambda: not trials(tmp_path))
