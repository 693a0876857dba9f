"""All a new partner needs in the sandbox: a live partner with papers and place, a client, and members to try on.

Beside it stands a partner of the sandbox's own, whose points the members hold: what the new partner burns crosses
between two partners from the first try.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from coalition import cards, ledger, members, pins
from coalition.programme import Programme
from identity import clients
from kit import ids, pairwise
from kit.audit import Act
from kit.db import Session
from kit.secrets import Keyring
from partners import accounts, brands, categories, contacts, issuing, lifecycle, locations, placements, signatures
from partners.accounts import LegalEntity, Partner, PartnerNotFound
from partners.categories import CategoryNotFound
from settlement.terms import Terms, put_in_force

NEIGHBOUR_CODE, NEIGHBOUR_NAME = "sandbox-fuel", "Sandbox Fuel"
CATEGORY = "sandbox"
PLACE = "GB"
TERMS = Terms(points_per_unit=Decimal(1), redemption_price_minor=Decimal("0.9"))
SAMPLE_POINTS = 5_000
SAMPLE_PIN = "7391"
CARD_PREFIX = "7009"
BY = "the sandbox"
WHY = "a partner of the sandbox"
PAPER = b"Sandbox agreement: nothing here is real."


@dataclass(frozen=True)
class SampleMember:
    """A member to try on: `points` of Sandbox Fuel's; `pin` is None where there is none."""

    member_id: UUID
    card: str
    points: int
    pin: str | None


@dataclass(frozen=True)
class Onboarded:
    """What the new partner gets; the secret this once."""

    partner: Partner
    location_code: str
    client_id: str
    client_secret: str
    members: tuple[SampleMember, ...]

    def as_data(self, base_url: str, keyring: Keyring) -> dict[str, Any]:
        """All of it, for a program; members by the ids the new partner knows them by."""
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
    """What every step takes: the open transaction, the coalition, and who makes it all, when."""

    session: Session
    programme: Programme
    act: Act

    @property
    def since(self) -> date:
        """The day from which papers and prices hold: a business day that is over need not be closed yet."""
        return min(self.programme.open_day, self.programme.day(self.act.now))


def code_of(name: str) -> str:
    """A partner's code made of its name: small letters, digits and hyphens, 32 at most."""
    code = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:32].rstrip("-")
    return code if re.fullmatch(r"[a-z].+", code) else f"p-{code}"[:32].rstrip("-")


def onboard(desk: Desk, *, name: str, code: str) -> Onboarded:
    """Make it all for the new partner called `name`.

    Raises MalformedPartner, PartnerCodeTaken, BrandTaken.
    """
    # These locks come before the first entry in the audit: who holds them may wait for the audit's end.
    placements.take_turn(desk.session)
    issuing.hold(desk.session)
    try:
        neighbour = accounts.by_code(desk.session, NEIGHBOUR_CODE)
    except PartnerNotFound:
        neighbour = _make_partner(desk, code=NEIGHBOUR_CODE, name=NEIGHBOUR_NAME)
    partner = _make_partner(desk, code=code, name=name)
    client, secret = clients.create(desk.session, desk.act, partner_id=partner.partner_id, scopes=None)
    where = locations.add(
        desk.session, desk.act, partner_id=partner.partner_id, code="1", name=f"{name} 1", territory=PLACE,
        address="1 Sandbox Street",
    )  # fmt: skip
    locations.add_till(desk.session, desk.act, location_id=where.location_id, code="1")
    samples = tuple(
        _make_member(desk, partner, neighbour, points=points, pin=pin)
        for points, pin in ((SAMPLE_POINTS, None), (SAMPLE_POINTS, SAMPLE_PIN), (0, None))
    )
    return Onboarded(partner, where.code, client.client_id, secret, samples)


def _make_partner(desk: Desk, *, code: str, name: str) -> Partner:
    """A partner taken live the way every partner goes, with all its papers, a rate and an agreement."""
    session, act = desk.session, desk.act
    entity = LegalEntity(f"{name} Ltd", "00000000", PLACE)
    partner_id = accounts.onboard(
        session, act, code=code, name=name, is_issuer=True, is_redeemer=True, legal_entity=entity
    ).partner_id
    brands.add(session, act, partner_id=partner_id, name=name)
    placements.add(
        session, act, partner_id=partner_id, category_id=_category(desk), territory=PLACE, since=desk.since,
        until=None, clause=None,
    )  # fmt: skip
    contacts.add(
        session,
        act,
        partner_id=partner_id,
        role="technical",
        name=name,
        email=f"{code}@sandbox.example",
        phone=None,
    )
    signatures.record(
        session, act, partner_id=partner_id, document="sandbox-agreement.txt", document_hash=sha256(PAPER).digest(),
        partner_signatory=name, coalition_signatory=BY, signed_on=desk.since,
    )  # fmt: skip
    put_in_force(session, act, partner_id=partner_id, terms=replace(TERMS, since=desk.since))
    return lifecycle.activate(session, act, partner_id=partner_id)


def _category(desk: Desk) -> UUID:
    try:
        return categories.by_path(desk.session, CATEGORY).category_id
    except CategoryNotFound:
        return categories.add(desk.session, desk.act, code=CATEGORY, name="Sandbox", parent_id=None).category_id


def _make_member(desk: Desk, partner: Partner, issuer: Partner, *, points: int, pin: str | None) -> SampleMember:
    card = cards.with_check_digit(f"{CARD_PREFIX}{secrets.randbelow(10**11):011d}")
    now, keyring = desk.act.now, desk.act.keyring
    member = members.enrol(desk.session, partner_id=partner.partner_id, card=card, now=now, keyring=keyring)
    members.claim(desk.session, member.member_id)
    if pin is not None:
        pins.put(desk.session, desk.act, member_id=member.member_id, pin=pin)
    if points:
        request = ledger.Request(partner_id=issuer.partner_id, key=None, request_hash=None, now=now)
        earn = ledger.Earn(member_id=member.member_id, points=points, reference=f"sample:{member.member_id}")
        ledger.post(desk.session, request, earn).unwrap()
    return SampleMember(member.member_id, card, points, pin)
