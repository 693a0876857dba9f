"""Partners: the brands of the coalition."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from kit import audit, ids
from kit.audit import Act
from kit.db import Session
from kit.errors import Conflict, Invalid, NotFound
from kit.expected_version import ExpectedVersion, check
from partners import codes, issuing, texts
from partners.states import Standing, Status


class PartnerNotFound(NotFound):
    code = "partner_not_found"
    title = "Partner not found"
    description = "No partner has this code or id."
    remedy = (
        "Check the partner's code for typing errors, or its id. The coalition lists all partners with GET "
        "/v1/admin/partners and `coalition partner list`."
    )


class PartnerCodeTaken(Conflict):
    code = "partner_code_taken"
    title = "Partner code taken"
    description = "Another partner has this code."
    remedy = (
        "Choose another code. If you meant the existing partner, read it with `coalition partner show` and change it."
    )


class MalformedPartner(Invalid):
    code = "malformed_partner"
    title = "Malformed partner"
    description = (
        "A partner's code has 2 to 32 lower-case letters, digits and hyphens, and is not `coalition`, which stands for "
        "the coalition itself. Its name has 1 to 100 characters."
    )
    remedy = "Correct the code or the name, and give the partner at least one role: issuer or redeemer."


class PartnerNotActive(Conflict):
    code = "partner_not_active"
    title = "Partner not active"
    description = "Only an active partner can have this. `partner_status` is the partner's status."
    remedy = (
        "Activate or resume the partner first, with POST /v1/admin/partners/{partner_id}/activate or /resume, or try "
        "it in the sandbox."
    )
    facts = ("partner_status",)


class PartnerGone(Conflict):
    code = "partner_gone"
    title = "Partner has left"
    description = "The partner has left the coalition. Its account no longer changes."
    remedy = "Use another partner. A partner that comes back gets a new account with a code of its own."


@dataclass(frozen=True)
class LegalEntity:
    """Who the partner is in law: name, number in its register, country (ISO 3166-1)."""

    legal_name: str
    registration_no: str
    country: str


@dataclass(frozen=True)
class Partner:
    """A brand: `code` is how files and commands name it, `name` how people do.

    `earns_until`, `burns_until` and `leaves_at` are set once it is leaving.
    """

    partner_id: UUID
    code: str
    name: str
    is_issuer: bool
    is_redeemer: bool
    status: Status = "active"
    legal_name: str | None = None
    registration_no: str | None = None
    country: str | None = None
    earns_until: datetime | None = None
    burns_until: datetime | None = None
    leaves_at: datetime | None = None
    created_at: datetime | None = None
    version: int = 1

    @property
    def legal_entity(self) -> LegalEntity | None:
        """Who it is in law, once that is known."""
        if self.legal_name is None or self.registration_no is None or self.country is None:
            return None
        return LegalEntity(self.legal_name, self.registration_no, self.country)

    @property
    def standing(self) -> Standing:
        """What it may post."""
        return Standing(self.status, self.earns_until, self.burns_until)


@dataclass(frozen=True)
class StateChange:
    """One step in a partner's life: why, by whom, when."""

    change_id: UUID
    partner_id: UUID
    from_status: Status | None
    to_status: Status
    reason: str
    made_by: str
    at: datetime


_SELECT = """
    SELECT partner_id, code, name, is_issuer, is_redeemer, status::text, legal_name, registration_no, country,
           earns_until, burns_until, leaves_at, created_at, version
    FROM partners.partner
"""


def onboard(
    session: Session,
    act: Act,
    *,
    code: str,
    name: str,
    is_issuer: bool,
    is_redeemer: bool,
    legal_entity: LegalEntity | None = None,
) -> Partner:
    """A new partner that begins with onboarding; `lifecycle.activate` or `vouch` ends it.

    Raises MalformedPartner, PartnerCodeTaken, MalformedText, UnknownCountry.
    """
    entity = vars(_checked(legal_entity)) if legal_entity else {}
    partner = Partner(ids.new(), code, name, is_issuer, is_redeemer, status="onboarding", created_at=act.now, **entity)
    if not re.fullmatch(r"[a-z][a-z0-9-]{1,31}", partner.code):
        raise MalformedPartner("a code has 2 to 32 lower-case letters, digits and hyphens, and begins with a letter")
    if partner.code == codes.COALITION:
        raise MalformedPartner(f"the code {codes.COALITION} stands for the coalition itself; choose another one")
    _check(partner.name, is_issuer=partner.is_issuer, is_redeemer=partner.is_redeemer)
    done = session.execute(
        text("""
            INSERT INTO partners.partner (partner_id, code, name, is_issuer, is_redeemer, status, legal_name,
                                          registration_no, country, created_at)
            VALUES (:partner_id, :code, :name, :is_issuer, :is_redeemer, CAST(:status AS partners.partner_status),
                    :legal_name, :registration_no, :country, :created_at)
            ON CONFLICT (code) DO NOTHING
        """),
        vars(partner),
    )
    if done.rowcount == 0:
        raise PartnerCodeTaken(f"there is already a partner {partner.code}")
    begun = StateChange(ids.new(), partner.partner_id, None, "onboarding", "onboarding begins", act.decider, act.now)
    record(session, begun)
    audit.append(session, act, "partner.onboarded", partner)
    return partner


