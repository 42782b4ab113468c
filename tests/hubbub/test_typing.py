"""Type checkers understand the author API: what is right passes, and a mistake is found where it is made."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RIGHT, WRONG = (Path(__file__).parent / "typing" / f"{name}.py" for name in ("right", "wrong"))
MARKED = {at for at, line in enumerate(WRONG.read_text().splitlines(), 1) if line.endswith("# wrong")}

Found = dict[str, set[int]]
"""The lines of each file, by its name, in which something is wrong."""


def _mypy(folder: Path) -> Found:
    options = ["--strict", "--explicit-package-bases", f"--cache-dir={folder}", "-O", "json"]
    command = [sys.executable, "-m", "mypy", "--config-file=", *options, str(RIGHT), str(WRONG)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode in (0, 1), done.stderr
    errors = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return _by_file([(each["file"], each["line"]) for each in errors if each["severity"] == "error"])


def _pyright(folder: Path) -> Found:
    """Ask pyright, by its own rules and not by the stricter ones of basedpyright, which brings it along."""
    config = folder / "pyrightconfig.json"
    about = {"typeCheckingMode": "standard", "include": [str(RIGHT), str(WRONG)], "extraPaths": [str(ROOT)]}
    config.write_text(json.dumps(about))
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable]
    command += ["-p", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    told = json.loads(done.stdout)
    assert told["summary"]["filesAnalyzed"] == 2, done.stderr
    errors = [each for each in told["generalDiagnostics"] if each["severity"] == "error"]
    return _by_file([(each["file"], each["range"]["start"]["line"] + 1) for each in errors])


def _by_file(errors: list[tuple[str, int]]) -> Found:
    found: Found = {}
    for file, line in errors:
        found.setdefault(Path(file).name, set()).add(line)
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("check", [_mypy, _pyright])
def test_what_is_right_passes_and_each_mistake_is_found_in_its_line(
    check: Callable[[Path], Found], tmp_path: Path
) -> None:
    assert check(tmp_path) == {"wrong.py": MARKED}
