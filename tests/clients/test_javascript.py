"""The official JavaScript clients, React's `useStream` among them, against a hub that runs.

The scripts are in `js/` and can be run alone: `HUBBUB_URL=http://127.0.0.1:8765 node --test client.test.js`.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import Served

FOLDER = Path(__file__).parent / "js"
SCRIPTS = sorted(path.name.removesuffix(".test.js") for path in FOLDER.glob("*.test.js"))
OLDEST_NODE = 20
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OFFLINE = (
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "ETIMEDOUT",
    "ERR_SOCKET_TIMEOUT",
    "ENETUNREACH",
)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def node() -> str:
    """The program `node`, with the packages of the lock file beside the scripts."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("Node and npm are not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"the clients need Node {OLDEST_NODE}, and this is {version}")
    _install(npm)
    return node


def _install(npm: str) -> None:
    """Install once for each lock file."""
    stamp = FOLDER / "node_modules" / ".installed"
    wanted = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    quietly = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1"]
    done = subprocess.run([npm, "ci", *quietly], cwd=FOLDER, capture_output=True, text=True, check=False)
    if done.returncode and any(code in done.stderr for code in OFFLINE):
        pytest.skip("the clients' packages are not here, and npm cannot reach its registry")
    assert done.returncode == 0, done.stderr
    stamp.write_text(wanted)


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_clients_do_what_their_documentation_says(script: str, node: str, served: Served) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if script == "browser" and browser is None:
        pytest.skip("Chromium is not installed")
    environment = {**served.environment, "HUBBUB_CHROMIUM": browser or ""}
    done = _run(node, script, environment)
    if done.returncode:
        # The clients have timers of their own, which a busy machine misses: once more, and seen with -rA.
        print(f"{done.stdout}\n{done.stderr}")
        done = _run(node, script, environment)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def _run(node: str, script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [node, "--test", "--test-reporter=spec", f"{script}.test.js"]
    return subprocess.run(
        command, cwd=FOLDER, env=environment, capture_output=True, text=True, timeout=140, check=False
    )
