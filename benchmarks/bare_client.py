"""What webhooks are measured against: aiohttp posting in a loop; `python -m benchmarks.bare_client`.

No database, no signature, no record: what one event loop with this library can send at most. JSON in and out.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass

import aiohttp

from kit.supervisor import exit_with_parent


@dataclass(frozen=True)
class Order:
    """How many bodies of which size go to `url`, so many at a time."""

    url: str
    posts: int
    body_bytes: int
    concurrency: int


async def post(order: Order) -> float:
    """Post them all; the seconds it took. Raises aiohttp.ClientError."""
    left = iter(range(order.posts))
    body = b"x" * order.body_bytes
    headers = {"Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers, trust_env=False) as http:

        async def work() -> None:
            for _ in left:
                async with http.post(order.url, data=body) as response:
                    response.raise_for_status()
                    await response.read()

        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(order.concurrency)))
        return time.perf_counter() - began


def as_question(order: Order) -> str:
    """What this program reads."""
    return json.dumps(asdict(order))


if __name__ == "__main__":
    exit_with_parent()
    print(asyncio.run(post(Order(**json.load(sys.stdin)))))
