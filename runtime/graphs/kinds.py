"""The kinds of plugin objects a step may use: what each one takes from the file, and how it is called."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from runtime.errors import InvalidInput, NotFound, PluginError
from runtime.extensions import guard
from runtime.extensions.answers import plain
from runtime.extensions.catalog import Catalog, Registered
from runtime.graphs.scope import Outcome, StepCall
from runtime.recommend.feedback import recommendation_id
from runtime.types import Hits, Recommended


class Standard(BaseModel):
    """What every object of a kind takes; the rest are the object's own `Params`."""

    model_config = ConfigDict(extra="forbid")


class RetrieverParams(Standard):
    """`retriever.NAME`."""

    query: str
    top_k: int = 5


class ScorerParams(Standard):
    """`scorer.NAME`; without `item` the item are all parameters that are not the scorer's own."""

    item: Any = None


class RecommenderParams(Standard):
    """`recommender.NAME`; `group` is that of an experiment which the graph has put the user into."""

    user: str
    k: int = 10
    group: str = ""


class ModelParams(Standard):
    """`model.NAME`."""

    inputs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PluginCall:
    """One call of a plugin's object by a step; `given` are the kind's standard parameters."""

    step: StepCall
    registered: Registered
    given: Any
    params: Any
    rest: Mapping[str, Any]
    arguments: bytes

    async def call(self, method: str, *args: Any) -> Any:
        """Call the object behind its guard; the context comes last."""
        context = self.step.context(self.params, self.arguments)
        return await guard.call(self.registered, method, *args, context, deadline=self.step.deadline)

    def note(self, kind: str, **given: Any) -> None:
        """Take down what the object gave, without its content."""
        self.step.scope.note(kind, self.registered.name, self.step.task, **given)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its standard parameters, where its own are declared, and how it is called."""

    standard: type[Standard]
    call: Callable[[PluginCall], Awaitable[Outcome]]
    free: bool = False
    """Whether parameters that nobody declares are part of the item."""
    acts: bool = False
    """Whether a call may change something outside."""

    def own(self, registered: Registered) -> type[BaseModel] | None:
        """Return the model of the object's own parameters."""
        if registered.kind == "tool":
            args: type[BaseModel] = registered.value.Args
            return args
        return registered.Params


async def _retrieve(call: PluginCall) -> Outcome:
    telemetry, name = call.step.scope.telemetry, call.registered.name
    started = time.monotonic()
    if call.given.top_k < 1:
        raise InvalidInput(f"top_k is {call.given.top_k}; it must be at least 1")
    with telemetry.retrieval_span(name, query=call.given.query) as span:
        found = await call.call("search", call.given.query, call.given.top_k)
        hits = found if isinstance(found, Hits) else Hits(found)
        mode = hits.mode or name
        span.set(mode=mode, hits=len(hits), degraded=bool(getattr(hits, "degraded", False)))
    telemetry.metrics.retrieval(mode, time.monotonic() - started)
    meta = {
        "mode": mode,
        "degraded": hits.degraded,
        "facets": as_json(hits.facets, call.registered),
        "did_you_mean": hits.did_you_mean,
        "note": hits.note,
    }
    return Outcome(as_json(list(hits), call.registered), meta)


async def _score(call: PluginCall) -> Outcome:
    item = call.given.item if call.given.item is not None else dict(call.rest)
    score = await call.call("score", item)
    found = as_json(score, call.registered)
    details = found["details"]
    label, version = str(details.get("tier", "")), str(details.get("model_version", ""))
    call.note("score", label=label, version=version, number=found["value"])
    drift = details.get("drift")
    if isinstance(drift, Mapping) and isinstance(psi := drift.get("psi"), float):
        scope = call.step.scope
        scope.telemetry.metrics.drift(str(details.get("model", call.registered.name)), scope.run.tenant, psi)
    return Outcome({**details, "score": found["value"], "reasons": found["reasons"]})


async def _recommend(call: PluginCall) -> Outcome:
    given, step = call.given, call.step
    if given.k < 1:
        raise InvalidInput(f"k is {given.k}; it must be at least 1")
    found = await call.call("recommend", given.user, given.k)
    how = found if isinstance(found, Recommended) else Recommended(found)
    items = as_json(list(how), call.registered)
    group = how.group or given.group
    call.note("recommendation", number=len(items), label=group, version=how.version)
    id = recommendation_id(step.scope.run.id, step.task)
    about = {"method": how.method, "version": how.version, "note": how.note}
    return Outcome(items, {"recommendation_id": id, "group": group, **about})


