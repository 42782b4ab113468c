"""The names of spans' attributes: the GenAI semantic conventions where they have a word, else `hubbub.*`."""

from __future__ import annotations

from typing import Final

OPERATION: Final = "gen_ai.operation.name"
ERROR_TYPE: Final = "error.type"
CANCELLED: Final = "hubbub.cancelled"
ABANDONED: Final = "hubbub.abandoned"

ATTRIBUTES: Final[dict[str, tuple[str, ...]]] = {
    # who and what
    "thread": ("hubbub.thread.id", "gen_ai.conversation.id"),
    "run": ("hubbub.run.id",),
    "tenant": ("hubbub.tenant",),
    "method": ("hubbub.method",),
    "status": ("hubbub.run.status",),
    # a graph and its steps
    "graph": ("gen_ai.workflow.name",),
    "version": ("hubbub.graph.version",),
    "canary": ("hubbub.graph.canary",),
    "attempt": ("hubbub.attempt",),
    "node": ("hubbub.step.id",),
    "kind": ("hubbub.step.kind",),
    "plugin": ("hubbub.plugin.name",),
    "plugin_version": ("hubbub.plugin.version",),
    "branch": ("hubbub.step.branch",),
    "missing": ("hubbub.step.missing",),
    # models
    "provider": ("gen_ai.provider.name",),
    "model": ("gen_ai.request.model",),
    "answered_by": ("gen_ai.response.model",),
    "alias": ("hubbub.model.alias",),
    "temperature": ("gen_ai.request.temperature",),
    "max_tokens": ("gen_ai.request.max_tokens",),
    "finish": ("gen_ai.response.finish_reasons",),
    "first_chunk": ("gen_ai.response.time_to_first_chunk",),
    "input_tokens": ("gen_ai.usage.input_tokens",),
    "output_tokens": ("gen_ai.usage.output_tokens",),
    "cached_tokens": ("gen_ai.usage.cache_read.input_tokens",),
    "reasoning_tokens": ("gen_ai.usage.reasoning.output_tokens",),
    "dimensions": ("gen_ai.embeddings.dimension.count",),
    "cost_usd": ("hubbub.cost_usd",),
    "cache": ("hubbub.cache",),
    "retry": ("hubbub.retry",),
    # predictive models
    "model_version": ("hubbub.model.version",),
    "rows": ("hubbub.model.rows",),
    # retrieval and tools
    "source": ("gen_ai.data_source.id",),
    "mode": ("hubbub.retrieval.mode",),
    "hits": ("hubbub.retrieval.hits",),
    "degraded": ("hubbub.retrieval.degraded",),
    "tool": ("gen_ai.tool.name",),
    "tool_call": ("gen_ai.tool.call.id",),
    "texts": ("hubbub.embeddings.texts",),
    # delivery
    "frames": ("hubbub.deliver.frames",),
    "first_token_ms": ("hubbub.deliver.first_token_ms",),
    "merged": ("hubbub.deliver.merged",),
    "dropped": ("hubbub.deliver.dropped",),
    "resumes": ("hubbub.deliver.resumes",),
}
"""Our word for a value -> the attributes that carry it."""

CONTENT: Final[dict[str, tuple[str, ...]]] = {
    "prompt": ("gen_ai.input.messages",),
    "answer": ("gen_ai.output.messages",),
    "reason": ("hubbub.step.reason",),
    "query": ("gen_ai.retrieval.query.text",),
    "arguments": ("gen_ai.tool.call.arguments",),
    "result": ("gen_ai.tool.call.result",),
}
"""What people wrote or read: only in spans when `[telemetry] content = true`."""
