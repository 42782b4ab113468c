"""Writes docs/reference/ and the index of decisions from the code; `--check` names what is out of date."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

DOCS = Path(__file__).parent
ROOT = DOCS.parent
_EXAMPLES = 6
"""Of each mistake."""


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
    """Every hook a plugin may implement: what its objects must offer, and a whole plugin as example."""
    from hubbub.testing.checking import TESTS
    from runtime import hookspecs, ports
    from runtime.extensions.shapes import KINDS

    yield "# Hooks\n\nWhat a plugin may register; `hubbub` exports the Protocols."
    yield "Any object may also have `start()`, `aclose()`, `check()`, which returns a `Health`, and"
    yield "`examples` for its standard tests. A method may be a plain `def`: it runs in a thread then.\n"
    for name, kind in KINDS.items():
        yield f"\n## {name}\n\n{inspect.getdoc(getattr(hookspecs, name))}\n"
        if kind.protocol is None:
            continue
        yield from _protocol(getattr(ports, kind.protocol.__name__))
        if kind.name in TESTS:
            example = (ROOT / "hub/cli/templates" / f"{kind.name}.py").read_text()
            yield f"\nA whole one, as `hubbub plugin new {kind.name} sample` writes it:\n"
            yield f"```python\n{example}```\n"
    yield ""


def data() -> Iterator[str]:
    """Everything else that `hubbub` exports: what a call is given, the data, the errors."""
    import hubbub
    from runtime.extensions.shapes import KINDS

    supplied = {kind.protocol for kind in KINDS.values() if kind.protocol}
    described = _below(ROOT / "hubbub/__init__.py") | _below(ROOT / "runtime/types.py")
    yield "# Data\n\nWhat `from hubbub import …` gives beside the Protocols of"
    yield "[what plugins supply](hooks.md).\n"
    for name in hubbub.__all__:
        value = getattr(hubbub, name)
        if value in supplied:
            continue
        yield f"\n## {name}\n"
        if name in described:
            yield f"{described[name]}\n"
        elif name == "hookimpl":
            yield "Marks a function as the implementation of a hook: write `@hookimpl` above it.\n"
        elif dataclasses.is_dataclass(value):
            yield f"{inspect.getdoc(value)}\n"
            yield from (_field(field) for field in dataclasses.fields(value))
        elif issubclass(value, Exception):
            yield f"{inspect.getdoc(value)} On the wire: `{getattr(value, 'code', '')}`.\n"
        else:
            yield from _protocol(value)
    yield ""


def standard_tests() -> Iterator[str]:
    """Every standard test of every kind, in the words of its docstring."""
    from hubbub.testing.case import CallTests, StandardTests
    from hubbub.testing.checking import TESTS

    yield "# Standard tests\n\nWhat `hubbub plugin check` and the classes of `hubbub.testing` look for."
    yield "Beside them `hubbub.testing` has `load(file, kind)`, which loads a plugin file as the hub does and"
    yield "returns its object, and `FakeContext`, a context that works offline.\n"
    yield from _tests("Every kind", StandardTests)
    yield from _tests("Every kind but caches", CallTests)
    for kind, tests in TESTS.items():
        yield from _tests(f"{kind.capitalize()}: `{tests.__name__}`", tests)
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


def mistakes() -> Iterator[str]:
    """Every code of `hubbub graph check`, with graphs in which it is found."""
    from runtime.config import load_settings
    from runtime.extensions.loader import load_plugins
    from runtime.graphs.findings import CODES
    from runtime.graphs.library import GraphLibrary

    settings = load_settings(ROOT)
    catalog = load_plugins(settings)
    library = GraphLibrary(settings, lambda: catalog)
    examples: dict[str, list[str]] = {code: [] for code in CODES}
    for path in sorted((ROOT / "tests" / "graphs" / "broken").glob("*.toml")):
        found = library.check([path])
        # What lists all plugins would change with each of them.
        if len(found) == 1 and not found[0].help.startswith("there "):
            line = path.read_text().splitlines()[found[0].line - 1].strip()
            shown = f"`{line[:90].strip()}`" if not line.startswith("#") else path.stem.replace("_", " ")
            told = f"{found[0].message}; *{found[0].help}*"
            examples[found[0].code].append(f"- {shown}  \n  {told}")
    yield "# Mistakes in graphs\n\nWhat `hubbub graph check` finds. E is an error, and the graph is not run;"
    yield "W is a warning. Each example is a line of a graph in which this was found.\n"
    for code, meaning in CODES.items():
        yield f"\n## {code}: {meaning}\n"
        yield from examples[code][:_EXAMPLES]
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
    "reference/data.md": data,
    "reference/standard-tests.md": standard_tests,
    "reference/errors.md": errors,
    "reference/metrics.md": metrics,
    "reference/mistakes.md": mistakes,
    "decisions/README.md": decisions,
}


def stale() -> dict[Path, str]:
    """Return the pages whose text differs from what the code says, with the text they should have."""
    pages = {DOCS / name: _spaced("\n".join(make())) for name, make in PAGES.items()}
    return {page: text for page, text in pages.items() if not page.exists() or page.read_text() != text}


def _spaced(text: str) -> str:
    """Leave one empty line at most, but in programs."""
    parts = text.split("```")
    parts[::2] = [re.sub(r"\n{3,}", "\n\n", part) for part in parts[::2]]
    return "```".join(parts)


def _command(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    context = click.Context(command, parent=parent, info_name=name.split()[-1], max_content_width=100)
    yield f"\n## {name}\n\n```text\n{command.get_help(context)}\n```"
    if isinstance(command, click.Group):
        for verb in command.list_commands(context):
            if (found := command.get_command(context, verb)) and not found.hidden:
                yield from _command(found, f"{name} {verb}", context)
    if parent is None:
        yield ""


def _protocol(protocol: type) -> Iterator[str]:
    """What the Protocol is, its attributes, and its methods with their signatures."""
    yield f"{inspect.getdoc(protocol)}\n"
    for attribute, type_ in inspect.get_annotations(protocol).items():
        yield f"- `{attribute}: {type_}`"
    for attribute, member in vars(protocol).items():
        if isinstance(member, property):
            type_ = inspect.get_annotations(member.fget)["return"]
            yield f"- `{attribute}: {type_}`: {inspect.getdoc(member)}"
    for method, function in vars(protocol).items():
        if inspect.isfunction(function) and not method.startswith("_"):
            about = " ".join((inspect.getdoc(function) or "").split())
            yield f"- `{_signature(function)}`: {about}"


def _signature(function: Callable[..., object]) -> str:
    signature = inspect.signature(function)
    taken = [str(each) for name, each in signature.parameters.items() if name != "self"]
    word = "async def" if inspect.iscoroutinefunction(function) else "def"
    text = f"{word} {function.__name__}({', '.join(taken)}) -> {signature.return_annotation}"
    return text.replace("'", "")


def _field(field: dataclasses.Field[object]) -> str:
    given = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
    default = f" = {field.default!r}" if field.default is not dataclasses.MISSING else " = …"
    return f"- `{field.name}: {field.type}{default if given else ''}`"


def _below(file: Path) -> dict[str, str]:
    """Return the texts that stand right below the module's constants and aliases, by name."""
    found = {}
    for above, below in itertools.pairwise(ast.parse(file.read_text()).body):
        target = above.targets[0] if isinstance(above, ast.Assign) else getattr(above, "target", None)
        if (
            isinstance(target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            found[target.id] = inspect.cleandoc(str(below.value.value))
    return found


def _tests(title: str, tests: type) -> Iterator[str]:
    """One class of standard tests: what it may be given, and its own tests."""
    yield f"\n## {title}\n\n{inspect.getdoc(tests)}\n"
    for name, test in vars(tests).items():
        if name.startswith("test_"):
            yield f"- {name.removeprefix('test_').replace('_', ' ')}: {inspect.getdoc(test)}"


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
