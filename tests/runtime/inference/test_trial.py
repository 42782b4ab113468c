"""A damaged file ends the process that tries it out, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.inference import trial
from runtime.inference.trial import tried
from tests.runtime.inference.making import endless, linear, put, trees


async def test_a_file_that_crashes_the_library_is_a_sentence_and_the_others_are_opened(folder: Path) -> None:
    lines = trees().decode().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("cat_boundaries="))
    lines[at] = "cat_boundaries=0 99999999"
    folders = [
        put(folder, "damaged", 1, "\n".join(lines).encode(), file="model.txt"),
        put(folder, "good", 1, linear()),
        put(folder, "trees", 1, trees(), file="model.txt"),
        put(folder, "junk", 1, b"junk"),
    ]
    found = {each.parent.name: reason async for each, reason in tried(folders)}
    assert found["good"] == found["trees"] == ""
    assert found["damaged"].startswith("it ended the process that tried to open it")
    assert found["junk"].startswith("onnxruntime cannot open model.onnx")


async def test_a_model_that_never_answers_is_given_up_and_the_next_is_opened(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "PATIENCE", 15.0)
    folders = [put(folder, "endless", 1, endless()), put(folder, "good", 1, linear())]
    found = {each.parent.name: reason async for each, reason in tried(folders)}
    assert found["endless"].startswith("it was not opened in time, or did not answer once")
    assert found["good"] == ""
