"""Secrets that were pasted into a graph file, or named where nobody would look them up; never printed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from runtime.graphs.findings import Findings
from runtime.graphs.parameters import SECRET

_LOOKS_SECRET = re.compile(
    r"\b(sk-[A-Za-z0-9_-]{16,}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}"
    r"|xox[abprs]-[A-Za-z0-9-]{10,}|hk_[0-9a-f]{16}_[\w-]{20,}|glpat-[\w-]{20,}|AIza[\w-]{30,}"
    r"|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*|[rs]k_(?:live|test)_\w{16,}|SG\.[\w-]{16,}\.[\w-]{16,}"
    r"|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{30,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----|\bBearer [\w.~+/=-]{20,}|\w+://[^\s:/@]+:[^\s:/@{}]{6,}@"
)
_SECRET_KEY = re.compile(r"(?i)(^|_)(api_?key|token|password|passwd|pwd|secret|credentials?)$")
_NAMED = re.compile(r"\bsecret:[A-Z][A-Z0-9_]+\b")
_LEAST = 8


def check_secrets(data: Mapping[str, Any], findings: Findings) -> None:
    """Find what looks like a secret in any text of a file, and references that stand inside a longer text."""
    for path, value in _strings(data, ()):
        keyed = isinstance(path[-1], str) and _SECRET_KEY.search(path[-1]) and len(value) >= _LEAST
        plain = not value.startswith(SECRET) and "{{" not in value and " " not in value
        pasted = _LOOKS_SECRET.search(value)
        if pasted or (keyed and plain and path[0] == "node"):
            message = "this looks like a secret, and the file is read by many"
            help = "write secret:NAME and set NAME in the environment"
            findings.add("E15", message, *path, help=help, at=pasted.start() if pasted else None)
        elif (found := _NAMED.search(value)) and found[0] != value:
            message = "a secret that is named inside a text is not looked up"
            help = f'write "{found[0]}" alone, as a parameter of the step that needs it'
            findings.add("E15", message, *path, help=help, at=found.start())


def _strings(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _strings(inner, (*path, index))
