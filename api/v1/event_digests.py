"""/v1/event-digests: what your events of a day come to, signed, to compare with what you received."""

from __future__ import annotations

from datetime import date
from typing import Any

import marshmallow as ma

from api import feed_cursors
from api.auth import principal, requires
from kit.http import paging
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.paging import Page, PageQuery
from kit.http.services import services
from webhooks import digests
from webhooks.digests import Digest, DigestNotFound

event_digests_api = Blueprint(
    "event-digests",
    __name__,
    url_prefix="/v1/event-digests",
    description="A signed digest of each day's events",
)
_HEX = {"pattern": "^[0-9a-f]{64}$", "example": "0" * 64}


class DigestSchema(ma.Schema):
    schema_description = "Your events of one day in UTC: how many, and a hash over their ids, signed."

    day = ma.fields.Date()
    events = ma.fields.Integer()
    ids_sha256 = ma.fields.String(
        metadata={"description": "SHA-256 over the events' ids in order, each followed by a newline.", **_HEX}
    )
    cursor = ma.fields.String(
        metadata={
            "description": "Pass it to GET /v1/events as `cursor`: the first `events` events are those of this digest.",
            "example": "hJ0rqk3o",
        }
    )
    made_at = ma.fields.AwareDateTime()
    signed = ma.fields.String(
        metadata={"description": "The text that is signed, to the letter.", "example": "coalition.event-digest/1\n"}
    )
    signature = ma.fields.String(
        metadata={
            "description": "The Ed25519 signature of `signed` (RFC 8032), in hexadecimal.",
            "pattern": "^[0-9a-f]{128}$",
            "example": "0" * 128,
        }
    )
    public_key = ma.fields.String(
        metadata={"description": "The key to check it with. It stays the same: keep it, and compare.", **_HEX}
    )


class DigestPageSchema(ma.Schema):
    schema_description = "A page of digests."

    data = ma.fields.List(ma.fields.Nested(DigestSchema))
    next_cursor = ma.fields.String(allow_none=True)


@event_digests_api.get("")
@event_digests_api.doc(summary="List your digests, newest first: one for each day.")
@requires(event_digests_api, "webhooks:write")
@fails_with(paging.InvalidCursor)
@event_digests_api.arguments(PageQuery(), location="query")
@event_digests_api.response(200, DigestPageSchema)
def everything(query: dict[str, Any]) -> Page:
    svc = services()
    partner_id = principal().partner_id
    bound_to = ["event-digests", principal().client_id]
    before = paging.unseal(svc.keyring, query["cursor"], bound_to=bound_to, start=date.max.toordinal())
    with svc.reading() as session:
        found = digests.of_partner(session, partner_id, before=date.fromordinal(before), limit=query["limit"] + 1)
        page = [_shown(digests.signed(session, one), one) for one in found[: query["limit"]]]
    more = len(found) > len(page)
    last = found[len(page) - 1].day.toordinal() if more else 0
    return Page(page, paging.seal(svc.keyring, bound_to=bound_to, position=last) if more else None)


@event_digests_api.get("/<day>")
@event_digests_api.doc(summary="Get the digest of a day. It ends with the last event we wrote before midnight in UTC.")
@requires(event_digests_api, "webhooks:write")
@fails_with(DigestNotFound)
@event_digests_api.response(200, DigestSchema)
def get(day: str) -> dict[str, Any]:
    with services().reading() as session:
        found = digests.get(session, partner_id=principal().partner_id, day=_day(day))
        return _shown(digests.signed(session, found), found)


def _day(given: str) -> date:
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise DigestNotFound("a day is written as in 2026-03-02") from None


def _shown(signed: str, digest: Digest) -> dict[str, Any]:
    keyring = services().keyring
    return {
        "day": digest.day,
        "events": digest.events,
        "ids_sha256": digest.ids_hash.hex(),
        "cursor": feed_cursors.seal(keyring, digest.after_position, partner_id=digest.partner_id),
        "made_at": digest.made_at,
        "signed": signed,
        "signature": digest.signature.hex(),
        "public_key": digests.public_key(keyring).hex(),
    }
