"""Structured logs: ids of the run on every line, one look for all libraries, no secrets."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar, Token
from types import MappingProxyType
from typing import Any, Final, TextIO

from runtime.secrets import hide_secrets
from runtime.settings import TelemetrySettings

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_bound: ContextVar[Mapping[str, str]] = ContextVar("hubbub_log_ids", default=_NOTHING)

_SECRET_KEY = re.compile(
    r"(?i)(?:^|[_\-. ])(?:secret|password|passwd|token|api[_-]?key|private[_-]?key|authorization|cookie"
    r"|credentials?)$"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}")
_HIDDEN = "[secret]"

SELDOM: Final = 60.0
"""Seconds between two complaints of one exporter."""


# --------------------------------------------------------------------------- ids


class bind:  # noqa: N801 - reads as a verb: `with bind(run=run.id):`
    """Put ids (`run`, `thread`, `tenant` …) on every log line of this task and those it starts.

    Without `with`, until the task ends; None values are left out.
    """

    __slots__ = ("_token",)

    def __init__(self, **ids: str | None) -> None:
        known = {name: value for name, value in ids.items() if value is not None}
        self._token: Token[Mapping[str, str]] = _bound.set({**_bound.get(), **known})

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        _bound.reset(self._token)


# --------------------------------------------------------------------------- writing


class Logger:
    """The `Log` of ports.py: an event and values, through the standard library's logging."""

    __slots__ = ("_log",)

    def __init__(self, name: str) -> None:
        self._log = logging.getLogger(name)

    def debug(self, event: str, **values: Any) -> None:
        """Log detail for the author of a plugin."""
        self._write(logging.DEBUG, event, values)

    def info(self, event: str, **values: Any) -> None:
        """Log what an operator may want to know."""
        self._write(logging.INFO, event, values)

    def warning(self, event: str, **values: Any) -> None:
        """Log what an operator should look at."""
        self._write(logging.WARNING, event, values)

    def error(self, event: str, **values: Any) -> None:
        """Log what is broken; `exc_info=error` adds its traceback."""
        self._write(logging.ERROR, event, values)

    def _write(self, level: int, event: str, values: dict[str, Any]) -> None:
        if self._log.isEnabledFor(level):
            trouble = values.pop("exc_info", None)
            # The text is no format: a percent sign in it is only a percent sign.
            self._log.log(level, "%s", event, exc_info=trouble, extra={"hubbub_values": values})


def get_logger(name: str) -> Logger:
    """Return the logger of a part of Hubbub; structlog is imported only by `configure_logging`."""
    return Logger(name)


# --------------------------------------------------------------------------- rendering


def configure_logging(
    settings: TelemetrySettings, stream: TextIO | None = None, *, level: str = "INFO"
) -> None:
    """Send the logs of every library to `stream` (standard error), as lines for people or as JSON.

    Colours only on a terminal.  `level` is that of Hubbub's own parts; libraries speak up from WARNING.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_formatter(settings.logs, colors=_is_terminal(handler.stream)))
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if getattr(handler, "hubbub", False)]:
        root.removeHandler(old)
    handler.hubbub = True  # type: ignore[attr-defined]
    handler.addFilter(_Seldom())
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in ("hubbub", "runtime", "hub", "plugins"):
        logging.getLogger(name).setLevel(level)


class _Seldom(logging.Filter):
    """Lets the exporters complain once a minute: a dead collector makes them warn at every batch."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("opentelemetry."):
            return True
        now = time.monotonic()
        if now - self._last.get(record.name, -SELDOM) < SELDOM:
            return False
        self._last[record.name] = now
        return True


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def _formatter(look: str, *, colors: bool) -> logging.Formatter:
    import structlog

    chain: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_values,
        _hide_keys,
    ]
    last: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if look == "json":
        last += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_json)]
    else:
        plain = structlog.dev.plain_traceback
        last.append(_one_line)
        last.append(structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain, pad_event_to=36))

    class Lines(structlog.stdlib.ProcessorFormatter):
        """Masks secrets last, so that no path around the processors leads past it."""

        def format(self, record: logging.LogRecord) -> str:
            return mask(super().format(record))

    return Lines(foreign_pre_chain=chain, processors=last)


def mask(text: str) -> str:
    """Hide resolved secrets and bearer tokens in a text."""
    return _BEARER.sub(rf"\1 {_HIDDEN}", hide_secrets(text))


def _json(values: Mapping[str, Any], **_: Any) -> str:
    import orjson

    return orjson.dumps(values, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()


def _add_values(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the logger's name, the task's ids, those of the current span, and the values of the call."""
    record: logging.LogRecord = line["_record"]
    line["logger"] = record.name
    line.update(_bound.get())
    line.update(_span_ids())
    line.update(getattr(record, "hubbub_values", _NOTHING))
    return line


def _span_ids() -> Mapping[str, str]:
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return _NOTHING
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return _NOTHING
    return {"trace": f"{context.trace_id:032x}", "span": f"{context.span_id:016x}"}


def _one_line(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Show control characters as escapes: what a client sent must not forge lines or move the cursor."""
    for key, value in line.items():
        if isinstance(value, str) and key != "exception" and not value.isprintable():
            line[key] = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)
    return line


def _hide_keys(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in line.items():
        if key not in ("_record", "exc_info"):
            line[key] = _without_secrets(key, value, 0)
    return line


def _without_secrets(key: str, value: Any, depth: int) -> Any:
    if _SECRET_KEY.search(key) and value not in (None, "", False):
        return _HIDDEN
    if isinstance(value, Mapping) and depth < 8:
        return {name: _without_secrets(str(name), inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple) and depth < 8:
        return [_without_secrets("", inner, depth + 1) for inner in value]
    return value
