"""The typed keys under which the web application holds its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from hub.auth import Attempts, Keyring
    from hub.background import Background
    from hub.origins import Origins
    from runtime.engine import Engine
    from runtime.telemetry import Span

# Strings instead of the classes: a key needs only its name, and the types are for the checker.
ENGINE: web.AppKey[Engine] = web.AppKey("engine")
KEYRING: web.AppKey[Keyring] = web.AppKey("keyring")
ATTEMPTS: web.AppKey[Attempts] = web.AppKey("attempts")
ORIGINS: web.AppKey[Origins] = web.AppKey("origins")
BACKGROUND: web.AppKey[Background] = web.AppKey("background")

REQUEST_ID: web.RequestKey[str] = web.RequestKey("request id", str)
PREPARED: web.RequestKey[bool] = web.RequestKey("prepared", bool)
"""Set once an answer has begun."""

SPAN: web.RequestKey[Span] = web.RequestKey("span")
