"""Writes docs/reference/ and the index of decisions from the code; `--check` names what is out of date."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

DOCS = Path(__file__).parent
ROOT = DOCS.parent


def settings() -> Iterator[str]:
    """Every key of config.toml, with its default and its comment."""
    yield "# Settings\n\nEvery key of `config.toml`, with its default; a workspace needs none of them.\n"
    section = ""
    for line in (ROOT / "config.toml").read_text().splitlines():
        if table := re.match(r"(?:# )?\[([\w.]+)\]\s*(?:#\s*(.*))?", line):
            section, about = table[1], table[2]
            yield f"\n## [{section}]\n" + (f"\n{_sentence(about)}\n" if about else "")
        elif key := re.match(r"(?:# )?(\w+)\s*=\s*(.*?)\s+#\s*(.*)", line):
            yield f"- `{key[1]}` is `{key[2]}` by default. {_sentence(key[3])}"
    yield ""


def commands() -> Iterator[str]:
    """The help of every verb."""
    from hub.cli.program import program

    yield "# Commands\n"
    yield from _command(program, "hubbub", None)


def hooks() -> Iterator[str]:
    """Every hook a plugin may implement, with what its objects must offer."""
    from runtime import hookspecs, ports

    yield "# Hooks\n\nWhat a plugin may register; `hubbub` exports the Protocols.\n"
    for name, hook in vars(hookspecs).items():
        if not name.startswith("register_"):
            continue
        yield f"\n## {name}\n\n{inspect.getdoc(hook)}\n"
        kind = name.removeprefix("register_").removesuffix("s").capitalize()
        protocol = getattr(ports, kind, None)
        if protocol is None:
            continue
        yield f"{inspect.getdoc(protocol)}\n"
        for method, function in vars(protocol).items():
            if inspect.isfunction(function) and not method.startswith("_"):
                yield f"- `{method}{_signature(function)}`: {inspect.getdoc(function)}"
    yield ""


def errors() -> Iterator[str]:
    """Every error code on the wire."""
    from runtime import errors

    yield "# Errors\n\nEvery error is a code and a sentence that says what to do.\n"
    yield "| code | may the same request work later | meaning |\n|---|---|---|"
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    for kind in kinds:
        if issubclass(kind, errors.HubbubError) and "code" in vars(kind):
            meaning = " ".join((kind.__doc__ or "").split())
            yield f"| `{kind.code}` | {'yes' if kind.retryable else 'no'} | {meaning} |"
    yield ""


def metrics() -> Iterator[str]:
    """Every metric of `/metrics`."""
    from runtime.telemetry import Telemetry

    yield "# Metrics\n\nWhat `/metrics` says about Hubbub, in Prometheus' text format.\n"
    yield "| metric | type | meaning |\n|---|---|---|"
    text = Telemetry().render().decode()
    about = dict(re.findall(r"^# HELP (hubbub_\w+) (.*)$", text, re.MULTILINE))
    for name, kind in re.findall(r"^# TYPE (hubbub_\w+) (\w+)$", text, re.MULTILINE):
        if not name.endswith("_created"):
            yield f"| `{name}` | {kind} | {_sentence(about[name])} |"
    yield ""


def decisions() -> Iterator[str]:
    """The decisions, by their titles."""
    yield "# Decisions\n\nTen lines each, for the questions that someone will ask.\n"
    for page in sorted((DOCS / "decisions").glob("*.md")):
        if page.name != "README.md":
            title = page.read_text().splitlines()[0].lstrip("# ")
            yield f"- [{title}]({page.name})"
    yield ""


PAGES = {
    "reference/settings.md": settings,
    "reference/commands.md": commands,
    "reference/hooks.md": hooks,
    "reference/errors.md": errors,
    "reference/metrics.md": metrics,
    "decisions/README.md": decisions,
}


def stale() -> dict[Path, str]:
    """Return the pages whose text differs from what the code says, with the text they should have."""
    pages = {DOCS / name: re.sub(r"\n{3,}", "\n\n", "\n".join(make())) for name, make in PAGES.items()}
    return {page: text for page, text in pages.items() if not page.exists() or page.read_text() != text}


def _command(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    context = click.Context(command, parent=parent, info_name=name.split()[-1], max_content_width=100)
    yield f"\n## {name}\n\n```text\n{command.get_help(context)}\n```"
    if isinstance(command, click.Group):
        for verb in command.list_commands(context):
            if (found := command.get_command(context, verb)) and not found.hidden:
                yield from _command(found, f"{name} {verb}", context)
    if parent is None:
        yield ""


def _signature(function: object) -> str:
    signature = inspect.signature(function)  # type: ignore[arg-type]
    return "(" + ", ".join(name for name in signature.parameters if name != "self") + ")"


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", ")", ":")) else ".")


def main() -> int:
    """Write the pages, or name the ones that are out of date."""
    checking = "--check" in sys.argv[1:]
    changed = stale()
    for page, text in changed.items():
        print(f"{'out of date' if checking else 'wrote'}: {page.relative_to(ROOT)}")
        if not checking:
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(text)
    return 1 if checking and changed else 0


if __name__ == "__main__":
    sys.exit(main())
