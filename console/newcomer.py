"""All a newcomer needs in the sandbox: a partner that is live with papers and place, a client, and members to try on.

Beside it stands a partner of the sandbox's own, whose points the members hold: what the newcomer burns crosses between
two partners from the first try.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from coalition import cards, ledger, members, pins
from coalition.programme import Programme
from kit import ids, pairwise
from kit.db import Session
from kit.secrets import Keyring
from partners import accounts, brands, categories, clients, contacts, lifecycle, locations, presences, signatures
from partners.accounts import LegalEntity, Partner, PartnerNotFound
from partners.categories import CategoryNotFound
from partners.lifecycle import Step
from settlement.terms import Terms, put_in_force

NEIGHBOUR_CODE, NEIGHBOUR_NAME = "sandbox-fuel", "Sandbox Fuel"
CATEGORY = "sandbox"
PLACE = "GB"
TERMS = Terms(points_per_unit=Decimal(1), redemption_price_minor=Decimal("0.9"))
SAMPLE_POINTS = 5_000
SAMPLE_PIN = "7391"
CARD_PREFIX = "7009"
BY = "the sandbox"
PAPER = b"Sandbox agreement: nothing here is real."


@dataclass(frozen=True)
class SampleMember:
    """A member to try on: `points` of Sandbox Fuel's; `pin` is None where there is none."""

    member_id: UUID
    card: str
    points: int
    pin: str | None


@dataclass(frozen=True)
class Newcomer:
    """What the newcomer gets; the secret this once."""

    partner: Partner
    location_code: str
    client_id: str
    client_secret: str
    members: tuple[SampleMember, ...]

    def as_data(self, base_url: str, keyring: Keyring) -> dict[str, Any]:
        """All of it, for a program; members by the ids the newcomer knows them by."""
        with ids.seen_by(pairwise.view_of(keyring, self.partner.partner_id)):
            members = [{**asdict(each), "member_id": ids.show(ids.MEMBER, each.member_id)} for each in self.members]
        return {
            "base_url": base_url,
            "partner_id": ids.show(ids.PARTNER, self.partner.partner_id),
            "partner_code": self.partner.code,
            "location_code": self.location_code,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "members": members,
        }


@dataclass(frozen=True)
class Desk:
    """What every step takes: the open transaction, the coalition, its keys, the time."""

    session: Session
    programme: Programme
    keyring: Keyring
    now: datetime

    @property
    def since(self) -> date:
        """The day from which papers and prices hold: a business day that is over need not be closed yet."""
        return min(self.programme.open_day, self.programme.day(self.now))


def code_of(name: str) -> str:
    """A partner's code made of its name: small letters, digits and hyphens, 32 at most."""
    code = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:32].rstrip("-")
    return code if re.fullmatch(r"[a-z].+", code) else f"p-{code}"[:32].rstrip("-")


def welcome(desk: Desk, *, name: str, code: str) -> Newcomer:
    """Make it all for the newcomer called `name`.

    Raises MalformedPartner, PartnerCodeTaken, BrandTaken.
    """
    try:
        neighbour = accounts.by_code(desk.session, NEIGHBOUR_CODE)
    except PartnerNotFound:
        neighbour = _make_partner(desk, code=NEIGHBOUR_CODE, name=NEIGHBOUR_NAME)
    partner = _make_partner(desk, code=code, name=name)
    client, secret = clients.create(
        desk.session, partner_id=partner.partner_id, scopes=None, now=desk.now, keyring=desk.keyring
    )
    where = locations.add(
        desk.session, partner_id=partner.partner_id, code="1", name=f"{name} 1", territory=PLACE,
        address="1 Sandbox Street", now=desk.now,
    )  # fmt: skip
    locations.add_till(desk.session, location_id=where.location_id, code="1", now=desk.now)
    samples = tuple(
        _make_member(desk, partner, neighbour, points=points, pin=pin)
        for points, pin in ((SAMPLE_POINTS, None), (SAMPLE_POINTS, SAMPLE_PIN), (0, None))
    )
    return Newcomer(partner, where.code, client.client_id, secret, samples)


def _make_partner(desk: Desk, *, code: str, name: str) -> Partner:
    """A partner taken live the way every partner goes, with all its papers, a rate and an agreement."""
    session, now = desk.session, desk.now
    partner_id = accounts.onboard(
        session, code=code, name=name, now=now, made_by=BY, is_issuer=True, is_redeemer=True
    ).partner_id
    accounts.change(session, partner_id=partner_id, legal_entity=LegalEntity(f"{name} Ltd", "00000000", PLACE))
    brands.add(session, partner_id=partner_id, name=name, now=now)
    presences.add(
        session, partner_id=partner_id, category_id=_category(desk), territory=PLACE, since=desk.since, until=None,
        clause=None, now=now,
    )  # fmt: skip
    contacts.add(
        session,
        partner_id=partner_id,
        role="technical",
        name=name,
        email=f"{code}@sandbox.example",
        phone=None,
        now=now,
    )
    signatures.record(
        session, partner_id=partner_id, document="sandbox-agreement.txt", document_hash=sha256(PAPER).digest(),
        partner_signatory=name, coalition_signatory=BY, signed_on=desk.since, now=now,
    )  # fmt: skip
    step = Step("a partner of the sandbox", BY, now)
    put_in_force(session, partner_id=partner_id, terms=replace(TERMS, since=desk.since), step=step)
    return lifecycle.activate(session, partner_id=partner_id, step=step)


def _category(desk: Desk) -> UUID:
    try:
        return categories.by_path(desk.session, CATEGORY).category_id
    except CategoryNotFound:
        return categories.add(desk.session, code=CATEGORY, name="Sandbox", parent_id=None, now=desk.now).category_id


def _make_member(desk: Desk, partner: Partner, issuer: Partner, *, points: int, pin: str | None) -> SampleMember:
    card = cards.with_check_digit(f"{CARD_PREFIX}{secrets.randbelow(10**11):011d}")
    member = members.enrol(desk.session, partner_id=partner.partner_id, card=card, now=desk.now, keyring=desk.keyring)
    members.claim(desk.session, member.member_id)
    if pin is not None:
        pins.put(desk.session, member_id=member.member_id, pin=pin, keyring=desk.keyring)
    if points:
        request = ledger.Request(partner_id=issuer.partner_id, key=None, request_hash=None, now=desk.now)
        earn = ledger.Earn(member_id=member.member_id, points=points, reference=f"sample:{member.member_id}")
        ledger.post(desk.session, request, earn).unwrap()
    return SampleMember(member.member_id, card, points, pin)
