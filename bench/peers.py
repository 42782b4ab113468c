"""The gateway beside LiteLLM's proxy, on the same upstream in the same run: `python -m bench.peers [FOLDER]`.

LiteLLM is installed into an environment of its own in FOLDER, by default a new one: its pins are not ours.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from rich.console import Console
from rich.table import Table

from bench import gateway

_LOADS = ((1, "fast", 200), (16, "slow", 320), (64, "slow", 640))
_CONFIG = """
model_list:
  - model_name: fast
    litellm_params: {{model: openai/fast, api_base: "{upstream}/v1", api_key: none}}
  - model_name: slow
    litellm_params: {{model: openai/slow, api_base: "{upstream}/v1", api_key: none}}
"""


_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOG": "ERROR",
    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # on loopback, for this run
    "REPEATED_STREAMING_CHUNK_LIMIT": "1000000",  # the upstream says one word again and again
}


def installed(folder: Path) -> Path:
    """Return LiteLLM's program, installed into a folder unless it is there."""
    program = folder / "bin" / "litellm"
    if not program.exists():
        uv = str(Path(sys.executable).parent / "uv")
        subprocess.run([uv, "venv", "--quiet", "--allow-existing", str(folder)], check=True)
        python = str(folder / "bin" / "python")
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "litellm[proxy]"], check=True)
    return program


@contextmanager
def litellm(program: Path, upstream: str) -> Iterator[str]:
    """Serve LiteLLM's proxy with one worker, as the hub has one; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="litellm-") as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(_CONFIG.format(upstream=upstream))
        command = [str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
        own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        quiet = {**own, **_ENVIRONMENT}
        with (Path(folder) / "log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=quiet, cwd=folder)
        try:
            _wait_for(f"http://127.0.0.1:{port}/health/liveliness", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 300
    while time.monotonic() < until and process.poll() is None:
        try:
            with urlopen(url):
                return
        except (URLError, ConnectionError):
            time.sleep(0.2)
    raise RuntimeError("LiteLLM does not serve; run its program by hand to see why")


async def measure(places: dict[str, str]) -> dict[str, dict[str, float]]:
    """Return for each place what it adds in ms at each load, and its chunks a second."""
    found: dict[str, dict[str, float]] = {name: {} for name in places}
    for at_once, model, total in _LOADS:
        for name, url in places.items():
            await gateway.seconds(url, model, 2 * at_once, at_once)
            taken = await gateway.seconds(url, model, total, at_once)
            found[name][f"{at_once} at once"] = statistics.median(taken) * 1e3
    for name, url in places.items():
        found[name]["chunks"] = await gateway.chunks_per_second(url, 16, 1 if name == "litellm" else 5)
    return found


def show(found: dict[str, dict[str, float]]) -> None:
    """Print what each adds to the upstream, and how many times better the hub is."""
    table = Table("what", "relay", "hub", "LiteLLM", "LiteLLM / hub", title="Beside LiteLLM, in one run")
    direct = found["upstream"]
    for at_once, _, _ in _LOADS:
        load = f"{at_once} at once"
        added = {name: found[name][load] - direct[load] for name in ("relay", "hub", "litellm")}
        shown = [f"{added[name]:+.2f} ms" for name in added]
        table.add_row(f"added, {load}", *shown, f"{added['litellm'] / added['hub']:.1f}x")
    rates = [found[name]["chunks"] for name in ("relay", "hub", "litellm")]
    table.add_row("chunks, 16 streams", *(f"{rate:,.0f}/s" for rate in rates), f"{rates[1] / rates[2]:.1f}x")
    Console(width=110).print(table)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="peers-") as made:
        program = installed(Path(sys.argv[1] if len(sys.argv) > 1 else made).absolute())
        with gateway.places() as places, litellm(program, places["upstream"]) as peer:
            show(asyncio.run(measure({**places, "litellm": peer})))


if __name__ == "__main__":
    main()
