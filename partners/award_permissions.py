"""Which partners may award an issuer's points: given by the issuer's admin, standing until it is withdrawn.

The database asks for it where awards are posted (`partners.post`); settlement then bills the issuer as for any of its
points, so nobody but the issuer gives it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from coalition.ledger import LARGEST_POSTING
from kit import audit, ids
from kit.audit import Act
from kit.db import Session
from kit.errors import Conflict, Invalid, NotFound
from partners import accounts


class AwardPermissionNotFound(NotFound):
    code = "award_permission_not_found"
    title = "Award permission not found"
    description = "No award permission has this id, or it was withdrawn."
    remedy = (
        "Load the list again, on the page /awards or with `coalition partner award-permission list`. A permission that "
        "was withdrawn needs nothing more."
    )


class AwardPermissionExists(Conflict):
    code = "award_permission_exists"
    title = "Award permission exists"
    description = "The issuer already permits this partner to award its points."
    remedy = "Withdraw the present permission, then give a new one."


class NotAnIssuer(Conflict):
    code = "not_an_issuer"
    title = "Not an issuer"
    description = "Only an issuer has points that another partner can award."
    remedy = (
        "Choose a partner that issues points. The coalition makes a partner an issuer with `coalition partner update "
        "--issuer`."
    )


class AwardLimitOutOfRange(Invalid):
    code = "award_limit_out_of_range"
    title = "Award permission out of range"
    description = "A permission covers awards of 1 to 1,000,000,000 points, and names a partner other than the issuer."
    remedy = (
        "Enter a whole number from 1 to 1,000,000,000, and the code of another partner. To award your own points you "
        "need no permission."
    )


@dataclass(frozen=True)
class AwardPermission:
    """`partner_id` may award points of `issuer_id`, up to `most_per_award` at once."""

    permission_id: UUID
    issuer_id: UUID
    partner_id: UUID
    most_per_award: int
    given_at: datetime
    withdrawn_at: datetime | None = None

    @property
    def facts(self) -> dict[str, object]:
        """Whose points it is about, and who may award them, for the audit."""
        return {"of": ids.show(ids.PARTNER, self.issuer_id), "to": ids.show(ids.PARTNER, self.partner_id)}


_SELECT = """
    SELECT permission_id, issuer_id, partner_id, most_per_award, given_at, withdrawn_at FROM partners.award_permission
"""


def give(session: Session, act: Act, *, issuer_id: UUID, partner_id: UUID, most_per_award: int) -> AwardPermission:
    """Let a partner award an issuer's points from now on.

    Raises PartnerNotFound, PartnerGone, NotAnIssuer, AwardLimitOutOfRange, AwardPermissionExists.
    """
    if issuer_id == partner_id:
        raise AwardLimitOutOfRange("a partner needs no permission to award its own points")
    if not 1 <= most_per_award <= LARGEST_POSTING:
        raise AwardLimitOutOfRange(f"enter a number of points from 1 to {LARGEST_POSTING:,}")
    # In the order of their ids: two partners that permit each other at once can't wait for each other.
    found = {each: accounts.present(session, each) for each in sorted((issuer_id, partner_id))}
    if not found[issuer_id].is_issuer:
        raise NotAnIssuer("this partner issues no points")
    made = AwardPermission(ids.new(), issuer_id, partner_id, most_per_award, act.now)
    done = session.execute(
        text("""
            INSERT INTO partners.award_permission (permission_id, issuer_id, partner_id, most_per_award, given_at)
            VALUES (:permission_id, :issuer_id, :partner_id, :most_per_award, :given_at)
            ON CONFLICT (issuer_id, partner_id) WHERE withdrawn_at IS NULL DO NOTHING
        """),
        vars(made),
    )
    if done.rowcount == 0:
        raise AwardPermissionExists("the issuer already permits this partner to award its points")
    audit.append(session, act, "award_permission.given", made, most=most_per_award, **made.facts)
    return made


def withdraw(session: Session, act: Act, *, permission_id: UUID, issuer_id: UUID | None = None) -> AwardPermission:
    """End a permission (of `issuer_id`, if given): no award follows; what was awarded stays.

    Raises AwardPermissionNotFound.
    """
    row = session.execute(
        text("""
            UPDATE partners.award_permission SET withdrawn_at = :now
            WHERE permission_id = :permission_id AND withdrawn_at IS NULL
              AND issuer_id = coalesce(:issuer_id, issuer_id)
            RETURNING permission_id, issuer_id, partner_id, most_per_award, given_at, withdrawn_at
        """),
        {"permission_id": permission_id, "now": act.now, "issuer_id": issuer_id},
    ).first()
    if row is None:
        raise AwardPermissionNotFound("there is no such permission, or it was withdrawn")
    ended = AwardPermission(*row)
    audit.append(session, act, "award_permission.withdrawn", ended, **ended.facts)
    return ended


def get(session: Session, permission_id: UUID) -> AwardPermission:
    """One permission, also a withdrawn one; raises AwardPermissionNotFound."""
    row = session.execute(text(f"{_SELECT} WHERE permission_id = :id"), {"id": permission_id}).first()
    if row is None:
        raise AwardPermissionNotFound("there is no such permission")
    return AwardPermission(*row)


def of_partner(session: Session, *, partner_id: UUID, limit: int) -> list[AwardPermission]:
    """What stands that a partner gave or was given, oldest first."""
    rows = session.execute(
        text(f"""{_SELECT} WHERE :partner_id IN (issuer_id, partner_id) AND withdrawn_at IS NULL
                 ORDER BY permission_id LIMIT :limit"""),
        {"partner_id": partner_id, "limit": limit},
    )
    return [AwardPermission(*row) for row in rows]
