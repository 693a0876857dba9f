"""Lookups of a request: those that `identity.lookups` calls so are counted and audited, and a dry run takes the scope.

A dry run leaves nothing in the ledger, so all whom it names count, before anybody is looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from api import admission
from api.auth import principal
from coalition.identifiers import KIND_OF_FIELD
from identity.lookups import TELLING, names, tells
from kit import ids
from kit.http.problems import InsufficientScope, document
from kit.http.rate_limits import RateLimited
from kit.http.requests import is_dry_run

SCOPE = "members:identify"


@contextmanager
def naming(body: Mapping[str, Any]) -> Iterator[None]:
    """Let the block look for whom `body` names; raises InsufficientScope, or RateLimited instead of its refusal."""
    if not names(body):
        yield
        return
    count = sum(body.get(field) is not None for field in KIND_OF_FIELD)
    if is_dry_run():
        _begin(count)
        yield
        admission.looked_up([None])
        return
    try:
        yield
    except TELLING:
        admission.count_lookups(count)
        admission.looked_up([None])
        raise


def begin_batch(items: list[Any]) -> None:
    """Count whom the items of a dry run name, before any is looked for; raises InsufficientScope, RateLimited."""
    if is_dry_run() and (count := sum(map(names, items))):
        _begin(count)


def end_batch(items: list[Any], answers: list[dict[str, Any]]) -> None:
    """Count the refusals of items that name somebody; where the budget is used up, they tell no more than that."""
    over: RateLimited | None = None
    found: list[UUID | None] = []
    for item, answer in zip(items, answers, strict=True):
        if not (names(item) if is_dry_run() else tells(item, answer)):
            continue
        if not is_dry_run():
            over = over or _count_one()
        if over is not None:
            problem = document(over)
            answer.update(status=problem["status"], problem=problem)
            continue
        shown = answer.get("transaction", {}).get("member_id")
        found.append(ids.parse(ids.MEMBER, shown) if shown else None)
    admission.looked_up(found)


def _begin(count: int) -> None:
    if SCOPE not in principal().scopes:
        raise InsufficientScope(f"a dry run that names a member needs the scope {SCOPE}", required_scope=SCOPE)
    admission.count_lookups(count)


def _count_one() -> RateLimited | None:
    try:
        admission.count_lookups(1)
    except RateLimited as error:
        return error
    return None
