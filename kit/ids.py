"""Ids: UUIDv7 (RFC 9562) in the database, TypeIDs with a prefix of their kind where a person or partner sees them.

A partner sees members under ids of its own: while something is done for one (`seen_by`), members' ids are shown and
read as that partner knows them, wherever that is. Else they are our own: for the coalition's admin and the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, cast
from uuid import UUID

import uuid_utils
from typeid import TypeID
from typeid.errors import TypeIDException
from uuid_utils.compat import uuid7

from kit.errors import Invalid

MEMBER = "mbr"
TRANSACTION = "txn"
PARTNER = "prt"
EVENT = "evt"
ENDPOINT = "ep"
DELIVERY = "dlv"
STATEMENT = "stm"
HOLD = "hld"
BATCH = "bat"
PASSKEY = "pky"
IDENTIFIER = "idn"
BRAND = "brd"
CATEGORY = "cat"
PRESENCE = "prs"
LOCATION = "loc"
TILL = "till"
CONTACT = "ctc"
STAFF = "stf"
SIGNATURE = "sig"
STATE_CHANGE = "chg"
RATE = "rate"
AGREEMENT = "agr"

# How the fields of events and responses that hold an id are shown.
PREFIX_OF_FIELD = {
    "member_id": MEMBER,
    "merged_into": MEMBER,
    "transaction_id": TRANSACTION,
    "reverses_transaction_id": TRANSACTION,
    "lot_transaction_id": TRANSACTION,
    "partner_id": PARTNER,
    "issuer_id": PARTNER,
    "event_id": EVENT,
    "endpoint_id": ENDPOINT,
    "delivery_id": DELIVERY,
    "statement_id": STATEMENT,
    "hold_id": HOLD,
    "batch_id": BATCH,
    "identifier_id": IDENTIFIER,
    "brand_id": BRAND,
    "category_id": CATEGORY,
    "parent_id": CATEGORY,
    "presence_id": PRESENCE,
    "location_id": LOCATION,
    "till_id": TILL,
    "contact_id": CONTACT,
    "staff_id": STAFF,
    "signature_id": SIGNATURE,
    "change_id": STATE_CHANGE,
    "rate_id": RATE,
    "agreement_id": AGREEMENT,
}


class MalformedId(Invalid):
    """An id is not of the form its place asks for."""

    code = "malformed_id"
    title = "Malformed id"


class View(Protocol):
    """How somebody sees members (`kit.pairwise`)."""

    def outer(self, member_id: UUID) -> UUID:
        """The id it knows the member by."""

    def inner(self, shown: UUID) -> UUID:
        """Our own id of whom it means."""


_view: ContextVar[View | None] = ContextVar("view", default=None)


@contextmanager
def seen_by(view: View | None) -> Iterator[None]:
    """Show and read members' ids as `view` has them; None: as they are."""
    before = _view.set(view)
    try:
        yield
    finally:
        _view.reset(before)


def see_as(view: View | None) -> None:
    """Like `seen_by`, from here on: for a request, whose end takes it back."""
    _view.set(view)


def new() -> UUID:
    """A new UUIDv7: ordered by time, so that indexes grow at their right edge."""
    return uuid7()


def show(prefix: str, value: UUID) -> str:
    """`value` as a TypeID, e.g. `mbr_01h45ytscbebyvny4gc8cr8ma2`."""
    if prefix == MEMBER and (view := _view.get()) is not None:
        value = view.outer(value)
    return str(TypeID.from_uuid(suffix=cast(uuid_utils.UUID, value), prefix=prefix))


def show_our_own(member_id: UUID) -> str:
    """A member as we know it, whoever it is done for: for what we write down for ourselves."""
    with seen_by(None):
        return show(MEMBER, member_id)


def show_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """`data` with the ids in it, known by the names of their fields, shown as TypeIDs."""
    return {
        name: show(PREFIX_OF_FIELD[name], UUID(str(value))) if value and name in PREFIX_OF_FIELD else value
        for name, value in data.items()
    }


def parse(prefix: str, text: str) -> UUID:
    """The UUID in the TypeID `text`; raises MalformedId unless it carries `prefix`."""
    try:
        typeid = TypeID.from_string(text)
    except TypeIDException:
        typeid = None
    if typeid is None or typeid.prefix != prefix:
        raise MalformedId(f"expected an id that starts with {prefix}_", expected_prefix=prefix)
    value = UUID(int=typeid.uuid.int)
    if prefix == MEMBER and (view := _view.get()) is not None:
        return view.inner(value)
    return value
