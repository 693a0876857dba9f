"""What the admin's routes share: pages of things by id, fields people write, and the step a state change is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any
from uuid import UUID

import marshmallow as ma

from api.auth import admin
from kit import audit, ids
from kit.db import Session
from kit.http import paging
from kit.http.paging import Page
from kit.http.services import services
from partners import accounts

READ, WRITE = "admin:read", "admin:write"
PREFIX = "/v1/admin"
# What anything that belongs to a partner can meet.
OWNED = (accounts.PartnerNotFound, accounts.PartnerGone)
FIRST_ID = UUID(int=0)
Fetch = Callable[..., Sequence[Any]]


def line(most: int, **kwargs: Any) -> ma.fields.String:
    """A line of text of 1 to `most` characters; what it may hold is checked where it is understood."""
    return ma.fields.String(validate=ma.validate.Length(1, most), **kwargs)


class ReasonSchema(ma.Schema):
    schema_description = "Why you do this. The audit keeps the reason, and the client that asks as the one who does it."

    reason = line(audit.LONGEST_REASON, required=True)


class NoteSchema(ma.Schema):
    """Why it is done, where that is to stand in the audit."""

    reason = line(audit.LONGEST_REASON)


class LeftOutSchema(NoteSchema):
    schema_description = "Why you do this, in a request that needs no body."

    may_be_left_out = True


@cache
def page_schema(item: type[ma.Schema]) -> type[ma.Schema]:
    """The schema of a page of `item`; the same one each time, as the API's description wants it."""
    fields: dict[str, Any] = {
        "data": ma.fields.List(ma.fields.Nested(item)),
        "next_cursor": ma.fields.String(allow_none=True),
    }
    return ma.Schema.from_dict(fields, name=item.__name__.removesuffix("Schema") + "PageSchema")


def page(
    query: dict[str, Any],
    *,
    key: str,
    bound_to: Sequence[Any],
    fetch: Callable[[Session, UUID, int], Any],
    start: UUID = FIRST_ID,
) -> Page:
    """The page `query` asks for of what `fetch` gives behind an id, in the order of the ids in the field `key`."""
    svc = services()
    bound = [key, admin().client_id, *bound_to]
    after = paging.unseal(svc.keyring, query["cursor"], bound_to=bound, start=start.int)
    with svc.reading() as session:
        found = fetch(session, UUID(int=after), query["limit"] + 1)
    data = list(found[: query["limit"]])
    more = len(found) > len(data)
    cursor = paging.seal(svc.keyring, bound_to=bound, position=getattr(data[-1], key).int) if more else None
    return Page(data, cursor)


def page_of_partner(query: dict[str, Any], partner_id: str, *, key: str, fetch: Fetch) -> Page:
    """Like `page`, of what belongs to one partner; raises PartnerNotFound, MalformedId."""
    owner = ids.parse(ids.PARTNER, partner_id)

    def of_owner(session: Session, after: UUID, limit: int) -> Sequence[Any]:
        accounts.by_id(session, owner)
        return fetch(session, partner_id=owner, after=after, limit=limit)

    return page(query, key=key, bound_to=[owner], fetch=of_owner)
