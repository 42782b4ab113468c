"""The graphs of a workspace: read, checked, compiled once, and kept by version."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from runtime.errors import GraphError, NotFound, StorageError
from runtime.extensions.catalog import Catalog
from runtime.graphs.check import check_document, own_params
from runtime.graphs.fields import checked_change, checked_input, schema_of
from runtime.graphs.file import GraphFile, Limits
from runtime.graphs.findings import Finding, in_sentence, near
from runtime.graphs.run_config import check_limits, refuse_own_values
from runtime.graphs.version import Version
from runtime.settings import Settings
from runtime.toml import TomlSyntaxError, parse_toml
from runtime.types import Effect, JsonObject, Run

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.pregel import Pregel
    from langgraph.store.base import BaseStore

    from runtime.graphs.scope import RunScope

ABI = 1
"""Grows when the compiler makes something else of the same file; part of every version."""

_VERSION_LENGTH = 16


@dataclass(frozen=True)
class GraphVersion:
    """One version of a graph, which never changes: `version` is the hash of everything that decides."""

    name: str
    version: str
    file: str
    spec: GraphFile
    own_params: Mapping[str, type[Any] | None] = field(repr=False)
    secret: Callable[[str, str], str] = field(repr=False)
    _compiled: dict[tuple[int, int], Any] = field(default_factory=dict, repr=False)

    config_schema: ClassVar[None] = None
    context_schema: ClassVar[None] = None
    tells: ClassVar[tuple[str, ...]] = ("updates", "values", "tasks", "checkpoints")
    """Its text comes straight from the gateway, not through LangGraph's messages."""
    waits_to_act: ClassVar[bool] = True

    @property
    def about(self) -> str:
        """One sentence on what it does."""
        return self.spec.about

    @property
    def limits(self) -> Limits:
        """The bounds of a run."""
        return self.spec.limits

    @property
    def steps(self) -> Sequence[str]:
        """Its steps."""
        return tuple(self.spec.nodes)

    @property
    def conversation(self) -> str | None:
        """The field that messages sent into a run go to; None when the graph keeps no messages."""
        return next((name for name, one in self.spec.fields.items() if one.merge == "messages"), None)

    @cached_property
    def input_schema(self) -> JsonObject:
        """JSON Schema of what a run is given."""
        return schema_of("input", self.spec.input)

    @cached_property
    def output_schema(self) -> JsonObject:
        """JSON Schema of what a run gives."""
        return schema_of("output", {name: self.spec.fields[name] for name in self.spec.output})

    @cached_property
    def state_schema(self) -> JsonObject:
        """JSON Schema of what the steps share."""
        return schema_of("state", self.spec.fields)

    def validate_input(self, input: JsonObject | None) -> JsonObject:
        """Return a run's input with its defaults; InvalidInput names the first thing that is wrong."""
        return checked_input(self.name, self.spec.input, input)

    def validate_change(self, values: Mapping[str, Any]) -> JsonObject:
        """Return a change of a state, as the state holds it; InvalidInput names the first thing wrong."""
        return checked_change(self.name, self.spec.fields, values)

    def validate_config(self, config: JsonObject) -> None:
        """Refuse values that no step could read."""
        check_limits(config, self.limits)
        refuse_own_values(config)

    def initial(self, input: JsonObject | None) -> JsonObject:
        """Return the state a run with this input begins with."""
        from runtime.graphs.compile import initial_state

        return initial_state(self.spec, input or {})

    def configurable(self, run: Run) -> JsonObject:
        """Return nothing: its steps read `input` and `state`."""
        return {}

    def tries(self, step: str) -> int:
        """Return how often a step is tried at most."""
        return 1 + self.spec.nodes[step].retry

    def context(self, run: Run, scope: RunScope) -> RunScope:
        """Return what its steps are run with."""
        return scope

    def visible(self, values: Mapping[str, Any] | None) -> JsonObject:
        """Return the declared part of a state."""
        return {name: value for name, value in (values or {}).items() if name in self.spec.fields}

    changes = visible

    def told(self, values: Any) -> bool:
        """Whether this is an item of a map, as `mapping` gives it: its steps have told what they wrote."""
        return isinstance(values, list)

    def output_of(self, values: Mapping[str, Any]) -> JsonObject:
        """Return what a run with this final state gives: exactly the keys of `output`."""
        return {name: values.get(name) for name in self.spec.output}

    async def undo(self, effect: Effect, scope: RunScope) -> JsonObject:
        """Undo one step; returns `{by, result}`: which step did it, and what that gave."""
        from runtime.graphs.compile import undo

        return await undo(self.spec, self.own_params, self.secret, effect, scope)

    def drawn(self, xray: bool | int) -> JsonObject:
        """Return its steps and edges."""
        return self.compiled(None).get_graph(xray=xray).to_json()

    def subgraphs(self, *, recurse: bool) -> dict[str, JsonObject]:
        """Return nothing: there are no graphs inside."""
        return {}

    def continues(self, version: str) -> bool:
        """Return False: another text or another plugin may decide otherwise."""
        return False

    def compiled(
        self, checkpointer: BaseCheckpointSaver[Any] | None, store: BaseStore | None = None
    ) -> Pregel[Any, Any, Any, Any]:
        """Return it as LangGraph runs it; compiled once for each checkpointer and store."""
        key = id(checkpointer), id(store)
        if key not in self._compiled:
            from runtime.graphs.compile import compile_graph

            builder = compile_graph(self.spec, self.own_params, self.secret)
            self._compiled[key] = builder.compile(checkpointer=checkpointer, store=store, name=self.name)
        return self._compiled[key]  # type: ignore[no-any-return]

    @asynccontextmanager
    async def opened(
        self,
        run: Run,
        checkpointer: BaseCheckpointSaver[Any] | None,
        store: BaseStore | None = None,
    ) -> AsyncGenerator[Pregel[Any, Any, Any, Any]]:
        """Give it for one run: the same for every run."""
        yield self.compiled(checkpointer, store)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A graph as it was found: a version, or the reasons why there is none."""

    version: Version | None
    findings: Sequence[Finding]


class GraphLibrary:
    """Reads `graphs/*.toml` of the workspace when it is made; graphs written in Python are added to it."""

    def __init__(self, settings: Settings, catalog: Callable[[], Catalog]) -> None:
        self._settings, self._catalog = settings, catalog
        self._folder = settings.workspace / "graphs"
        self._kept = settings.var / "graphs"
        self._versions: dict[tuple[str, str], GraphVersion] = {}
        self._entries: dict[str, _Entry] = {}
        for path in sorted(self._folder.glob("*.toml")):
            self._entries[path.stem] = self._read(path)

    def add(self, version: Version) -> None:
        """Add a graph written in Python; GraphError when its name is taken."""
        taken = self._entries.get(version.name)
        if taken is not None:
            owner = taken.version.file if taken.version else taken.findings[0].file
            raise GraphError(
                f"{version.file}: the graph {version.name} has the name of one in {owner}; rename one."
            )
        self._entries[version.name] = _Entry(version, ())

    def lack(self, name: str, where: str, reason: str) -> None:
        """Remember why a graph written in Python, which a plugin supplies at `FILE:LINE`, is not there."""
        if name not in self._entries:
            file, _, line = where.rpartition(":")
            self._entries[name] = _Entry(None, [Finding(file, int(line), 1, "E17", reason)])

    def names(self) -> list[str]:
        """Name the graphs that can be run."""
        return [name for name, entry in self._entries.items() if entry.version]

    def get(self, name: str) -> Version:
        """Return the version for new runs; NotFound, or GraphError while the file has mistakes."""
        entry = self._entries.get(name)
        if entry is None:
            raise NotFound(f"There is no graph {name[:100]}; {in_sentence(near(name, self.names()))}")
        if entry.version is None:
            first, more = entry.findings[0], len(entry.findings) - 1
            rest = f" (and {more} more; see `hubbub graph check`)" if more else ""
            raise GraphError(f"The graph {name} has a mistake: {first}{rest}")
        return entry.version

    def version(self, name: str, version: str) -> Version:
        """Return the version a run started with; NotFound when it cannot be had any more."""
        if found := self._versions.get((name, version)):
            return found
        entry = self._entries.get(name)
        if entry and (now := entry.version) and (now.version == version or now.continues(version)):
            return now
        path = self._kept / f"{name}-{version}.toml"
        if path.is_file():
            kept = self._read(path, name).version
            if kept and kept.version == version:
                return kept
        begun = f"The run started with version {version} of the graph {name}, which cannot be run any more,"
        if entry and entry.version and not isinstance(entry.version, GraphVersion):
            raise NotFound(
                f"{begun} because its steps, edges or state have another shape now; put the old code back "
                "until such runs have ended, or start a new run."
            )
        raise NotFound(f"{begun} because the graph or a plugin it uses has changed; start a new run.")

    def problems(self) -> dict[str, Sequence[Finding]]:
        """Return what is wrong with each graph that cannot be run."""
        return {name: entry.findings for name, entry in self._entries.items() if not entry.version}

    def findings(self) -> list[Finding]:
        """Return everything found in all files, warnings too."""
        return sorted(finding for entry in self._entries.values() for finding in entry.findings)

    def check(self, paths: Sequence[Path]) -> list[Finding]:
        """Return everything found in these files, which may lie anywhere."""
        return [finding for path in paths for finding in self._read(path.resolve()).findings]

    def keep(self) -> None:
        """Store the text of every version, so that its runs can go on after the file was changed."""
        for version in self._versions.values():
            path = self._kept / f"{version.name}-{version.version}.toml"
            if path.exists():
                continue
            try:
                self._kept.mkdir(parents=True, exist_ok=True)
                scratch = path.with_suffix(".new")
                with scratch.open("wb") as file:
                    file.write(version.spec.document.text.encode())
                    file.flush()
                    os.fsync(file.fileno())
                scratch.replace(path)
            except OSError as error:
                raise StorageError(f"{path} cannot be written ({error.strerror}); mend that.") from error

    def _read(self, path: Path, name: str = "") -> _Entry:
        shown = (
            str(path.relative_to(self._settings.workspace))
            if path.is_relative_to(self._settings.workspace)
            else str(path)
        )
        try:
            document = parse_toml(path.read_bytes(), shown)
        except TomlSyntaxError as error:
            return _Entry(None, [Finding(shown, error.line, error.column, "E01", error.message)])
        except OSError as error:
            message = f"the file cannot be read ({error.strerror})"
            return _Entry(None, [Finding(shown, 1, 1, "E01", message, "mend that or move it away")])
        catalog = self._catalog()
        file, findings = check_document(document, name or path.stem, catalog, self._settings.models)
        if findings.errors:
            return _Entry(None, sorted(findings.found))
        version = self._version_of(file, path, own_params(file, catalog))
        self._versions[version.name, version.version] = version
        return _Entry(version, sorted(findings.found))

    def _version_of(
        self, file: GraphFile, path: Path, params: Mapping[str, type[Any] | None]
    ) -> GraphVersion:
        decides: dict[str, Any] = {"abi": ABI, "text": file.document.text}
        decides["params"] = {
            use: model.model_json_schema() if model else None for use, model in params.items()
        }
        digest = hashlib.sha256(orjson.dumps(decides, option=orjson.OPT_SORT_KEYS)).hexdigest()
        return GraphVersion(file.name, digest[:_VERSION_LENGTH], str(path), file, params, self._secret)

    def _secret(self, reference: str, needed_by: str) -> str:
        return self._settings.secret(reference, needed_by=needed_by)
