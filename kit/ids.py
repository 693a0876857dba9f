"""Ids: UUIDv7 (RFC 9562) in the database, TypeIDs with a prefix of their kind where a person or partner sees them.

A partner sees members under ids of its own: while something is done for one (`seen_by`), members' ids are shown and
read as that partner knows them, wherever that is. Who may have our own says so (OUR_OWN): the coalition's admin, the
terminal, a member on its own pages. Outside of any view members' ids are neither shown nor read, but NoView is raised.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol
from uuid import UUID

from typeid.codecs import base32
from uuid_utils.compat import uuid7

from kit.errors import Invalid

LATEST_MS = 4_102_444_800_000  # of an id: the year 2100
# A partner's own name for a receipt, a return or whatever it posts: what a till can print and a person can type.
REFERENCE = r"[A-Za-z0-9][A-Za-z0-9._:/#-]{0,63}"
MEMBER = "mbr"
TRANSACTION = "txn"
LOT = "lot"
PARTNER = "prt"
EVENT = "evt"
ENDPOINT = "ep"
DELIVERY = "dlv"
WEBHOOK_BATCH = "wbt"
STATEMENT = "stm"
HOLD = "hld"
BATCH = "bat"
PASSKEY = "pky"
IDENTIFIER = "idn"
BRAND = "brd"
CATEGORY = "cat"
PLACEMENT = "plc"
LOCATION = "loc"
TILL = "till"
CONTACT = "ctc"
STAFF = "stf"
SIGNATURE = "sig"
STATE_CHANGE = "chg"
RATE = "rate"
AGREEMENT = "agr"
SETTLEMENT_RUN = "srn"
OBLIGATION = "obl"
PAYMENT = "pay"
MONEY_ENTRY = "ent"
BANK_ENTRY = "bke"
RECONCILIATION = "rec"
BREAK = "brk"
AWARD_PERMISSION = "awp"
REPLAY = "rpl"
DISPUTE = "dsp"

# How the fields of events and responses that hold an id are shown.
PREFIX_OF_FIELD = {
    "member_id": MEMBER,
    "merged_into": MEMBER,
    "transaction_id": TRANSACTION,
    "reverses_transaction_id": TRANSACTION,
    "lot_id": LOT,
    "origin_lot_id": LOT,
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
    "placement_id": PLACEMENT,
    "location_id": LOCATION,
    "location": LOCATION,
    "till_id": TILL,
    "contact_id": CONTACT,
    "staff_id": STAFF,
    "signature_id": SIGNATURE,
    "change_id": STATE_CHANGE,
    "rate_id": RATE,
    "agreement_id": AGREEMENT,
    "run_id": SETTLEMENT_RUN,
    "obligation_id": OBLIGATION,
    "payment_id": PAYMENT,
    "entry_id": MONEY_ENTRY,
    "bank_entry_id": BANK_ENTRY,
    "reconciliation_id": RECONCILIATION,
    "first_seen_in": RECONCILIATION,
    "last_seen_in": RECONCILIATION,
    "break_id": BREAK,
    "permission_id": AWARD_PERMISSION,
    "replay_id": REPLAY,
    "dispute_id": DISPUTE,
}


class MalformedId(Invalid):
    code = "malformed_id"
    title = "Malformed id"
    description = "The id does not have the form that its place requires."
    remedy = (
        "Send the id exactly as you received it. Its prefix says what it belongs to, such as mbr_ for a member, and "
        "has to fit this place."
    )


class View(Protocol):
    """How somebody sees members (`kit.pairwise`)."""

    def outer(self, member_id: UUID) -> UUID:
        """The id it knows the member by."""

    def inner(self, shown: UUID) -> UUID:
        """Our own id of whom it means."""


class _OurOwn:
    def outer(self, member_id: UUID) -> UUID:
        return member_id

    def inner(self, shown: UUID) -> UUID:
        return shown


OUR_OWN: View = _OurOwn()


class NoView(RuntimeError):
    """A member's id is shown or read where nothing says who sees it: a fault of ours, and better than a leak."""


_view: ContextVar[View | None] = ContextVar("view", default=None)


@contextmanager
def seen_by(view: View | None) -> Iterator[None]:
    """Show and read members' ids as `view` has them; None: not at all."""
    before = _view.set(view)
    try:
        yield
    finally:
        _view.reset(before)


def see_as(view: View) -> None:
    """Like `seen_by`, from here on: for a request that learns who is asking; what is around it takes it back."""
    _view.set(view)


def new() -> UUID:
    """A new UUIDv7: ordered by time, so that indexes grow at their right edge."""
    return uuid7()


def first_at(at_ms: int) -> UUID:
    """What all ids made at `at_ms`, in milliseconds since 1970, or later are not less than (RFC 9562 §5.7)."""
    return UUID(int=min(max(at_ms, 0), LATEST_MS) << 80)


def show(prefix: str, value: UUID) -> str:
    """`value` as a TypeID, e.g. `mbr_01h45ytscbebyvny4gc8cr8ma2`; raises NoView."""
    if prefix == MEMBER:
        value = _view_in_force().outer(value)
    return f"{prefix}_{base32.encode(value.bytes)}"


def show_raw(prefix: str, value: bytes) -> str:
    """The same of an id's 16 bytes, as PostgreSQL sends them, but not of a member's: where there are very many."""
    return f"{prefix}_{base32.encode(value)}"


def show_our_own(member_id: UUID) -> str:
    """A member as we know it, whoever it is done for: for what we write down for ourselves."""
    with seen_by(OUR_OWN):
        return show(MEMBER, member_id)


def _view_in_force() -> View:
    view = _view.get()
    if view is None:
        raise NoView("a member's id is shown or read outside of any view: see `ids.seen_by`")
    return view


def show_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """`data` with the ids in it, known by the names of their fields, shown as TypeIDs; also those of its lists."""
    return {name: _shown(name, value) for name, value in data.items()}


def _shown(name: str, value: Any) -> Any:
    if value and name in PREFIX_OF_FIELD:
        return show(PREFIX_OF_FIELD[name], UUID(str(value)))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [show_fields(each) for each in value]
    return value


def parse(prefix: str, text: str) -> UUID:
    """The UUID in the TypeID `text`; raises MalformedId unless it carries `prefix`, and NoView."""
    view = _view_in_force() if prefix == MEMBER else OUR_OWN
    given, _, suffix = text.rpartition("_")
    try:
        # 26 digits of 5 bits are two more than an id has.
        value = UUID(bytes=base32.decode(suffix)) if given == prefix and suffix[:1] <= "7" else None
    except (RuntimeError, ValueError):
        value = None
    if value is None:
        raise MalformedId(f"expected an id that starts with {prefix}_", expected_prefix=prefix)
    return view.inner(value)
