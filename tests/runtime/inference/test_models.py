"""Models of the folder come, change and go while calls are at work, and a bad one harms nobody else."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.config import load_settings
from runtime.errors import NotFound, PluginError, Unsupported
from runtime.extensions import guard
from runtime.extensions.live import Plugins
from runtime.extensions.mcp_servers import load_all
from runtime.inference.models import Models
from runtime.inference.targets import Target, ask, target
from runtime.telemetry import Telemetry
from tests.runtime.inference.making import linear, put, trees

ROW = {"x": [[1, 1, 1, 1]]}
PLUGIN = """
from hubbub import hookimpl

class Price:
    name = "price"
    schema = {"properties": {"size": {"type": "array", "items": {"type": "number"}}, "odd": {}}}
    async def predict(self, inputs, ctx): return {"price": [2 * size for size in inputs["size"]]}

@hookimpl
def register_models(): return [Price()]
"""


class Running:
    """Plugins and models of a workspace, as a hub has them."""

    def __init__(self, root: Path, config: str = "") -> None:
        (root / "plugins").mkdir(exist_ok=True)
        (root / "config.toml").write_text(config)
        self.plugins = Plugins(load_settings(root), Telemetry().metrics)

    async def start(self) -> None:
        await self.plugins.load()
        await self.plugins.start()

    @property
    def models(self) -> Models:
        return self.plugins.models

    def states(self) -> dict[str, str]:
        return {f"{row['name']}/{row['version']}": row["state"] for row in self.models.index()}

    async def settled(self, **wanted: str) -> None:
        """Wait until versions are as they should be, such as lead_1="ready"."""
        await self.until(
            lambda: all(self.states().get(name.replace("_", "/")) == state for name, state in wanted.items())
        )

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not true():
                await asyncio.sleep(0.02)

    async def target(self, name: str, version: str = "") -> Target:
        return await target(self.models, self.plugins.catalog, name, version)

    async def predict(self, name: str, ctx: Any, inputs: Any = ROW, version: str = "") -> Any:
        return await ask(await self.target(name, version), "predict", inputs, ctx, Telemetry())


@pytest.fixture
async def running(tmp_path: Path, folder: Path) -> AsyncIterator[Running]:
    made = Running(tmp_path)
    yield made
    await made.plugins.aclose()


async def test_the_newest_version_answers_and_older_ones_by_their_number(
    running: Running, folder: Path, ctx: Any
) -> None:
    for version in (1, 2):
        put(folder, "sums", version, linear(version))
    await running.start()
    assert (await running.predict("sums", ctx))["y"].tolist() == [[8.0, 8.0]]
    assert (await running.predict("sums", ctx, version="1"))["y"].tolist() == [[4.0, 4.0]]
    await running.settled(sums_1="ready", sums_2="ready")
    found = await running.target("sums")
    assert found.metadata["versions"] == ["1", "2"]
    with pytest.raises(NotFound, match=r"The model sums has no version 9 in service; take one of 1, 2\."):
        await running.target("sums", "9")
    with pytest.raises(NotFound, match=r"There is no model sum; did you mean sums\?"):
        await running.target("sum")


async def test_a_graph_calls_it_as_any_model_of_a_plugin(running: Running, folder: Path, ctx: Any) -> None:
    put(folder, "sums", 1, linear())
    await running.start()
    registered = running.plugins.catalog.get("model", "sums")
    assert registered is not None
    found = await guard.call(registered, "predict", ROW, ctx, deadline=ctx.deadline)
    assert found["y"].tolist() == [[4.0, 4.0]]
    assert registered.value.schema["required"] == ["x"]


async def test_a_bad_version_leaves_the_last_good_one_serving_and_says_why(
    running: Running, folder: Path, ctx: Any
) -> None:
    put(folder, "sums", 1, linear())
    put(folder, "sums", 2, linear()[:50])
    put(folder, "junk", 1, b"junk")
    put(folder, "pickled", 1, b"\x80\x04.", file="model.pkl")
    put(folder, "recommend", 1, b"of a plugin", file="items.npz")
    await running.start()
    await running.settled(sums_1="ready", sums_2="failed", junk_1="failed", pickled_1="failed")
    assert (await running.predict("sums", ctx))["y"].tolist() == [[4.0, 4.0]]
    with pytest.raises(PluginError, match="The model junk cannot be served: onnxruntime cannot open"):
        await running.predict("junk", ctx)
    infos = {info.name: info for info in running.plugins.catalog.plugins}
    assert infos["model_sums"].state == "stale"
    assert infos["model_sums"].error.endswith("export it again; version 1 serves")
    assert "pickles are never loaded" in infos["model_pickled"].error
    assert not any("recommend" in name for name in [*infos, *running.states()])


async def test_versions_come_and_go_while_calls_are_at_work(running: Running, folder: Path, ctx: Any) -> None:
    put(folder, "sums", 1, linear(1))
    await running.start()
    await running.settled(sums_1="ready")

    async def keep_asking() -> list[float]:
        seen: list[float] = []
        while not seen or seen[-1] < 12:
            seen.append(float((await running.predict("sums", ctx))["y"][0, 0]))
            await asyncio.sleep(0)
        return seen

    asking = [asyncio.create_task(keep_asking()) for _ in range(3)]
    put(folder, "sums", 2, linear(2))
    await running.settled(sums_2="ready")
    shutil.rmtree(folder / "sums" / "1")
    put(folder, "sums", 3, linear(3))
    for seen in await asyncio.wait_for(asyncio.gather(*asking), 60):
        assert seen == sorted(seen)
        assert set(seen) == {4.0, 8.0, 12.0}
    await running.until(lambda: "sums/1" not in running.states())
    shutil.rmtree(folder / "sums")
    await running.until(lambda: running.plugins.catalog.get("model", "sums") is None)
    put(folder, "new", 1, linear())
    await running.settled(new_1="ready")
    assert running.plugins.catalog.get("model", "new") is not None


async def test_a_version_that_was_copied_slowly_is_opened_once_it_is_whole(
    running: Running, folder: Path, ctx: Any
) -> None:
    await running.start()
    (folder / "sums" / "1").mkdir(parents=True)
    (folder / "sums" / "1" / "model.onnx").write_bytes(linear()[:60])
    await running.settled(sums_1="failed")
    (folder / "sums" / "1" / "model.onnx").write_bytes(linear())
    await running.settled(sums_1="ready")
    (folder / "sums" / "1" / "model.onnx").write_bytes(b"junk")
    await running.settled(sums_1="stale")
    assert (await running.predict("sums", ctx))["y"].tolist() == [[4.0, 4.0]]


async def test_only_the_newest_versions_are_kept_in_memory(tmp_path: Path, folder: Path, ctx: Any) -> None:
    running = Running(tmp_path, "[inference]\nversions = 2\n")
    for version in (1, 2, 10):
        put(folder, "sums", version, linear(version))
    await running.start()
    try:
        assert sorted(running.states()) == ["sums/10", "sums/2"]
        assert (await running.predict("sums", ctx))["y"].tolist() == [[40.0, 40.0]]
    finally:
        await running.plugins.aclose()


async def test_only_what_can_be_explained_is(running: Running, folder: Path, ctx: Any) -> None:
    put(folder, "sums", 1, linear())
    put(folder, "tree", 1, trees(), file="model.txt")
    await running.start()
    found = await ask(await running.target("tree"), "explain", {"features": [[1, 0, None]]}, ctx, Telemetry())
    assert found["contributions"].shape == (1, 3)
    with pytest.raises(Unsupported, match="sums cannot be explained, because it is run by onnxruntime_onnx"):
        await ask(await running.target("sums"), "explain", ROW, ctx, Telemetry())


async def test_a_model_of_a_plugin_is_asked_the_same_way(tmp_path: Path, folder: Path, ctx: Any) -> None:
    running = Running(tmp_path)
    (tmp_path / "plugins" / "price.py").write_text(PLUGIN)
    put(folder, "price", 1, linear())
    await running.start()
    try:
        found = await running.target("price")
        assert (found.platform, found.versions) == ("hubbub_plugin", ["1"])
        assert [each.row for each in found.inputs] == [{"name": "size", "datatype": "FP64", "shape": [-1]}]
        assert await running.predict("price", ctx, {"size": [3]}) == {"price": [6]}
        with pytest.raises(Unsupported, match="price cannot be explained"):
            await ask(found, "explain", {"size": [3]}, ctx, Telemetry())
        with pytest.raises(NotFound, match="no version 2"):
            await running.target("price", "2")
        info = next(each for each in running.plugins.catalog.plugins if each.name == "model_price")
        assert info.error == "plugins/price.py supplies model.price already; rename one of them"
    finally:
        await running.plugins.aclose()


async def test_a_verb_without_a_hub_knows_the_models_and_opens_none(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "plugins").mkdir()
    put(folder, "sums", 1, b"nobody reads this")
    catalog = load_all(load_settings(tmp_path))
    registered = catalog.get("model", "sums")
    assert registered is not None
    assert (registered.plugin.state, registered.plugin.error) == ("ready", "")
