"""What takes time to get is got once, and kept: who asks meanwhile waits for it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Generic, TypeVar
from uuid import UUID

V = TypeVar("V")
Key = tuple[UUID, int]  # an endpoint at its version


class Once(Generic[V]):
    """Values by endpoint and version, the `most` that were asked for last; of one event loop."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._got: OrderedDict[Key, asyncio.Task[V]] = OrderedDict()

    async def get(self, key: Key, make: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """The value at `key`; what `make` raises is raised to all that wait for it, and nothing is kept."""
        task = self._got.get(key)
        if task is None:
            task = self._got[key] = asyncio.create_task(make())
            task.add_done_callback(partial(self._done, key))
            if len(self._got) > self._most:
                self._got.popitem(last=False)
        else:
            self._got.move_to_end(key)
        return await asyncio.shield(task)  # whoever asked first may give up, and the others wait on

    def drop(self, key: Key, value: V) -> None:
        """Forget `value`, unless another one has taken its place."""
        task = self._got.get(key)
        if task is not None and task.done() and task.result() is value:
            del self._got[key]

    async def close(self) -> None:
        """Give up what is still being made."""
        tasks = list(self._got.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, key: Key, task: asyncio.Task[V]) -> None:
        if (task.cancelled() or task.exception() is not None) and self._got.get(key) is task:
            del self._got[key]
