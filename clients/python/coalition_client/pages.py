"""Lists that come in pages: iterate over all of it, or take a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from coalition_client.values import Meta

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page; `next_cursor` is None on the last."""

    data: tuple[T, ...]
    next_cursor: str | None
    meta: Meta = field(default=Meta(), repr=False, compare=False)


class Pages(Generic[T]):
    """A list: iterating asks for page after page as they are needed, `page` for one."""

    def __init__(self, fetch: Callable[[str | None], Page[T]]) -> None:
        self._fetch = fetch

    def __iter__(self) -> Iterator[T]:
        page = self._fetch(None)
        yield from page.data
        while page.next_cursor is not None:
            page = self._fetch(page.next_cursor)
            yield from page.data

    def page(self, cursor: str | None = None) -> Page[T]:
        """The first page, or the one that `cursor`, the `next_cursor` of another, leads to."""
        return self._fetch(cursor)
