"""What an MCP server lists, as tools of the hub: names, arguments by their JSON Schema, results as JSON."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from runtime.errors import InvalidInput
from runtime.extensions.description import model_of
from runtime.extensions.failures import in_words
from runtime.extensions.shapes import NAME
from runtime.ports import Context

MOST = 500
"""Tools of one server that are taken."""

Call = Callable[[str, dict[str, Any]], Awaitable[Any]]
"""Calls a tool of the server by its name there; returns what the server answered."""


class McpTool:
    """One tool of a server."""

    def __init__(self, name: str, listed: Any, call: Call) -> None:
        self.name = name
        self.description = listed.description or listed.title or f"The tool {listed.name}."
        self.Args = _arguments(name, listed.input_schema)
        self._there, self._call = listed.name, call

    async def run(self, args: BaseModel, ctx: Context) -> Any:
        """Call it; what it refuses is told to the caller."""
        answer = await self._call(self._there, args.model_dump(by_alias=True, exclude_unset=True))
        given = _given(answer)
        if answer.is_error:
            words = " ".join(str(given).split())[:500].rstrip(".")
            raise InvalidInput(f"{self.name} refuses that ({words}); ask it for something else.")
        return given


def tools_of(server: str, listed: Iterable[Any], call: Call) -> tuple[list[McpTool], list[str]]:
    """Return the tools, and a sentence for each one that cannot be taken."""
    tools: dict[str, McpTool] = {}
    odd = []
    for number, each in enumerate(listed):
        if number >= MOST:
            odd.append(f"[mcp.{server}] lists more than {MOST} tools; the others are left out")
            break
        name = re.sub(r"[^A-Za-z0-9_-]", "_", f"{server}_{each.name}")
        if name in tools or not NAME.fullmatch(name):
            why = "is there twice" if name in tools else "is too long"
            odd.append(f"[mcp.{server}] lists {each.name[:80]}, whose name {why}; it is left out")
            continue
        try:
            tools[name] = McpTool(name, each, call)
        except Exception as error:  # a schema that no model can be made of may fail in any way
            words = f"describes {each.name[:80]} in a way nobody understands ({in_words(error)})"
            odd.append(f"[mcp.{server}] {words}; it is left out")
    return list(tools.values()), odd


def _arguments(name: str, schema: Mapping[str, Any]) -> type[BaseModel]:
    """Return a model of the arguments; one that is not listed is a mistake, unless more are allowed."""
    properties = schema.get("properties") or {}
    needed = schema.get("required") or ()
    fields = [
        {
            # Any text may be the name of an argument, and not any that of a field.
            "name": f"argument_{number}",
            "alias": argument,
            "required": argument in needed,
            "default": of.get("default"),
            "schema": of,
            "state_path": False,
        }
        for number, (argument, of) in enumerate(properties.items())
    ]
    extra = "allow" if schema.get("additionalProperties", not properties) else "forbid"
    return model_of({"title": f"{name} arguments", "fields": fields, "schema": schema, "extra": extra})


def _given(answer: Any) -> Any:
    """Return a result: its structure if it has one, else its text, else its blocks."""
    if answer.structured_content is not None:
        return answer.structured_content
    if all(block.type == "text" for block in answer.content):
        return "\n".join(block.text for block in answer.content)
    return [block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in answer.content]
