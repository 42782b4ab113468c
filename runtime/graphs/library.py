"""The graphs of a workspace as they are written: files, each read when it is asked for, and Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import GraphError, NotFound
from runtime.extensions.catalog import Catalog
from runtime.graphs.check import check_document, own_params
from runtime.graphs.findings import Finding, in_sentence, near
from runtime.graphs.source import Unreadable, read_source
from runtime.graphs.text_version import GraphVersion, version_hash
from runtime.graphs.version import Version
from runtime.settings import Settings
from runtime.toml import TomlDocument, TomlSyntaxError, parse_toml

SUFFIX = ".toml"


@dataclass(frozen=True, slots=True)
class Draft:
    """What a graph file says: a version, or the mistakes for which there is none."""

    version: GraphVersion | None
    findings: tuple[Finding, ...]

    @property
    def text(self) -> str:
        """The text of its version."""
        return self.version.spec.document.text if self.version else ""


@dataclass(frozen=True, slots=True)
class Source:
    """A graph file that was read: a document, or why it is none."""

    name: str
    path: str
    document: TomlDocument | None
    findings: tuple[Finding, ...] = ()

    @property
    def inside(self) -> list[str]:
        """The graphs that its steps run."""
        nodes = self.document.data.get("node") if self.document else None
        steps = nodes.values() if isinstance(nodes, dict) else ()
        named = [step.get("graph") for step in steps if isinstance(step, dict) and step.get("use") == "graph"]
        return sorted({name for name in named if isinstance(name, str)})


class GraphLibrary:
    """`graphs/*.toml`, none of which is read before somebody asks; graphs in Python are added to it."""

    def __init__(self, settings: Settings, catalog: Callable[[], Catalog]) -> None:
        self._settings, self._catalog = settings, catalog
        self.folder = settings.workspace / "graphs"
        self._files = {path.stem for path in self.folder.glob(f"*{SUFFIX}")}
        self._python: dict[str, Version] = {}
        self._lacks: dict[str, Finding] = {}
        self._drafts: dict[str, Draft] = {}

    # ----------------------------------------------------------------- graphs written in Python

    def add(self, version: Version) -> None:
        """Add a graph written in Python; GraphError when its name is taken."""
        taken = self._python.get(version.name)
        if taken is not None or version.name in self._files:
            owner = taken.file if taken else f"graphs/{version.name}{SUFFIX}"
            raise GraphError(
                f"{version.file}: the graph {version.name} has the name of one in {owner}; rename one."
            )
        self._python[version.name] = version

    def remove(self, name: str, version: Version | None) -> None:
        """Take out a graph written in Python that was added as this version, or that was lacking."""
        if version is None:
            self._lacks.pop(name, None)
        elif self._python.get(name) is version:
            del self._python[name]

    def lack(self, name: str, where: str, reason: str) -> None:
        """Remember why a graph written in Python, which a plugin supplies at `FILE:LINE`, is not there."""
        if name not in self._python and name not in self._files:
            file, _, line = where.rpartition(":")
            self._lacks[name] = Finding(file, int(line), 1, "E17", reason)

    def python(self, name: str) -> Version | None:
        """Return a graph written in Python, unless there is a file of that name."""
        return None if name in self._files else self._python.get(name)

    def lacks(self) -> dict[str, Finding]:
        """Return why some graphs written in Python are not there."""
        return {name: finding for name, finding in self._lacks.items() if name not in self._files}

    # ----------------------------------------------------------------- what there is

    def files(self) -> list[str]:
        """Name the graphs that have a file; none is read for it."""
        return sorted(self._files)

    def has_file(self, name: str) -> bool:
        """Whether a graph has a file."""
        return name in self._files

    def known(self) -> list[str]:
        """Name every graph that is written somewhere, be it with mistakes."""
        return [*self.files(), *(name for name in self._python if name not in self._files)]

    def changed(self, name: str) -> None:
        """Take note that a file was added, edited or removed."""
        self._drafts.pop(name, None)
        path = self.folder / f"{name}{SUFFIX}"
        there = path.parent == self.folder and path.stem == name and os.path.lexists(path)
        (self._files.add if there else self._files.discard)(name)

    def names(self) -> list[str]:
        """Name the graphs that can be run, for which all are read."""
        return [name for name in self.known() if name in self._python or self._draft(name).version]

    def get(self, name: str) -> Version:
        """Return a graph as it is written; NotFound, or GraphError while its file has mistakes."""
        if python := self.python(name):
            return python
        if name in self._files:
            return version_in(name, self._draft(name))
        raise self.unknown(name, self.names())

    def unknown(self, name: str, names: Sequence[str]) -> NotFound | GraphError:
        """Return the error for a graph that is not there."""
        if lack := self._lacks.get(name):
            return GraphError(f"The graph {name} has a mistake: {lack}")
        return NotFound(f"There is no graph {name[:100]}; {in_sentence(near(name, names))}")

    def problems(self) -> dict[str, Sequence[Finding]]:
        """Return what is wrong with each graph that cannot be run."""
        drafts = {name: self._draft(name) for name in self.files()}
        bad = {name: draft.findings for name, draft in drafts.items() if not draft.version}
        return {**bad, **{name: [finding] for name, finding in self.lacks().items()}}

    def findings(self) -> list[Finding]:
        """Return everything found in all files, warnings too."""
        found = [finding for name in self._files for finding in self._draft(name).findings]
        return sorted([*found, *self.lacks().values()])

    def check(self, paths: Sequence[Path]) -> list[Finding]:
        """Return everything found in these files, which may lie anywhere."""
        return [finding for path in paths for finding in self.read(path.resolve()).findings]

    # ----------------------------------------------------------------- reading

    def source(self, name: str) -> Source:
        """Read a graph's file."""
        return self._source(name, self.folder / f"{name}{SUFFIX}")

    def draft(self, source: Source, inside: Mapping[str, GraphVersion | str]) -> Draft:
        """Check a file that was read; `inside` are the graphs that it runs, or why they cannot be."""
        if source.document is None:
            return Draft(None, source.findings)
        catalog = self._catalog()
        file, findings = check_document(source.document, source.name, catalog, self._settings.models, inside)
        if findings.errors:
            return Draft(None, tuple(sorted(findings.found)))
        params = own_params(file, catalog)
        graphs = {name: graph for name, graph in inside.items() if isinstance(graph, GraphVersion)}
        digest = version_hash(source.document.text, params, graphs)
        version = GraphVersion(file.name, digest, source.path, file, params, self._secret, graphs)
        return Draft(version, tuple(sorted(findings.found)))

    def kept(self, name: str, text: str, inside: Mapping[str, GraphVersion]) -> Draft:
        """Check a text that was kept, with the plugins there are now."""
        path = self.folder / f"{name}{SUFFIX}"
        source = Source(name, str(path), parse_toml(text.encode(), self._shown(path)))
        return self.draft(source, inside)

    def _draft(self, name: str, within: tuple[str, ...] = ()) -> Draft:
        """Return what a file says with the graphs inside as they are written; kept until it is changed."""
        if name not in self._drafts:
            self._drafts[name] = self._drafted(self.source(name), (*within, name))
        return self._drafts[name]

    def _drafted(self, source: Source, within: tuple[str, ...]) -> Draft:
        return self.draft(source, {each: self._inside(each, within) for each in source.inside})

    def _inside(self, name: str, within: tuple[str, ...]) -> GraphVersion | str:
        if refusal := self.refusal(name, within):
            return refusal
        return self._draft(name, within).version or f"the graph {name} has mistakes of its own"

    def refusal(self, name: str, within: tuple[str, ...]) -> str:
        """Return why a graph cannot be run inside others, the outermost first; "" when it can be."""
        if name in within:
            return f"the graph {name} would contain itself ({' > '.join((*within, name))})"
        if name not in self._files:
            return f"there is no graph {name}; {near(name, self._files)}"
        return ""

    def read(self, path: Path) -> Draft:
        """Return what a file says, which may lie anywhere."""
        return self._drafted(self._source(path.stem, path), (path.stem,))

    def _source(self, name: str, path: Path) -> Source:
        shown = self._shown(path)
        try:
            return Source(name, str(path), parse_toml(read_source(path), shown))
        except TomlSyntaxError as error:
            found = Finding.of(error)
        except Unreadable as error:
            found = Finding(shown, 1, 1, "E01", error.message, error.help)
        return Source(name, str(path), None, (found,))

    def _shown(self, path: Path) -> str:
        workspace = self._settings.workspace
        return str(path.relative_to(workspace) if path.is_relative_to(workspace) else path)

    def _secret(self, reference: str, needed_by: str) -> str:
        return self._settings.secret(reference, needed_by=needed_by)


def version_in(name: str, draft: Draft) -> GraphVersion:
    """Return the version of a draft; GraphError with its first mistake when there is none."""
    if draft.version:
        return draft.version
    first, more = draft.findings[0], len(draft.findings) - 1
    rest = f" (and {more} more; see `hubbub graph check`)" if more else ""
    raise GraphError(f"The graph {name} has a mistake: {first}{rest}")
