"""The repository holds nothing that belongs to one machine, and promises nothing that is not there."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Put together here, so that this file does not hold what it looks for.
HOSTS = [
    ".".join(parts)
    for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("debian", "org"))
]
MACHINE = re.compile(r"(?<![\w.])/(?:" + "|".join(("work", "root", "home", "Users")) + r")/\w")
REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)", re.MULTILINE)


def _texts() -> list[tuple[Path, str]]:
    """Return what is in the repository, or would be with the next commit."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = []
    for name in filter(None, listed.split("\0")):
        try:
            found.append((Path(name), (ROOT / name).read_text()))
        except (UnicodeDecodeError, FileNotFoundError):
            continue
    return found


TEXTS = _texts()


def test_no_file_names_the_host_of_a_package_registry() -> None:
    assert [str(file) for file, text in TEXTS if any(host in text for host in HOSTS)] == []


def test_no_file_holds_a_path_of_one_machine() -> None:
    found = [f"{file}: {match[0]}" for file, text in TEXTS if (match := MACHINE.search(text))]
    assert found == []


def test_every_requirement_is_pinned_with_a_hash() -> None:
    for file in ("bootstrap.txt", "runtime.txt", "dev.txt"):
        entries = re.split(r"\n(?=\S)", (ROOT / "requirements" / file).read_text().strip())
        assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize(("pins", "extra"), [("runtime.txt", []), ("dev.txt", ["dev"])])
def test_what_pyproject_asks_for_is_pinned(pins: str, extra: list[str]) -> None:
    """After a change of pyproject.toml run `requirements/lock`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [
        *project["dependencies"],
        *(line for name in extra for line in project["optional-dependencies"][name]),
    ]
    pinned = {_plain(name) for name in REQUIREMENT.findall((ROOT / "requirements" / pins).read_text())}
    names = {_plain(re.match(r"[A-Za-z0-9._-]+", line)[0]) for line in asked}  # type: ignore[index]
    assert names - pinned == set()


def test_every_package_of_the_project_is_shipped() -> None:
    """A wheel must hold every folder of code; the list in pyproject.toml is written by hand."""
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {
        ".".join(file.parent.parts)
        for file, _ in TEXTS
        if file.name == "__init__.py" and file.parts[0] not in ("tests", "bench")
    }
    assert found - listed == set()


def test_every_setting_is_commented_where_people_look_for_it() -> None:
    lines = (ROOT / "config.toml").read_text().splitlines()
    bare = [line for line in lines if re.match(r"(# )?\w+\s*=", line) and "  #" not in line]
    assert [line for line in bare if not line.startswith("# api_key")] == []


def test_make_has_the_promised_verbs() -> None:
    text = (ROOT / "Makefile").read_text()
    for verb in ("setup", "demo", "serve", "test", "lint", "bench", "docs"):
        assert re.search(rf"^{verb}:", text, re.MULTILINE), verb


def test_continuous_integration_calls_the_test_command() -> None:
    run = ROOT / ".ci" / "run"
    assert os.access(run, os.X_OK)
    assert "make test" in run.read_text()


def test_the_makefile_can_be_read_by_make() -> None:
    done = subprocess.run(["make", "-n", "lint"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_help_of_the_benchmarks_names_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    from bench.__main__ import main

    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    named = set(re.findall(r"^  (\w+)  ", capsys.readouterr().out, re.MULTILINE))
    alone = {
        name
        for file, text in TEXTS
        if file.parts[0] == "bench"
        for name in re.findall(r"`python -m bench\.(\w+)", text)
    }
    assert alone
    assert alone - named == set()


def test_a_benchmark_that_is_not_there_is_answered_with_those_that_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from bench.__main__ import MEASURES, main

    with pytest.raises(SystemExit) as ended:
        main(["jurnal"])
    assert ended.value.code == 2
    assert f"choose from {', '.join(MEASURES)}" in capsys.readouterr().err


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
