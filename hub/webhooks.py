"""Calls others when a run has ended: signed, tried again, at least once.

The calls lie in the journal, where each was written in the commit of its run's ending.  They are signed
as Standard Webhooks says, with a key that each tenant has of its own.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

import aiohttp
import orjson
from aiohttp import web

from hub.parts import ENGINE
from hub.routes.shapes import RUN_STATUS, moment
from runtime.egress import Egress
from runtime.errors import InvalidInput, StorageError
from runtime.outbound import open_client
from runtime.records import RunStatus, Webhook
from runtime.telemetry import get_logger
from runtime.types import JsonObject

_log = get_logger(__name__)

WAITS: Final = (5.0, 30.0, 120.0, 600.0, 3600.0, 6 * 3600.0)
"""Seconds before each further try; after the last one a call is given up."""

_TIMEOUT = 15.0
_AT_ONCE = 16
_LOOK = 1.0
"""Seconds after which the journal is looked at again."""

_KEY_FILE = "webhooks.key"
_TAKEN = 2  # of the status, the first digit
_GONE = 410


class Outbox(Protocol):
    """The part of the journal that keeps the calls."""

    async def webhooks(self, limit: int) -> Sequence[Webhook]:
        """List the calls, those that are due first first."""

    async def put_webhook(self, webhook: Webhook) -> None:
        """Store a call that is to be made again."""

    async def delete_webhook(self, id: str) -> None:
        """Forget a call."""


class Webhooks:
    """Makes the calls of one hub."""

    def __init__(self, outbox: Outbox, egress: Egress, key: bytes) -> None:
        self._outbox, self._egress, self._key = outbox, egress, key

    async def run(self) -> None:
        """Make calls as they become due, until cancelled."""
        async with open_client(self._egress, _TIMEOUT) as session:
            while True:
                try:
                    await self._make(session)
                except StorageError as error:
                    _log.warning("webhooks wait", reason=str(error))
                    await asyncio.sleep(_LOOK)

    async def _make(self, session: aiohttp.ClientSession) -> None:
        now = time.time()
        due = [each for each in await self._outbox.webhooks(_AT_ONCE) if each.due_at <= now]
        if not due:
            await asyncio.sleep(_LOOK)
            return
        async with asyncio.TaskGroup() as calls:
            for webhook in due:
                calls.create_task(self._call(session, webhook), name=f"webhook {webhook.id}")

    async def _call(self, session: aiohttp.ClientSession, webhook: Webhook) -> None:
        reason = await self._post(session, webhook)
        if reason is None:
            await self._outbox.delete_webhook(webhook.id)
            return
        if webhook.tries >= len(WAITS) or reason == str(_GONE):
            _log.error("webhook given up", webhook=webhook.id, host=_host(webhook.url), reason=reason)
            await self._outbox.delete_webhook(webhook.id)
            return
        wait = WAITS[webhook.tries]
        _log.warning("webhook failed", webhook=webhook.id, host=_host(webhook.url), reason=reason, wait=wait)
        later = replace(webhook, tries=webhook.tries + 1, due_at=time.time() + wait)
        await self._outbox.put_webhook(later)

    async def _post(self, session: aiohttp.ClientSession, webhook: Webhook) -> str | None:
        """Make one call; returns why it was in vain, None when it was taken."""
        body = orjson.dumps(payload(webhook.body))
        headers = sign(tenant_key(self._key, webhook.tenant), webhook.id, int(time.time()), body)
        headers["Content-Type"] = "application/json"
        try:
            url = self._egress.check(webhook.url)
            # A redirect would lead around the check.
            async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                return None if answer.status // 100 == _TAKEN else str(answer.status)
        except InvalidInput as error:
            return str(error)
        except Exception as error:  # whatever a foreign server makes of a request
            return type(error).__name__


def payload(body: JsonObject) -> JsonObject:
    """Return what is sent: the run in the words of the LangGraph SDK, `hubbub_status` in ours."""
    status = RunStatus(body["status"])
    return {
        **body,
        "status": RUN_STATUS[status],
        "hubbub_status": status.value,
        "created_at": moment(body["created_at"]),
        "ended_at": moment(body["ended_at"]),
        "webhook_sent_at": moment(time.time()),
    }


def sign(key: bytes, id: str, at: int, body: bytes) -> dict[str, str]:
    """Return the headers of Standard Webhooks (symmetric, v1)."""
    signed = b"%b.%d.%b" % (id.encode(), at, body)
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {"webhook-id": id, "webhook-timestamp": str(at), "webhook-signature": f"v1,{signature}"}


def tenant_key(key: bytes, tenant: str) -> bytes:
    """Return a tenant's own key: no tenant can sign for another one."""
    return hmac.digest(key, f"webhooks of {tenant}".encode(), hashlib.sha256)


def shown(key: bytes) -> str:
    """Return a key as receivers configure it."""
    return f"whsec_{base64.b64encode(key).decode()}"


def workspace_key(var: Path) -> bytes:
    """Return the workspace's key, from which those of the tenants are made; makes one the first time."""
    file = var / _KEY_FILE
    try:
        return bytes.fromhex(file.read_text())
    except FileNotFoundError:
        key = secrets.token_bytes(32)
        var.mkdir(parents=True, exist_ok=True)
        scratch = file.with_suffix(".new")
        scratch.touch(mode=0o600)
        scratch.write_text(key.hex())
        scratch.rename(file)
        return key
    except (OSError, ValueError):
        raise StorageError(f"{file} is not a key that can be read; restore it from a backup.") from None


def _host(url: str) -> str:
    """Return what may be logged of an address: its path or query may hold a secret."""
    return url.split("/")[2].rpartition("@")[2]


async def deliver(app: web.Application) -> AsyncIterator[None]:
    """Make calls while the application runs."""
    engine = app[ENGINE]
    webhooks = Webhooks(
        engine.journal, Egress(engine.settings.egress.allow), workspace_key(engine.settings.var)
    )
    task = asyncio.create_task(webhooks.run(), name="webhooks")
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
