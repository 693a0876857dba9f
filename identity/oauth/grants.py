"""What somebody allowed a client: a member a brand's app, a partner's staff a till. With it end its tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, text

from kit import audit
from kit.audit import Act
from kit.db import Session
from kit.errors import NotFound

SPEND = "spend"


class GrantNotFound(NotFound):
    code = "grant_not_found"
    title = "Consent not found"
    description = "There is no such consent, or it has ended."
    remedy = "Load the page again to see what is in force now. If it is not on the list, there is nothing to end."


@dataclass(frozen=True)
class Spend:
    """Points a partner may spend for a member who isn't asked again: at most so many a purchase and a day."""

    most_per_purchase: int
    most_per_day: int


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What `subject_id` (a member, or a staff member of the client's partner) allowed a client."""

    grant_id: UUID
    client_id: str
    subject_kind: str
    subject_id: UUID
    scopes: tuple[str, ...]
    created_at: datetime
    spend: Spend | None = None
    till: str | None = None
    till_id: UUID | None = None


def create(session: Session, act: Act, grant: Grant) -> None:
    """Keep what was allowed: by a member an app, by staff a till."""
    session.execute(
        text("""
            INSERT INTO partners.oauth_grant (grant_id, client_id, subject_kind, subject_id, scopes, till, till_id,
                                              most_per_purchase, most_per_day, created_at)
            VALUES (:grant_id, :client_id, :subject_kind, :subject_id, :scopes, :till, :till_id, :purchase, :day,
                    :created_at)
        """),
        {
            "grant_id": grant.grant_id,
            "client_id": grant.client_id,
            "subject_kind": grant.subject_kind,
            "subject_id": grant.subject_id,
            "scopes": list(grant.scopes),
            "till": grant.till,
            "till_id": grant.till_id,
            "purchase": grant.spend and grant.spend.most_per_purchase,
            "day": grant.spend and grant.spend.most_per_day,
            "created_at": grant.created_at,
        },
    )
    action = "consent.given" if grant.subject_kind == "member" else "till.let_in"
    spend = vars(grant.spend) if grant.spend else {}
    audit.append(session, act, action, grant.client_id, grant_id=grant.grant_id, scopes=grant.scopes, **spend)


_SELECT = """
    SELECT grant_id, client_id, subject_kind, subject_id, scopes, till, till_id, most_per_purchase, most_per_day,
           created_at
    FROM partners.oauth_grant WHERE revoked_at IS NULL
"""


def get(session: Session, grant_id: UUID) -> Grant | None:
    """The grant, unless it has ended."""
    row = session.execute(text(f"{_SELECT} AND grant_id = :grant_id"), {"grant_id": grant_id}).first()
    return _grant(row) if row else None


def of_subject(session: Session, *, subject_kind: str, subject_id: UUID) -> list[Grant]:
    """What a member or staff member allows at present, the newest first."""
    rows = session.execute(
        text(f"{_SELECT} AND subject_id = :subject_id AND subject_kind = :kind ORDER BY grant_id DESC"),
        {"subject_id": subject_id, "kind": subject_kind},
    )
    return [_grant(row) for row in rows]


def covering(
    session: Session, *, member_id: UUID, client_id: str, scopes: tuple[str, ...], spend: Spend | None
) -> Grant | None:
    """What the member allowed this client already, if it is no less than what is asked for now."""
    for grant in of_subject(session, subject_kind="member", subject_id=member_id):
        if grant.client_id == client_id and set(scopes) <= set(grant.scopes) and grant.spend == spend:
            return grant
    return None


def revoke(session: Session, *, grant_id: UUID, because: str, now: datetime) -> bool:
    """End a grant and with it all its tokens; whether it was there."""
    done = session.execute(
        text("""
            UPDATE partners.oauth_grant SET revoked_at = :now, revoked_because = :because
            WHERE grant_id = :grant_id AND revoked_at IS NULL
        """),
        {"grant_id": grant_id, "because": because, "now": now},
    )
    return done.rowcount > 0


def revoke_own(session: Session, act: Act, *, grant_id: UUID, subject_id: UUID) -> Grant:
    """End a grant as whoever gave it; raises GrantNotFound for anybody else's."""
    found = get(session, grant_id)
    if found is None or found.subject_id != subject_id:
        raise GrantNotFound("you have no such consent")
    if not revoke(session, grant_id=grant_id, because="withdrawn", now=act.now):
        raise GrantNotFound("you have no such consent")
    audit.append(session, act, "consent.withdrawn", found.client_id, grant_id=grant_id)
    return found


def _grant(row: Row[tuple[object, ...]]) -> Grant:
    return Grant(
        grant_id=row.grant_id,
        client_id=row.client_id,
        subject_kind=row.subject_kind,
        subject_id=row.subject_id,
        scopes=tuple(row.scopes),
        created_at=row.created_at,
        spend=Spend(row.most_per_purchase, row.most_per_day) if row.most_per_purchase else None,
        till=row.till,
        till_id=row.till_id,
    )


@dataclass(frozen=True)
class Till:
    """A till that is in."""

    grant_id: UUID
    name: str
    client_name: str
    since: datetime


def tills_of(session: Session, *, partner_id: UUID) -> list[Till]:
    """The tills of a partner that are in, by name."""
    rows = session.execute(
        text("""
            SELECT g.grant_id, g.till, c.name, g.created_at
            FROM partners.oauth_grant g JOIN partners.oauth_client c USING (client_id)
            WHERE c.partner_id = :partner_id AND g.till IS NOT NULL AND g.revoked_at IS NULL
            ORDER BY g.till, g.grant_id
        """),
        {"partner_id": partner_id},
    )
    return [Till(*row) for row in rows]


def revoke_till(session: Session, act: Act, *, grant_id: UUID, partner_id: UUID) -> None:
    """Turn a till out; raises GrantNotFound for another partner's."""
    if grant_id not in {till.grant_id for till in tills_of(session, partner_id=partner_id)}:
        raise GrantNotFound("you have no such till")
    revoke(session, grant_id=grant_id, because="turned out", now=act.now)
    audit.append(session, act, "till.turned_out", f"grant {grant_id}")
