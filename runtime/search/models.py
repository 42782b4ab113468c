"""Where the files of a local model are, and how they get there: pulled by hand, checked, never on the fly."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from runtime.errors import InvalidInput, NotFound, StorageError

BASE_URL = "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/main"
TIMEOUT = 30.0
"""Seconds without a byte after which a download is given up."""
_BLOCK = 256 * 1024


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model: where it lies below the base URL (the first that exists), and its SHA-256."""

    name: str
    remote: tuple[str, ...]
    sha256: tuple[str, ...]


MODELS: dict[str, tuple[ModelFile, ...]] = {
    "all-MiniLM-L6-v2": (
        ModelFile(
            "model.onnx",
            ("onnx/model.onnx", "model.onnx"),
            (
                # The published export, and the fp32 export that our benchmarks were made with.
                "6fd5d72fe4589f189f8ebc006442dbb529bb7ce38f8082112682524616046452",
                "a657a2b63f5c081a1b5e3e2f84096bce060f2ae039d51d47ea6155ee75d9af72",
            ),
        ),
        ModelFile(
            "tokenizer.json",
            ("tokenizer.json",),
            ("be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",),
        ),
    )
}

Progress = Callable[[str, int, int], None]
"""Told (file, bytes so far, bytes in all or 0)."""


def find_model(name: str, configured: Path | None, cache: Path) -> Path | None:
    """Return the folder that holds a model's files: below the configured folder, else below the cache."""
    for folder in (configured, cache):
        if folder is not None and all((folder / name / file.name).is_file() for file in _files(name)):
            return (folder / name).resolve()
    return None


def how_to_get(name: str, folder: Path) -> str:
    """Return how a model comes to a machine that does not have it, as the end of a sentence."""
    if name in MODELS:
        return "run `hubbub models pull`"
    files = " and ".join(f"`{file.name}`" for file in _files(name))
    return f"put its {files} into {folder / name}"


def pull_model(
    name: str, base_url: str = BASE_URL, *, target: Path, progress: Progress | None = None
) -> Path:
    """Download a model's files into `target/name` and return that folder; blocking.

    Each file goes to a temporary name, is checked against its pinned SHA-256 and then renamed, so
    that a half file is never taken for a whole one.  A download that broke off goes on where it
    stopped.  StorageError when it cannot be downloaded or is not what it should be.
    """
    if name not in MODELS:
        raise NotFound(f"There is no model {name} to pull; choose one of: {', '.join(MODELS)}.")
    if urlsplit(base_url).scheme not in ("http", "https"):
        raise InvalidInput(f"{base_url} is not an http(s) address; give one, as in --from {BASE_URL}.")
    folder = target / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in MODELS[name]:
            if _digest(folder / file.name) not in file.sha256:
                _pull_file(file, base_url.rstrip("/"), folder, progress or (lambda *_: None))
    except OSError as error:
        raise StorageError(
            f"The model cannot be written to {folder} ({error}); make room or change rights."
        ) from None
    return folder


def _files(name: str) -> tuple[ModelFile, ...]:
    """Return the files a model needs; of one we do not know, the ones every embedder on onnxruntime has."""
    return MODELS.get(name, MODELS["all-MiniLM-L6-v2"])


def _pull_file(file: ModelFile, base_url: str, folder: Path, progress: Progress) -> None:
    partial = folder / f"{file.name}.part"
    for remote in file.remote:
        url = f"{base_url}/{remote}"
        try:
            _download(url, partial, file.name, progress)
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND and remote != file.remote[-1]:
                continue
            raise StorageError(
                f"{url} answered {error.code} {error.reason}; check the address, or try later."
            ) from None
        except (urllib.error.URLError, TimeoutError, ConnectionError, EOFError) as error:
            reason = getattr(error, "reason", None) or error
            raise StorageError(
                f"Downloading {url} broke off ({reason}); run the command again, it goes on where it stopped."
            ) from None
        break
    found = _digest(partial)
    if found not in file.sha256:
        partial.unlink()
        raise StorageError(
            f"{url} is not the file that was expected (SHA-256 {found}); nothing was kept. "
            "Pull from another address with --from URL."
        )
    os.replace(partial, folder / file.name)


def _download(url: str, partial: Path, name: str, progress: Progress) -> None:
    """Stream one file to disk, going on after what is there already if the server can."""
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - http(s) only, checked
            resumed = answer.status == HTTPStatus.PARTIAL_CONTENT
            start = have if resumed else 0
            length = int(answer.headers.get("Content-Length") or 0)
            with partial.open("ab" if resumed else "wb") as file:
                _copy(answer, file, name, start, start + length if length else 0, progress)
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        # All of it is there already; the hash will tell whether it is the right thing.


def _copy(source: IO[bytes], file: IO[bytes], name: str, start: int, total: int, progress: Progress) -> None:
    done = start
    while block := source.read(_BLOCK):
        file.write(block)
        done += len(block)
        progress(name, done, total)
    if total and done < total:
        raise EOFError(f"{done} of {total} bytes came")


def _digest(path: Path) -> str:
    if not path.exists():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
