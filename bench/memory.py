"""The hub's memory over many requests that are passed on: `python -m bench.memory [REQUESTS]`."""

from __future__ import annotations

import asyncio
import sys

import aiohttp

from bench import gateway
from bench.hub import running_hub

STEPS = 10
AT_ONCE = 32
_BODY = {"model": "fast", "messages": [{"role": "user", "content": "hi"}]}


async def ask(url: str, requests: int) -> None:
    """Send requests, every hundredth as a stream, each with words of its own so that nothing is shared."""
    numbers = iter(range(requests))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:

        async def worker() -> None:
            for number in numbers:
                body = {**_BODY, "user": f"u{number}", "stream": number % 100 == 3}
                async with client.post(f"{url}/v1/chat/completions", json=body) as answer:
                    assert answer.status == 200, await answer.text()
                    await answer.read()

        await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


def main() -> None:
    """Measure and print the memory after each tenth."""
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with (
        gateway.serving("upstream") as upstream,
        running_hub(gateway.CONFIG.format(upstream=upstream)) as hub,
    ):
        asyncio.run(ask(hub.url, 2000))
        first = hub.memory()
        print(f"{'after':>8} requests  {first / 1024:7.1f} MiB (warm)", flush=True)
        for step in range(1, STEPS + 1):
            asyncio.run(ask(hub.url, total // STEPS))
            now = hub.memory()
            print(
                f"{step * total // STEPS:>8} requests  {now / 1024:7.1f} MiB ({(now - first) / 1024:+.1f})",
                flush=True,
            )


if __name__ == "__main__":
    main()
