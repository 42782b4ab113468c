"""Refuses to begin with another package that is named like one of ours."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_HOME = Path(__file__).resolve().parents[1]

for _name in ("runtime", "hub"):
    _found = importlib.util.find_spec(_name)
    _file = Path(_found.origin).resolve() if _found and _found.origin else None
    if _file is None or _file.parent.parent != _HOME:
        raise ImportError(
            f"hubbub needs its own package {_name}, and Python finds {_file and _file.parent} in its "
            "place; rename that folder, or start in another one."
        )
