"""Everything that can be wrong with a graph before it runs, found in one pass."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from runtime.graphs.bodies import Places
from runtime.graphs.cases import check_cases, check_condition
from runtime.graphs.causes import as_it_was_meant, leave_causes
from runtime.graphs.fields import Field
from runtime.graphs.file import END, GraphFile, Node
from runtime.graphs.findings import Findings, alike, near
from runtime.graphs.flow import check_flow
from runtime.graphs.inner import check_inner
from runtime.graphs.parameters import SECRET, check_parameters, fields_of, is_state_path, texts
from runtime.graphs.pasted import check_secrets
from runtime.graphs.reader import STANDARD, read_file
from runtime.graphs.templates import Name
from runtime.graphs.values import check_result, check_value, result_type
from runtime.toml import TomlDocument

if TYPE_CHECKING:
    from pydantic import BaseModel

    from runtime.extensions.catalog import Catalog, Registered
    from runtime.graphs.text_version import GraphVersion

BUILT_IN: Final = ("llm", "agent", "branch", "set", "approve", "map", "graph", "wait", "fail")
_KINDS: Final = ("retriever", "scorer", "recommender", "model", "tool", "step")
_ASKING: Final = ("llm", "agent")
_ACTING: Final = ("tool.", "step.")
_WORDS = frozenset({"state", "input", "settings"})


def check_document(
    document: TomlDocument,
    name: str,
    catalog: Catalog,
    aliases: Collection[str],
    inside: Mapping[str, GraphVersion | str] = MappingProxyType({}),
) -> tuple[GraphFile, Findings]:
    """Return what a file says and all that is wrong with it; `name` is what the graph must be called.

    `inside` are the graphs that its steps run, or why they cannot be run.
    """
    findings = Findings(document)
    file = read_file(document, findings)
    if file.name and file.name != name:
        message = f"the graph is called {file.name} and its file {name}.toml"
        findings.add("E03", message, "graph", help="give both the same name")
    check_secrets(document.data, findings)
    _check_output(file, findings)
    places = Places(file.nodes)
    for node in file.nodes.values():
        if findings.full:
            break
        _NodeCheck(file, node, places, catalog, aliases, findings).check()
        if node.use == "graph":
            check_inner(node, inside, findings)
    _check_start(file, findings)
    if meant := as_it_was_meant(findings, file):
        check_flow(meant, findings)
    check_cases(file, findings, meant)
    leave_causes(findings, file)
    return file, findings


def own_params(file: GraphFile, catalog: Catalog) -> dict[str, type[BaseModel] | None]:
    """Return the parameters that each used plugin object declares, by `use`: they are part of the version."""
    uses = [node.use for node in file.nodes.values() if node.use not in BUILT_IN]
    uses += [tool for node in file.nodes.values() for tool in node.tools]
    return {use: _declared(catalog, use) for use in uses}


def _declared(catalog: Catalog, use: str) -> type[BaseModel] | None:
    kind, _, name = use.partition(".")
    found = catalog.get(kind, name)
    if found is None:
        return None
    return found.value.Args if kind == "tool" else found.Params


def _asking(use: str) -> type[BaseModel]:
    from runtime.graphs.agent import AgentParams
    from runtime.graphs.llm import LlmParams

    return AgentParams if use == "agent" else LlmParams


class _NodeCheck:
    """Checks one step."""

    def __init__(
        self,
        file: GraphFile,
        node: Node,
        places: Places,
        catalog: Catalog,
        aliases: Collection[str],
        findings: Findings,
    ) -> None:
        self._file, self._node, self._catalog = file, node, catalog
        self._aliases, self._findings = aliases, findings
        self._path = ("node", node.id)
        self._items = places.items(node.id)
        self._result = frozenset({"result", "meta"}) if places.undoes(node.id) else frozenset[str]()
        items = {name: Field(name, "any") for name in self._items}
        self._fields = {**file.fields, **file.setting_fields, **items}

    def check(self) -> None:
        self._check_targets()
        match self._node.use:
            case "branch":
                self._check_conditions()
            case "approve":
                self._check_approval()
            case "map":
                self._check_map()
            case "graph" | "wait" | "fail":
                pass
            case "set":
                self._check_set()
            case "llm":
                self._check_asking()
            case "agent":
                self._check_asking()
                self._check_tools()
            case _:
                self._check_plugin()
        if self._node.undo:
            self._check_undo(self._node.undo)
        self._check_around()
        self._check_texts(self._node.params, self._bare_names(), self._path)
        self._check_save()

    # ----------------------------------------------------------------- where it goes

    def _check_targets(self) -> None:
        if self._node.use == "branch":
            for index, way in enumerate(self._node.ways):
                self._check_target(way.go, "when", index, "go" if way.condition is not None else "else")
            return
        if self._node.approval:
            for choice, step in self._node.approval.choices.items():
                self._check_target(step, "choices", choice)
            return
        self._check_target(self._node.next, "next")
        if self._node.on_error:
            self._check_target(self._node.on_error, "on_error")

    def _check_target(self, step: str, *where: str | int, ends: bool = True) -> None:
        # A step that could not be read is there all the same.
        steps = self._file.document.data["node"]
        if step not in steps and not (ends and step == END):
            help = near(step, [*steps, *([END] if ends else [])])
            self._findings.add("E05", f"there is no step {step}", *self._path, *where, help=help, name=step)

    def _check_conditions(self) -> None:
        for index, way in enumerate(self._node.ways):
            if way.condition is not None:
                check_condition(way.condition, self._fields, self._findings, *self._path, "when", index, "if")

    # ----------------------------------------------------------------- what it does

    def _check_approval(self) -> None:
        assert self._node.approval
        for index, name in enumerate(self._node.approval.show):
            self._check_name(Name(tuple(name.split(".")), 0), frozenset(), *self._path, "show", index)

    def _check_map(self) -> None:
        each = self._node.each
        assert each
        if each.do:
            self._check_target(each.do, "do", ends=False)
        if each.over:
            self._check_name(Name(tuple(each.over.split(".")), 0), frozenset(), *self._path, "over")
            one = self._fields.get(each.over.removeprefix("state.").removeprefix("input."))
            if one and one.type not in ("list", "any"):
                message = f"a map goes over a list, and {one.name} is declared as {one.type}"
                self._findings.add("E03", message, *self._path, "over", help="name a list")
        if each.name in self._fields:
            message = f"{each.name} is declared already"
            self._findings.add("E03", message, *self._path, "as", help="give the item another name")

    def _check_set(self) -> None:
        written = self._node.params.get("set")
        if not isinstance(written, dict) or not written:
            self._findings.miss(
                "set", "the step sets nothing", *self._path, help='add set = { answer = "…" }'
            )
            return
        for key in self._node.params:
            if key != "set":
                self._findings.add_key("E02", f"set has no {key}", *self._path, key, help=near(key, ("set",)))
        for name, raw in written.items():
            self._check_written(name, *self._path, "set", name)
            self._check_value(name, raw, *self._path, "set", name)

    def _check_asking(self) -> None:
        use = self._node.use
        check_parameters(
            self._node.params, _asking(use), self._findings, *self._path, use=use, others=STANDARD
        )
        for key, value in self._node.params.items():
            if isinstance(value, str) and value.startswith(SECRET):
                message = f"{key} is sent to a model, and a secret is not"
                self._findings.add("E15", message, *self._path, key, help="take it out")
        alias = self._node.params.get("model")
        if isinstance(alias, str) and alias not in self._aliases:
            help = near(alias, self._aliases)
            self._findings.add("E14", f"config.toml has no model {alias}", *self._path, "model", help=help)

    def _check_tools(self) -> None:
        from runtime.graphs.kinds import AGENTS_USE, agent_use

        for index, tool in enumerate(self._node.tools):
            path = (*self._path, "tools", index)
            written = self._node.params["tools"][index]
            found = agent_use(self._catalog, tool)
            if found is None:
                known = [f"{kind}.{name}" for kind in AGENTS_USE for name in self._catalog.names(kind)]
                help = self._remedy(tool, known)
                where = (*path, "use") if isinstance(written, dict) and "use" in written else path
                self._findings.add("E06", f"there is no {tool}", *where, help=help)
            elif isinstance(written, dict):
                given = {key: value for key, value in written.items() if key not in ("use", "as", "about")}
                self._check_given(found, given, *path)

    def _check_plugin(self) -> None:
        from runtime.graphs.kinds import KINDS

        use = self._node.use
        kind, _, name = use.partition(".")
        found = self._catalog.get(kind, name) if kind in KINDS and name else None
        if found is None:
            self._findings.add("E06", f"there is no {use}", *self._path, "use", help=self._remedy(use))
            return
        self._check_given(found, self._node.params, *self._path)

    def _check_given(self, found: Registered, given: Mapping[str, Any], *path: str | int) -> None:
        """Compare parameters with what is declared; an agent's model chooses those that are missing."""
        from runtime.graphs.kinds import KINDS

        use, kind = f"{found.kind}.{found.name}", KINDS[found.kind]
        standard, own = kind.standard, kind.own(found)
        known, partly = fields_of(standard), self._node.use == "agent"
        mine = {key: value for key, value in given.items() if key in known}
        rest = {key: value for key, value in given.items() if key not in known}
        others = [*known, *fields_of(own), *(() if partly else STANDARD)]
        check_parameters(mine, standard, self._findings, *path, use=use, partly=partly)
        if kind.free:
            rest = {key: value for key, value in rest.items() if key in fields_of(own)}
        check_parameters(rest, own, self._findings, *path, use=use, others=others, partly=partly)

    def _remedy(self, use: str, known: Sequence[str] = ()) -> str:
        known = known or [
            *BUILT_IN,
            *(f"{kind}.{name}" for kind in _KINDS for name in self._catalog.names(kind)),
        ]
        broken = [plugin for plugin in self._catalog.plugins if plugin.state == "failed"]
        named = next((plugin for plugin in broken if plugin.name == use.partition(".")[2]), None)
        if named:
            return f"the plugin {named.name} could not be loaded: {named.error.rstrip('.')}"
        kind, _, name = use.partition(".")
        if name and (same := self._catalog.names(kind)):
            # "tool." alone makes all tools alike.
            found = alike(name, same)
            return f"did you mean {kind}.{found}?" if found else near("", [f"{kind}.{each}" for each in same])
        return near(use, known)

    def _check_around(self) -> None:
        """Check what stands around the step's work: its cache and its guardrails."""
        node = self._node
        for index, name in enumerate(node.guard):
            if self._catalog.get("guardrail", name) is None:
                help = near(name, self._catalog.names("guardrail"))
                self._findings.add(
                    "E06", f"there is no guardrail {name}", *self._path, "guard", index, help=help
                )
        if node.cache is not None and node.undo:
            message = f"what {node.id} does is undone, so it is done each time"
            self._findings.add_key("E03", message, *self._path, "cache", help="take cache out, or undo")
        for key in ("cache", "guard"):
            if node.use == "set" and key in self._file.document.data["node"][node.id]:
                self._findings.add_key(
                    "E02", f"set has no {key}", *self._path, key, help="it only writes values"
                )

    def _check_undo(self, undo: str) -> None:
        path = (*self._path, "undo")
        self._check_target(undo, "undo", ends=False)
        by = self._file.nodes.get(undo)
        if not self._node.use.startswith(_ACTING):
            message = f"{self._node.id} changes nothing outside that could be undone"
            help = "only a tool.NAME or step.NAME has an undo"
            self._findings.add_key("E03", message, *path, help=help)
        elif by is not None and not by.use.startswith(_ACTING):
            message = f"{undo} uses {by.use}, which changes nothing outside"
            self._findings.add("E03", message, *path, help="let a tool.NAME or step.NAME undo it")
        elif by is not None and by.undo:
            message = f"{undo} undoes {self._node.id} and has an undo itself"
            self._findings.add_key("E03", message, "node", undo, "undo", help="take it out")
        if by is not None and by.save is not None and not by.undo:
            message = f"{undo} undoes {self._node.id}, and what it gives is not saved"
            self._findings.add_key("W01", message, "node", undo, "save", help="take it out")

    # ----------------------------------------------------------------- what it reads

    def _bare_names(self) -> set[str]:
        """Return the parameters that are names of state fields."""
        if self._node.use in _ASKING:
            model: type[BaseModel] | None = _asking(self._node.use)
        else:
            model = _declared(self._catalog, self._node.use) if self._node.use not in BUILT_IN else None
        return {name for name, field in fields_of(model).items() if is_state_path(field)}

    def _check_texts(self, params: Mapping[str, Any], bare: set[str], path: tuple[str, ...]) -> None:
        for key, raw in params.items():
            if key in bare and isinstance(raw, str):
                self._check_name(Name(tuple(raw.split(".")), 0), self._result, *path, key)
            else:
                self._check_text(raw, self._result, *path, key)

    def _check_text(self, raw: Any, more: frozenset[str], *path: str) -> None:
        for text, where in texts(raw, self._findings, *path):
            for name in text.names:
                self._check_name(name, more, *where)

    def _check_name(self, name: Name, more: frozenset[str], *path: str | int) -> None:
        first = str(name.path[0])
        if first in more:
            return
        inner: Iterable[str | int | None] = name.path[1:]
        if first in _WORDS:
            if len(name.path) == 1:
                return
            first, inner = str(name.path[1]), name.path[2:]
        one = self._fields.get(first)
        if one is None:
            help = near(first, self._fields)
            message = f"nothing is called {first}"
            self._findings.add("E08", message, *path, help=help, at=name.at, name=first)
            return
        self._check_inner(one, inner, name, *path)

    def _check_inner(
        self, one: Field, inner: Iterable[str | int | None], name: Name, *path: str | int
    ) -> None:
        for part in inner:
            if not one.fields or part is None:
                return
            if part not in one.fields:
                help = near(str(part), one.fields)
                self._findings.add("E08", f"{one.name} has no field {part}", *path, help=help, at=name.at)
                return
            one = one.fields[str(part)]

    # ----------------------------------------------------------------- what it writes

    def _check_save(self) -> None:
        node, path = self._node, (*self._path, "save")
        if node.use == "set" and node.save is not None:
            self._findings.add_key("E02", "set has no save", *path, help="it writes what it sets")
        elif isinstance(node.save, str):
            self._check_written(node.save, *path)
            if one := self._file.fields.get(node.save):
                check_result(one, node, self._findings, *path)
        elif isinstance(node.save, tuple):
            for index, name in enumerate(node.save):
                self._check_written(name, *path, index)
        elif node.save is not None:
            for name, raw in node.save.items():
                self._check_written(name, *path, name)
                self._check_text(raw, frozenset({"result", "meta"}), *path, name)
                self._check_value(name, raw, *path, name)
        elif node.use in _ASKING:
            message = f"the answer of {node.id} goes nowhere"
            self._findings.add_key("W01", message, *self._path, help='add save = "answer"')

    def _check_value(self, name: str, raw: Any, *path: str | int) -> None:
        if one := self._file.fields.get(name):
            check_value(one, raw, self._fields, result_type(self._node), self._findings, *path)

    def _check_written(self, name: str, *path: str | int) -> None:
        if name not in self._file.fields:
            help = near(name, self._file.fields) if self._file.fields else f"declare {name} under [state]"
            message = f"{name} is not declared under [state]"
            self._findings.add("E08", message, *path, help=help, name=name)
        elif self._items and self._file.fields[name].merge is None:
            message = f"every item of a map writes {name}, and nothing says what becomes of several"
            help = f'declare {name} with merge = "append", "add" or "last"'
            self._findings.add("E19", message, *path, help=help)


# --------------------------------------------------------------------------- the file as a whole


def _check_start(file: GraphFile, findings: Findings) -> None:
    steps = file.document.data.get("node")
    if file.start and steps and file.start not in steps:
        help = near(file.start, steps)
        findings.add("E05", f"there is no step {file.start}", "start", help=help, name=file.start)


def _check_output(file: GraphFile, findings: Findings) -> None:
    for index, name in enumerate(file.output):
        if name not in file.fields:
            help = near(name, file.fields)
            findings.add("E08", f"{name} is not declared", "output", index, help=help, name=name)