def _check(name: str, *, is_issuer: bool, is_redeemer: bool) -> None:
    if not 1 <= len(name) <= texts.LONGEST_NAME or not name.isprintable():
        raise MalformedPartner("a name has 1 to 100 printable characters")
    if not (is_issuer or is_redeemer):
        raise MalformedPartner("a partner issues points, redeems them, or both")


def _checked(entity: LegalEntity) -> LegalEntity:
    return LegalEntity(
        texts.text(entity.legal_name, what="legal_name", longest=200),
        texts.text(entity.registration_no, what="registration_no", longest=50),
        texts.country(entity.country),
    )


def change(
    session: Session,
    act: Act,
    *,
    partner_id: UUID,
    name: str | None = None,
    is_issuer: bool | None = None,
    is_redeemer: bool | None = None,
    legal_entity: LegalEntity | None = None,
    expected_version: ExpectedVersion = None,
) -> Partner:
    """Change what is given and leave the rest.

    Whoever is live and begins to issue points needs its terms first. Raises PartnerNotFound, PartnerGone,
    TermsMissing, MalformedPartner, MalformedText, UnknownCountry, Stale.
    """
    before = present(session, partner_id)
    check(before.version, expected_version)
    if is_issuer and not before.is_issuer and before.status != "onboarding":
        issuing.require(session, partner_id)
    given: dict[str, Any] = {"name": name, "is_issuer": is_issuer, "is_redeemer": is_redeemer}
    changes = {field: value for field, value in given.items() if value is not None}
    wanted = replace(before, **changes, **(vars(_checked(legal_entity)) if legal_entity else {}))
    _check(wanted.name, is_issuer=wanted.is_issuer, is_redeemer=wanted.is_redeemer)
    session.execute(
        text("""
            UPDATE partners.partner SET name = :name, is_issuer = :is_issuer, is_redeemer = :is_redeemer,
                legal_name = :legal_name, registration_no = :registration_no, country = :country
            WHERE partner_id = :partner_id
        """),
        vars(wanted),
    )
    found = by_id(session, partner_id)
    said = sorted([*changes, *(["legal_entity"] if legal_entity else [])])
    audit.append(session, act, "partner.changed", found, fields=said)
    return found


def by_code(session: Session, code: str) -> Partner:
    """The partner called `code`; raises PartnerNotFound."""
    row = session.execute(text(f"{_SELECT} WHERE code = :code"), {"code": code}).first()
    if row is None:
        raise PartnerNotFound(f"there is no partner {code}")
    return Partner(*row)


def by_id(session: Session, partner_id: UUID) -> Partner:
    """The partner with this id; raises PartnerNotFound."""
    row = session.execute(text(f"{_SELECT} WHERE partner_id = :partner_id"), {"partner_id": partner_id}).first()
    if row is None:
        raise PartnerNotFound("there is no such partner")
    return Partner(*row)


def present(session: Session, partner_id: UUID) -> Partner:
    """The partner, locked until the transaction ends, so that it can't come or go meanwhile.

    Raises PartnerNotFound, PartnerGone.
    """
    row = session.execute(
        text(f"{_SELECT} WHERE partner_id = :partner_id FOR NO KEY UPDATE"), {"partner_id": partner_id}
    ).first()
    if row is None:
        raise PartnerNotFound("there is no such partner")
    if row.status == "left":
        raise PartnerGone(f"{row.name} has left the coalition")
    return Partner(*row)


def active(session: Session, partner_id: UUID) -> Partner:
    """The partner, if it is active; raises PartnerNotFound, PartnerNotActive."""
    found = by_id(session, partner_id)
    if found.status != "active":
        raise PartnerNotActive(f"{found.name} is {found.status}, not active", partner_status=found.status)
    return found


def everybody(session: Session, *, created_before: datetime | None = None) -> list[Partner]:
    """All partners by code, or those that were there at an instant."""
    statement = f"{_SELECT} WHERE CAST(:before AS timestamptz) IS NULL OR created_at < :before ORDER BY code"
    return [Partner(*row) for row in session.execute(text(statement), {"before": created_before})]


def page(session: Session, *, after: UUID, limit: int, statuses: Sequence[str] = ()) -> list[Partner]:
    """Partners behind `after`, oldest first, of some states or of all."""
    rows = session.execute(
        text(f"""{_SELECT} WHERE partner_id > :after AND (:every OR status::text = ANY (:statuses))
                 ORDER BY partner_id LIMIT :limit"""),
        {"after": after, "limit": limit, "every": not statuses, "statuses": list(statuses)},
    )
    return [Partner(*row) for row in rows]


def record(session: Session, step: StateChange) -> None:
    """Write down a step of a partner's life; nobody can change it afterwards."""
    session.execute(
        text("""
            INSERT INTO partners.state_change (change_id, partner_id, from_status, to_status, reason, made_by, at)
            VALUES (:change_id, :partner_id, CAST(:from_status AS partners.partner_status),
                    CAST(:to_status AS partners.partner_status), :reason, :made_by, :at)
        """),
        vars(step),
    )


def history(session: Session, *, partner_id: UUID, after: UUID, limit: int) -> list[StateChange]:
    """The steps of a partner's life behind `after`, oldest first."""
    rows = session.execute(
        text("""
            SELECT change_id, partner_id, from_status::text, to_status::text, reason, made_by, at
            FROM partners.state_change WHERE partner_id = :partner_id AND change_id > :after
            ORDER BY change_id LIMIT :limit
        """),
        {"partner_id": partner_id, "after": after, "limit": limit},
    )
    return [StateChange(*row) for row in rows]
