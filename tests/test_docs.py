"""The documentation says what is so: its links lead somewhere, its reference is what the code says."""

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)(?:#[^)]*)?\)")
VERB = re.compile(r"(?:^|[ /`])hubbub (?:--\w+ \S+ )*([a-z]+)(?: ([a-z]+))?", re.MULTILINE)


def test_every_link_leads_to_a_file() -> None:
    dead = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in PAGES
        for link in LINK.findall(page.read_text())
        if not (page.parent / link).exists()
    ]
    assert dead == []


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
