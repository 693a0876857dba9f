"""Partners: the brands of the coalition."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from kit import ids
from kit.db import Session
from kit.errors import Conflict, Invalid, NotFound


class PartnerNotFound(NotFound):
    """No partner has this code."""

    code = "partner_not_found"
    title = "Partner not found"


class PartnerCodeTaken(Conflict):
    """Another partner has this code."""

    code = "partner_code_taken"
    title = "Partner code taken"


class MalformedPartner(Invalid):
    """A partner's code is 2 to 32 small letters, digits and hyphens; its name has 1 to 100 characters."""

    code = "malformed_partner"
    title = "Malformed partner"


@dataclass(frozen=True)
class Partner:
    """A brand: `code` is how files and commands name it, `name` how people do."""

    partner_id: UUID
    code: str
    name: str
    is_issuer: bool
    is_redeemer: bool


_SELECT = "SELECT partner_id, code, name, is_issuer, is_redeemer FROM partners.partner"


def create(
    session: Session, *, code: str, name: str, now: datetime, is_issuer: bool = True, is_redeemer: bool = True
) -> Partner:
    """A new partner; raises MalformedPartner, PartnerCodeTaken."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{1,31}", code):
        raise MalformedPartner("a code is 2 to 32 small letters, digits and hyphens, a letter first")
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise MalformedPartner("a name has 1 to 100 printable characters")
    if not (is_issuer or is_redeemer):
        raise MalformedPartner("a partner issues points, redeems them, or both")
    partner = Partner(ids.new(), code, name, is_issuer, is_redeemer)
    done = session.execute(
        text("""
            INSERT INTO partners.partner (partner_id, code, name, is_issuer, is_redeemer, created_at)
            VALUES (:partner_id, :code, :name, :is_issuer, :is_redeemer, :now) ON CONFLICT (code) DO NOTHING
        """),
        {**vars(partner), "now": now},
    )
    if done.rowcount == 0:
        raise PartnerCodeTaken(f"there is a partner {code} already")
    return partner


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


def everybody(session: Session, *, created_before: datetime | None = None) -> list[Partner]:
    """All partners by code, or those that were there at an instant."""
    statement = f"{_SELECT} WHERE CAST(:before AS timestamptz) IS NULL OR created_at < :before ORDER BY code"
    return [Partner(*row) for row in session.execute(text(statement), {"before": created_before})]
