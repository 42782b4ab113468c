"""Tells a thread's channel what LangGraph's stream says of one run, mode by mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

from runtime.errors import HubbubError, InvalidInput, StepFailed
from runtime.extensions.failures import in_words
from runtime.graphs.plain import plain
from runtime.graphs.version import Version
from runtime.records import ModelCall, Run
from runtime.runs.channel import Channel, Draft
from runtime.runs.messages import MessageWriter
from runtime.runs.model_streams import ModelStreams
from runtime.runs.notes import Notes
from runtime.runs.step_calls import StepCalls
from runtime.runs.subgraphs import Subgraphs
from runtime.runs.task_spans import TaskSpans
from runtime.telemetry import Telemetry, get_logger
from runtime.types import JsonObject

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler

_log = get_logger(__name__)

Namespace = tuple[str, ...]
_WAITING: Final = "__interrupt__"


class Narrator:
    """Takes the parts of a run's stream.  `values` is the newest state of the whole graph, as people see it.

    `begun` is called with every message that begins, `record` is told of the models that steps call
    beside the gateway.
    """

    def __init__(
        self,
        run: Run,
        version: Version,
        channel: Channel,
        begun: Callable[[MessageWriter], None],
        telemetry: Telemetry,
        notes: Notes,
        record: Callable[[ModelCall], None],
    ) -> None:
        self._notes = notes
        self._run, self._version, self._channel, self._begun = run, version, channel, begun
        self.values: JsonObject | None = None
        self._failed = ""
        self._messages: list[MessageWriter] = []
        self._subgraphs = Subgraphs(self._tell_lifecycle)
        self._takes: dict[str, Callable[[Namespace, Any], None]] = {
            "values": self._take_values,
            "updates": self._take_updates,
            "tasks": self._take_task,
            "custom": self._take_custom,
            "tools": self._take_tool,
            "checkpoints": self._take_checkpoint,
        }
        self.callbacks: list[BaseCallbackHandler] = []
        self._spans: TaskSpans | None = None
        self._calls: StepCalls | None = None
        if "messages" in version.tells:
            streams = ModelStreams(self._open_message, version.tries)
            self._takes["messages"] = streams.take
            self.callbacks.append(streams.calls)
            self._spans = TaskSpans(telemetry)  # the steps of a text file have spans of their own
            self._calls = StepCalls(run, telemetry, self._spans, record)
            self.callbacks.append(self._calls)

    def take(self, namespace: Namespace, mode: str, part: Any) -> None:
        """Tell one part; InvalidInput when a state holds what is no JSON."""
        self._takes[mode](namespace, part)

    def end(self, event: Literal["completed", "interrupted"]) -> None:
        """Say how the run ended to those who watch a graph inside it."""
        self._subgraphs.end(event)

    def close(self) -> None:
        """End the spans of steps that were cut off."""
        if self._calls:
            self._calls.close()
        if self._spans:
            self._spans.end()

    def failure(self, error: Exception) -> Exception:
        """End the graphs inside, and return the failure as people should read it.

        What the author's code of a step raised is a failure of that step.
        """
        if not isinstance(error, HubbubError | RecursionError) and "messages" in self._version.tells:
            step = self._failed or self._version.name
            _log.warning("step failed", step=step, exc_info=error)
            error = StepFailed(f"The step {step} failed: {in_words(error)}.", step=step)
        self._subgraphs.end("failed", in_words(error))
        return error

    # ----------------------------------------------------------------- the modes

    def _take_values(self, namespace: Namespace, part: Any) -> None:
        if namespace:
            inner = isinstance(part, Mapping)
            shown = {name: value for name, value in part.items() if name != _WAITING} if inner else part
            values = self._version.changes(shown)
        else:
            values = self.values = self._version.visible(part)
        self._channel.live(self._run.id, "values", values, namespace)

    def _take_updates(self, namespace: Namespace, part: Mapping[str, Any]) -> None:
        if "__metadata__" in part:
            return  # what a resumed step had written before the interrupt was shown then
        drafts = [
            Draft(
                "updates",
                {"node": node, "values": self._version.changes(values), **self._notes.take(node)},
                namespace,
            )
            for node, values in part.items()
            if not self._version.told(values)
        ]
        self._channel.durable(self._run.id, drafts)

    def _take_task(self, namespace: Namespace, part: Mapping[str, Any]) -> None:
        self._subgraphs.take(namespace, part)
        if self._spans:
            self._spans.take(part)
        about = {"id": part["id"], "name": part["name"]}
        if "result" in part:
            error = in_words(part["error"]) if part.get("error") else None
            if error and not namespace:
                self._failed = part["name"]
            waiting = _or_text(part.get("interrupts") or [])
            data = {**about, "error": error, "result": self._shown(part["result"]), "interrupts": waiting}
        else:
            data = {**about, "input": self._shown(part["input"]), "triggers": list(part.get("triggers", ()))}
        self._channel.live(self._run.id, "tasks", data, namespace)

    def _take_custom(self, namespace: Namespace, part: Any) -> None:
        self._durable("custom", {"payload": plain(part, "What a step sent")}, namespace)

    def _take_tool(self, namespace: Namespace, part: Mapping[str, Any]) -> None:
        data = {name: _or_text(value) for name, value in part.items()}
        if part["event"] != "tool-output-delta":
            self._durable("tools", data, namespace)
            return
        if not isinstance(delta := data["delta"], str):
            data["delta"] = orjson.dumps(delta).decode()
        self._channel.live(self._run.id, "tools", data, namespace)

    def _take_checkpoint(self, namespace: Namespace, part: Mapping[str, Any]) -> None:
        about = part["metadata"]
        written_by = about.get("run_id"), about.get("turn")
        if "run_id" in about and written_by != (self._run.id, self._run.options.turn):
            return  # where the run goes on from was told when it was written
        data = {"id": _id(part["config"]), "step": about["step"], "source": about["source"]}
        if parent := part.get("parent_config"):
            data["parent_id"] = _id(parent)
        self._durable("checkpoints", data, namespace)

    # ----------------------------------------------------------------- words

    def _open_message(self, id: str, about: JsonObject, namespace: Namespace, role: str) -> MessageWriter:
        about |= {"run_id": self._run.id, "thread_id": self._run.thread}
        self._messages = [each for each in self._messages if not each.ended]
        node = str(about.get("langgraph_node", ""))
        # Clients tell open messages apart by their node, so two at once may not have the same.
        node = id if any(each.node == node for each in self._messages) else node
        message = MessageWriter(
            self._channel, self._run.id, id, about, namespace=namespace, node=node, role=role
        )
        self._messages.append(message)
        self._begun(message)
        return message

    def _tell_lifecycle(self, data: JsonObject, namespace: Namespace) -> None:
        self._durable("lifecycle", {**data, "run_id": self._run.id}, namespace)

    def _durable(self, method: str, data: JsonObject, namespace: Namespace) -> None:
        self._channel.durable(self._run.id, [Draft(method, data, namespace)])

    def _shown(self, value: Any) -> Any:
        """Return what a task was given or gave, or a subgraph's state."""
        if isinstance(value, Mapping):
            return self._version.changes(value)
        return plain(value, "What a step was given or gave")


def _id(config: Mapping[str, Any]) -> str:
    return str(config["configurable"]["checkpoint_id"])


def _or_text(value: Any) -> Any:
    """Return a value as JSON, or as text: what a tool is given or gives is nobody's state."""
    try:
        return plain(value, "")
    except InvalidInput:
        return str(value)
