"""The documentation says what is so: its links lead somewhere, its reference is what the code says."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")
ANCHOR = re.compile(r"\]\(((?!https?://)[^)#]*)#([^)]+)\)")
VERB = re.compile(r"(?:^|[ /`])hubbub (?:--\w+ \S+ )*([a-z]+)(?: ([a-z]+))?", re.MULTILINE)


def test_every_link_leads_to_a_file() -> None:
    dead = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in PAGES
        for link in LINK.findall(page.read_text())
        if not (page.parent / link).exists()
    ]
    assert dead == []


def test_every_link_into_a_page_leads_to_a_heading() -> None:
    dead = [
        f"{page.relative_to(ROOT)}: {link}#{anchor}"
        for page in PAGES
        for link, anchor in ANCHOR.findall(page.read_text())
        if anchor not in _anchors(page.parent / link if link else page)
    ]
    assert dead == []


def test_every_page_is_in_the_index() -> None:
    listed = set(LINK.findall((ROOT / "docs" / "README.md").read_text()))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - listed == {"README.md"}


@pytest.mark.parametrize("package", ["runtime", "hub"])
def test_the_architecture_says_what_each_folder_is(package: str) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    folders = {f"{file.parent.relative_to(ROOT)}/" for file in (ROOT / package).glob("*/__init__.py")}
    assert {folder for folder in folders if f"`{folder}`" not in page} == set()


def test_the_architecture_says_what_each_file_on_the_ground_floor_is() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    files = {file.name for file in (ROOT / "runtime").glob("*.py")} - {"__init__.py"}
    assert {name for name in files if not re.search(rf"[`/]{re.escape(name)}`", page)} == set()


def test_the_reference_is_what_the_code_says() -> None:
    """After a change of settings, verbs, hooks, errors or metrics run `make docs`."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec
    assert spec.loader
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert [page.name for page in generate.stale()] == []


def test_every_verb_in_the_pages_exists() -> None:
    import click

    from hub.cli.program import VERBS, program

    context = click.Context(program)
    for page in PAGES:
        if page.parent.name == "reference":
            continue
        for block in re.findall(r"`hubbub[^`]+`|^    \S*hubbub.*$", page.read_text(), re.MULTILINE):
            for verb, below in VERB.findall(block):
                assert verb in VERBS, f"{page.name}: {block}"
                group = program.get_command(context, verb)
                if isinstance(group, click.Group):
                    assert below in group.commands, f"{page.name}: {block}"


def _anchors(page: Path) -> set[str]:
    """Return what a page's headings are linked as: small letters, hyphens for blanks, no punctuation."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
