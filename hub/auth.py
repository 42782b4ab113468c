"""Who is asking: API keys, the boot token of this start, and session cookies for browsers.

A key is `hk_ID_SECRET`.  Only the SHA-256 of the secret is kept: it is 32 random bytes, so there is
nothing to guess and a slow password hash would protect no better, but cost every request.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol

from aiohttp import web

from hub.parts import ATTEMPTS, KEYRING
from runtime.errors import NotFound, Overloaded, Unauthenticated
from runtime.records import ApiKey, KeyLimits

TENANT = "default"
"""Whose everything is while nobody has to say who they are."""

COOKIE = "hubbub_session"
SESSION_SECONDS = 12 * 3600

UNBOUND: Final = KeyLimits()

_PREFIX = "hk"
_ID_BYTES = 8
_SECRET_BYTES = 32
_BOOT = "boot"


@dataclass(frozen=True, slots=True)
class Principal:
    """On whose behalf a request is carried out.  `key` is the id of the key, None without one.

    The holder of the boot token has the key "boot": whoever can read the lock file of this workspace.
    """

    tenant: str
    key: str | None

    @property
    def owner(self) -> bool:
        """Whether this is the user who serves the workspace."""
        return self.key == _BOOT


class KeyStore(Protocol):
    """The part of the journal that keeps API keys."""

    async def keys(self) -> Sequence[ApiKey]:
        """List the keys, oldest first."""

    async def put_key(self, key: ApiKey) -> None:
        """Store or replace a key."""


def mint_key(name: str, tenant: str, limits: KeyLimits = UNBOUND) -> tuple[ApiKey, str]:
    """Make a key: its record, and the text its owner is shown this once."""
    id, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    key = ApiKey(id, _digest(secret), tenant, name, time.time(), limits=limits)
    return key, f"{_PREFIX}_{id}_{secret}"


class Keyring:
    """The keys of this hub, in memory; the journal keeps them.  `bound` is told of those with limits."""

    def __init__(
        self,
        store: KeyStore,
        boot_token: str,
        mode: Literal["open", "keys"],
        bound: Callable[[ApiKey], None] = lambda _: None,
    ) -> None:
        self._store, self._mode, self._bound = store, mode, bound
        self._boot = _digest(boot_token)
        self._session_key = hashlib.sha256(b"session\0" + boot_token.encode()).digest()
        self._keys: dict[str, ApiKey] = {}

    async def load(self) -> None:
        """Read the keys from the journal."""
        for key in await self._store.keys():
            self._know(key)

    def list(self) -> list[ApiKey]:
        """Return all keys, oldest first, revoked ones too."""
        return sorted(self._keys.values(), key=lambda key: key.created_at)

    async def create(self, name: str, tenant: str, limits: KeyLimits = UNBOUND) -> tuple[ApiKey, str]:
        """Make a key and store it; returns its record and its text."""
        key, text = mint_key(name, tenant, limits)
        await self._store.put_key(key)
        self._know(key)
        return key, text

    async def revoke(self, id: str) -> ApiKey:
        """Refuse a key, and every session begun with it, from now on; NotFound."""
        if id not in self._keys:
            raise NotFound(f"There is no key {id}; `hubbub key list` shows them.")
        key = replace(self._keys[id], revoked=True)
        await self._store.put_key(key)
        self._keys[id] = key
        return key

    def principal(self, token: str | None) -> Principal | None:
        """Return who holds `token`; None for an unknown or missing one.

        In the mode "open" everyone is the default tenant, whatever token they send: clients of other
        servers insist on sending one.
        """
        if token and hmac.compare_digest(_digest(token), self._boot):
            return Principal(TENANT, _BOOT)
        if self._mode == "open":
            return Principal(TENANT, None)
        prefix, _, rest = (token or "").partition("_")
        id, _, secret = rest.partition("_")
        key = self._keys.get(id) if prefix == _PREFIX else None
        # The digest is computed for an unknown id too, so that time does not tell which ids exist.
        same = hmac.compare_digest(_digest(secret), key.digest if key else self._boot)
        return Principal(key.tenant, key.id) if same and key and not key.revoked else None

    def _know(self, key: ApiKey) -> None:
        self._keys[key.id] = key
        if key.limits != UNBOUND:
            self._bound(key)

    # ----------------------------------------------------------------- sessions of browsers

    def session(self, principal: Principal, now: float) -> str:
        """Return the cookie of a session: key, end, signature.  It ends with this hub at the latest."""
        body = f"{principal.key or ''}.{int(now) + SESSION_SECONDS}"
        return f"{body}.{self._sign(body)}"

    def of_session(self, cookie: str, now: float) -> Principal | None:
        """Return who a session belongs to; None when it has ended or its key was revoked."""
        body, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(_bytes(signature), _bytes(self._sign(body))):
            return None
        id, _, until = body.partition(".")
        key = self._keys.get(id)
        if now >= int(until):
            return None
        if id == _BOOT or (not id and self._mode == "open"):
            return Principal(TENANT, id or None)
        return Principal(key.tenant, key.id) if key and not key.revoked else None

    def _sign(self, body: str) -> str:
        return hmac.new(self._session_key, _bytes(body), "sha256").hexdigest()


class Attempts:
    """Wrong credentials per address: a few at once, then one a second.

    Only failures are counted, so nobody behind the same address is locked out: guessing 32 random
    bytes is hopeless, and this merely makes it cheap for us.
    """

    BURST = 10
    ADDRESSES = 4096

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def failed(self, address: str) -> None:
        """Count a failure; Overloaded when there were too many."""
        now = self._clock()
        left, at = self._left.pop(address, (float(self.BURST), now))
        left = min(self.BURST, left + now - at)
        self._left[address] = (max(0.0, left - 1), now)
        if len(self._left) > self.ADDRESSES:
            self._left.popitem(last=False)
        if left < 1:
            raise Overloaded("Too many wrong keys came from your address; wait a moment.", retry_after=1.0)


def authenticate(app: web.Application, token: str | None) -> Principal | None:
    """Return who holds `token`, None when nobody we know does."""
    return app[KEYRING].principal(token)


def principal_of(request: web.Request) -> Principal:
    """Return who sent a request; Unauthenticated, or Overloaded after too many wrong tries.

    Looked at are `Authorization: Bearer`, `X-Api-Key` (what the LangGraph SDK sends) and the cookie.
    """
    keyring, token = request.app[KEYRING], token_of(request)
    found = keyring.principal(token)
    cookie = request.cookies.get(COOKIE)
    if found is None and token is None and cookie:
        found = keyring.of_session(cookie, time.time())
    if found:
        return found
    if token or cookie:
        request.app[ATTEMPTS].failed(request.remote or "")
        raise Unauthenticated("This key is not known or was revoked; make one with `hubbub key new NAME`.")
    raise Unauthenticated(
        "This hub asks for a key; send it as `Authorization: Bearer KEY` (`hubbub key new NAME` makes one)."
    )


def token_of(request: web.Request) -> str | None:
    """Return the token in a request's headers."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer" and token.strip():
        return token.strip()
    return request.headers.get("X-Api-Key")


def _digest(secret: str) -> str:
    return hashlib.sha256(_bytes(secret)).hexdigest()


def _bytes(sent: str) -> bytes:
    """Encode what a client sent: a header may hold bytes that are no text."""
    return sent.encode("utf-8", "surrogatepass")
