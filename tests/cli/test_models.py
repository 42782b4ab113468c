"""`hubbub models pull` fetches what was asked for, and nothing else."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server with a folder."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()


def test_a_changed_model_is_refused(hubbub: Run, workspace: Path, mirror: tuple[str, Path]) -> None:
    url, folder = mirror
    (folder / "model.onnx").write_bytes(b"not the model")
    done = hubbub("--workspace", workspace, "models", "pull", "--from", url)
    assert done.returncode == 1
    assert "not the file that was expected" in done.stderr
    assert list((workspace / "var").rglob("model.onnx*")) == []


def test_with_a_pulled_model_search_is_by_meaning(
    hubbub: Run, workspace: Path, mirror: tuple[str, Path], models: Path
) -> None:
    url, folder = mirror
    for name in ("model.onnx", "tokenizer.json"):
        (folder / name).symlink_to(models / "all-MiniLM-L6-v2" / name)
    done = hubbub("--workspace", workspace, "models", "pull", "--from", url)
    assert done.returncode == 0, done.stderr
    indexed = hubbub("--workspace", workspace, "index", workspace / "papers")
    assert "search by meaning and keyword" in indexed.stdout, indexed.stderr
