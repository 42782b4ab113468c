"""The step `approve`: what a person is shown, which answers fit, and what becomes of one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from runtime.graphs.file import Approval
from runtime.graphs.templates import look_up
from runtime.types import JsonObject


def question(step: str, approval: Approval, values: Mapping[str, Any]) -> JsonObject:
    """Return what is asked: the step, what to look at, the choices, and until when there is time."""
    asked: JsonObject = {
        "step": step,
        "show": {name: look_up(values, name.split(".")) for name in approval.show},
        "choices": list(approval.choices),
    }
    if approval.at_most is not None:
        asked |= {"expires_at": time.time() + approval.at_most, "otherwise": approval.then}
    return asked


def schema_of(approval: Approval) -> JsonObject:
    """Return the JSON Schema of an answer: one of the choices, alone or with a note."""
    choice = {"enum": list(approval.choices)}
    noted = {
        "type": "object",
        "properties": {"choice": choice, "note": {"type": "string"}},
        "required": ["choice"],
        "additionalProperties": False,
    }
    return {"anyOf": [choice, noted]}


def decision_of(answer: Any) -> JsonObject:
    """Return an answer as it is saved: `{choice, note}`."""
    return {"note": "", **answer} if isinstance(answer, Mapping) else {"choice": answer, "note": ""}
