# /// script
# dependencies = ["redis>=6"]
# ///
"""The cache `redis`: shared by several hubs, and there after a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from hubbub import Health, hookimpl

if TYPE_CHECKING:
    from redis.asyncio import Redis as Client


class Settings(BaseModel):
    """`[plugins.redis]`: where the server is, and what its keys begin with."""

    url: str = Field(
        default="redis://127.0.0.1:6379/0", description='the server; with a password write "secret:REDIS_URL"'
    )
    prefix: str = Field(default="hubbub:", description="what every key begins with")
    timeout: float = Field(default=1.0, gt=0, description="seconds that one answer may take")


class Redis:
    """Redis forgets by itself what is over, and what does not fit when it is told to."""

    name = "redis"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client | None = None

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None."""
        found = await self._connected().get(self._settings.prefix + key)
        return found if isinstance(found, bytes) else None

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keep the value for `ttl` seconds, to the millisecond."""
        await self._connected().set(self._settings.prefix + key, value, px=max(1, round(ttl * 1000)))

    async def delete(self, key: str) -> None:
        """Forget the value."""
        await self._connected().delete(self._settings.prefix + key)

    async def check(self) -> Health:
        """Say whether the server answers."""
        try:
            await self._connected().ping()
        except Exception as error:
            return Health(False, f"Redis does not answer ({type(error).__name__}); start it, or mend its url")
        return Health(True)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _connected(self) -> Client:
        if self._client is None:
            from redis.asyncio import Redis as Client

            wait = self._settings.timeout
            self._client = Client.from_url(
                self._settings.url, socket_timeout=wait, socket_connect_timeout=wait
            )
        return self._client


@hookimpl
def register_caches(settings: Settings) -> list[Redis]:
    """Supply the cache that `[cache] use = "redis"` names."""
    return [Redis(settings)]
