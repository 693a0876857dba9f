"""What the admin's routes share: pages of things by id, fields people write, and the step a state change is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any
from uuid import UUID

import marshmallow as ma

from kit import ids
from kit.db import Session
from kit.http import paging
from kit.http.paging import Page
from kit.http.services import services
from partners import accounts, texts
from partners.http import admission
from partners.http.auth import admin

READ, WRITE = "admin:read", "admin:write"
PREFIX = "/v1/admin"
# What anything that belongs to a partner can meet.
OWNED = (accounts.PartnerNotFound, accounts.PartnerGone)
Fetch = Callable[..., Sequence[Any]]


def line(most: int, **kwargs: Any) -> ma.fields.String:
    """A line of text of 1 to `most` characters; what it may hold is checked where it is understood."""
    return ma.fields.String(validate=ma.validate.Length(1, most), **kwargs)


class ReasonSchema(ma.Schema):
    """Why it is done; who does it is the client that asks. Both stand in the audit."""

    reason = line(accounts.LONGEST_REASON, required=True)


class NoteSchema(ma.Schema):
    """Why it is done, where that is to stand in the audit."""

    reason = line(accounts.LONGEST_REASON)


class LeftOutSchema(NoteSchema):
    """The same, of a request that needs no body."""

    may_be_left_out = True


def write_down(session: Session, action: str, found: Any, *, key: str, **facts: object) -> None:
    """Write into the audit what this request did to `found`, whose id is in its field `key`; last in its transaction.

    Facts are ids, states and the names of fields, never what says who somebody is.
    """
    prefix = ids.PREFIX_OF_FIELD.get(key)
    subject = getattr(found, key)
    owner = getattr(found, "partner_id", None)
    if owner is not None and key != "partner_id":
        facts["of"] = ids.show(ids.PARTNER, owner)
    if (reason := facts.pop("reason", None)) is not None:
        facts["reason"] = texts.text(str(reason), what="reason", longest=accounts.LONGEST_REASON)
    admission.write_down(session, action, ids.show(prefix, subject) if prefix else subject, **facts)


@cache
def page_schema(item: type[ma.Schema]) -> type[ma.Schema]:
    """The schema of a page of `item`; the same one each time, as the API's description wants it."""
    fields: dict[str, Any] = {
        "data": ma.fields.List(ma.fields.Nested(item)),
        "next_cursor": ma.fields.String(allow_none=True),
    }
    return ma.Schema.from_dict(fields, name=item.__name__.removesuffix("Schema") + "PageSchema")


def page(
    query: dict[str, Any], *, key: str, bound_to: Sequence[Any], fetch: Callable[[Session, UUID, int], Any]
) -> Page:
    """The page `query` asks for of what `fetch` gives behind an id, in the order of the ids in the field `key`."""
    parts = services()
    bound = [key, admin().client_id, *bound_to]
    after = paging.unseal(parts.keyring, query["cursor"], bound_to=bound, start=0)
    with parts.reading() as session:
        found = fetch(session, UUID(int=after), query["limit"] + 1)
    data = list(found[: query["limit"]])
    more = len(found) > len(data)
    cursor = paging.seal(parts.keyring, bound_to=bound, position=getattr(data[-1], key).int) if more else None
    return Page(data, cursor)


def page_of_partner(query: dict[str, Any], partner_id: str, *, key: str, fetch: Fetch) -> Page:
    """Like `page`, of what belongs to one partner; raises PartnerNotFound, MalformedId."""
    owner = ids.parse(ids.PARTNER, partner_id)

    def of_owner(session: Session, after: UUID, limit: int) -> Sequence[Any]:
        accounts.by_id(session, owner)
        return fetch(session, partner_id=owner, after=after, limit=limit)

    return page(query, key=key, bound_to=[owner], fetch=of_owner)
