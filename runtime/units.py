"""Durations and sizes as people write them: "20s", "1 MiB"."""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KIB": 1024, "MIB": 1024**2, "GIB": 1024**3}
_QUANTITY = re.compile(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*([A-Za-z]{1,3})\s*", re.ASCII)


def seconds(text: object) -> float:
    """Return the seconds in "250ms", "20s", "10m", "1h" or "7d"; ValueError with a sentence."""
    found = _QUANTITY.fullmatch(text) if isinstance(text, str) else None
    factor = _SECONDS.get(found[2].lower()) if found else None
    if found is None or factor is None:
        raise ValueError('must be a duration, a number with ms, s, m, h or d; write for example "20s"')
    return float(found[1]) * factor


def size_in_bytes(text: object) -> int:
    """Return the bytes in "512 KiB", "1 MiB" or "2 GB"; ValueError with a sentence."""
    found = _QUANTITY.fullmatch(text) if isinstance(text, str) else None
    factor = _BYTES.get(found[2].upper()) if found else None
    if found is None or factor is None:
        raise ValueError('must be a size, a number with B, KiB, MiB or GiB; write for example "1 MiB"')
    return int(float(found[1]) * factor)


def duration(value: float) -> str:
    """Return seconds in the largest unit that says them as a whole number: "48h", "90s", "250ms"."""
    for unit, factor in reversed(_SECONDS.items()):
        if value >= factor and value % factor == 0:
            return f"{value / factor:g}{unit}"
    return f"{value * 1000:g}ms"