async def _predict(call: PluginCall) -> Outcome:
    with call.step.scope.telemetry.inference_span(call.registered.name):
        found = await call.call("predict", call.given.inputs)
    return Outcome(as_json(found, call.registered))


async def _use_tool(call: PluginCall) -> Outcome:
    with call.step.scope.telemetry.tool_span(call.registered.name, arguments=call.arguments.decode()) as span:
        result = as_json(await call.call("run", call.params), call.registered)
        if span.recording:
            span.set(result=orjson.dumps(result).decode())
    return Outcome(result)


async def _run_step(call: PluginCall) -> Outcome:
    result = await call.call("run", call.step.values, call.params)
    return Outcome(as_json(result, call.registered))


KINDS: Final[Mapping[str, Kind]] = {
    "retriever": Kind(RetrieverParams, _retrieve),
    "scorer": Kind(ScorerParams, _score, free=True),
    "recommender": Kind(RecommenderParams, _recommend),
    "model": Kind(ModelParams, _predict),
    "tool": Kind(Standard, _use_tool, acts=True),
    "step": Kind(Standard, _run_step, acts=True),
}
"""Every kind that a graph file may `use` as `KIND.NAME`."""

AGENTS_USE: Final = ("tool", "retriever")
"""The kinds that an agent's model may call."""


def agent_use(catalog: Catalog, use: str) -> Registered | None:
    """Return what an agent's model may call by this `use`, or None."""
    kind, _, name = use.partition(".")
    return catalog.get(kind, name) if kind in AGENTS_USE else None


def chosen_by_model(registered: Registered) -> type[BaseModel]:
    """Return what an agent's model chooses: all that a tool takes, and of others what every one takes."""
    if registered.kind == "tool":
        args: type[BaseModel] = registered.newest.value.Args
        return args
    return KINDS[registered.kind].standard


def description_of(value: object) -> str:
    """Return what an object says about itself: the first paragraph of its docstring, or nothing."""
    told = inspect.getdoc(value) or inspect.getdoc(type(value)) or ""
    return told.split("\n\n")[0].replace("\n", " ")


async def call_plugin(step: StepCall, use: str, filled: Mapping[str, Any]) -> Outcome:
    """Call the object that a step uses, with its parameters filled in."""
    kind_name, _, name = use.partition(".")
    registered = step.scope.catalog.get(kind_name, name)
    if registered is None:
        raise NotFound(f"there is no {use}; see `hubbub plugin list`")
    registered = registered.newest
    kind = KINDS[kind_name]
    own = kind.own(registered)
    mine = {key: value for key, value in filled.items() if key in kind.standard.model_fields}
    rest = {key: value for key, value in filled.items() if key not in mine}
    params = None
    if own is not None:
        named = {field.alias or key for key, field in own.model_fields.items()}
        declared = rest if not kind.free else {key: value for key, value in rest.items() if key in named}
        params = _validated(own, declared, use)
        rest = {key: value for key, value in rest.items() if key not in declared}
    given = _validated(kind.standard, mine, use)
    arguments = orjson.dumps(filled, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    if kind.acts:
        await step.scope.settled()
        await step.begin(arguments)
    return await kind.call(PluginCall(step, registered, given, params, rest, arguments))


def as_json(value: Any, registered: Registered) -> Any:
    """Return what a plugin gave as plain JSON values; PluginError when it is something else."""
    try:
        return plain(value)
    except (TypeError, ValueError) as error:
        raise _wrong(registered, f"gave what is not JSON ({error})") from None


def _validated(model: type[BaseModel], given: Mapping[str, Any], use: str) -> Any:
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "a parameter"
        words = first["msg"][:1].lower() + first["msg"][1:]
        raise InvalidInput(f"{where} of {use} is wrong ({words}); mend the step or its input") from None


def _wrong(registered: Registered, what: str) -> PluginError:
    plugin = registered.plugin
    message = f"{plugin.file}: {registered.kind}.{registered.name} {what}; its author has to mend that"
    return PluginError(message, plugin=plugin.name)
