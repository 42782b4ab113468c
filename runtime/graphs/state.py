"""What the steps of a graph see of the state, what they may write, and how parallel writes are merged."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runtime.errors import InvalidInput
from runtime.graphs.fields import Field
from runtime.graphs.file import GraphFile, Node
from runtime.graphs.findings import near
from runtime.graphs.parameters import Filled, compile_value
from runtime.types import JsonObject

if TYPE_CHECKING:
    from runtime.graphs.scope import RunScope

LOOPS = "_loops"
"""The channel that counts the entries of branches with `max_loops`; nobody outside sees it."""

ITEM = "_item"
"""The number of the item that the steps of a map are done for; nobody outside sees it."""


def counts_loops(file: GraphFile) -> bool:
    """Whether some branch of the graph is bounded."""
    return any(node.max_loops is not None for node in file.nodes.values())


class Saving:
    """What a step reads and writes: the names in its texts, and its `save`.

    `items` are the names under which it reads the items of the maps around it.
    """

    def __init__(self, file: GraphFile, node: Node, items: Sequence[str] = ()) -> None:
        self._fields, self._node, self._graph = file.fields, node, file.name
        self.items = {name: Field(name, "any") for name in items}
        self._base = {**dict.fromkeys(self._fields), **file.settings, "settings": dict(file.settings)}
        self._input = tuple(file.input)
        self._texts = _texts(node)

    def values(self, state: Mapping[str, Any], scope: RunScope) -> dict[str, Any]:
        """Return every declared name with its value; `state` and `input` hold them once more."""
        base = self._base
        if scope.settings and scope.run.graph == self._graph:  # a graph inside has settings of its own
            base = {**base, **scope.settings, "settings": {**base["settings"], **scope.settings}}
        visible = {name: value for name, value in state.items() if name in self._fields}
        inputs = {name: visible.get(name) for name in self._input}
        items = {name: state.get(name) for name in self.items}
        return {**base, **visible, **items, "state": visible, "input": inputs}

    def update(self, result: Any, meta: JsonObject, values: Mapping[str, Any]) -> JsonObject:
        """Return what the step writes; InvalidInput when it does not fit what is declared."""
        save = self._node.save
        if self._texts:
            seen = {**values, "result": result, "meta": meta}
            found = {name: fill(seen) for name, fill in self._texts.items()}
        elif isinstance(save, str):
            found = {save: result}
        elif save:
            found = {name: _member(result, name) for name in save}
        else:
            found = {name: value for name, value in _members(result).items() if name in self._fields}
        return {name: self.checked(name, value) for name, value in found.items()}

    def checked(self, name: str, value: Any) -> Any:
        """Return a value as the state holds it; InvalidInput when it has another type."""
        if self.items and self._fields[name].merge is None:
            raise InvalidInput(
                f'every item of a map writes {name} at once; declare it with merge = "append" or "add"'
            )
        return self._fields[name].kept(value, f"what it saves as {name}")


def _texts(node: Node) -> dict[str, Filled]:
    if not isinstance(node.save, Mapping):
        return {}

    def no_secret(reference: str) -> str:
        raise InvalidInput(f"{reference} cannot be saved; secrets stay out of the state.")

    return {name: compile_value(raw, no_secret) for name, raw in node.save.items()}


def _members(result: Any) -> Mapping[str, Any]:
    return result if isinstance(result, Mapping) else {}


def _member(result: Any, name: str) -> Any:
    if not isinstance(result, Mapping) or name not in result:
        raise InvalidInput(f"its result has no field {name}; {near(name, map(str, _members(result)))}")
    return result[name]


# --------------------------------------------------------------------------- parallel writers

EMPTY: Mapping[str, Any] = {"append": [], "add": 0, "messages": []}
"""What fields with a merge hold before the first write."""


def reducer(one: Field) -> Callable[[Any, Any], Any] | None:
    """Return how two writes to a field become one; None where the last write counts."""
    return _REDUCERS.get(one.merge or "")


def _append(old: Any, new: Any) -> list[Any]:
    return [*(old or []), *(new if isinstance(new, list) else [new])]


def _add(old: Any, new: Any) -> Any:
    return (old or 0) + (new or 0)


def _last(old: Any, new: Any) -> Any:
    return new


def _messages(old: Any, new: Any) -> list[Any]:
    """Append messages; one with the id of an earlier one takes its place, one without gets an id.

    Clients know a message by its id: they merge what was streamed with what the state holds.
    """
    found = list(old or [])
    at = {
        each["id"]: place for place, each in enumerate(found) if isinstance(each, Mapping) and each.get("id")
    }
    for message in new if isinstance(new, list) else [new]:
        if not isinstance(message, Mapping):
            found.append(message)
        elif not message.get("id"):
            found.append({**message, "id": str(uuid.uuid4())})
        elif (place := at.get(message["id"])) is None:
            at[message["id"]] = len(found)
            found.append(message)
        else:
            found[place] = message
    return found


def merge_loops(old: dict[str, int] | None, new: dict[str, int]) -> dict[str, int]:
    """Keep the newest count of each branch."""
    return {**(old or {}), **new}


_REDUCERS = {"append": _append, "add": _add, "last": _last, "messages": _messages}
