"""Who of a partner's staff may do what: asked by every page that does it, apart from when it may be done."""

from __future__ import annotations

from kit.db import Session
from kit.errors import Forbidden
from partners import staff
from partners.sign_in.records import Visitor

LET_TILLS_IN = "let tills in"
TURN_TILLS_OUT = "turn tills out"
# A cashier stands at the till that waits; one that works belongs to the whole shop.
ROLES_FOR = {LET_TILLS_IN: frozenset(staff.ROLES), TURN_TILLS_OUT: frozenset(("admin", "manager"))}


class RoleNotAllowed(Forbidden):
    """Your role doesn't include this; `roles` lists those that do."""

    code = "role_not_allowed"
    title = "Not allowed for your role"
    remedy = "Ask somebody with one of the roles in `roles` to do it, or the coalition to change yours."


def may(session: Session, visitor: Visitor, action: str) -> bool:
    """Whether `visitor`, of a partner's staff, may do `action`; their role counts as it is now."""
    return staff.get(session, visitor.subject_id).role in ROLES_FOR[action]


def require(session: Session, visitor: Visitor, action: str) -> None:
    """Raise RoleNotAllowed unless `visitor` may do `action`."""
    if not may(session, visitor, action):
        roles = sorted(ROLES_FOR[action])
        raise RoleNotAllowed(f"to {action} takes one of the roles {', '.join(roles)}", roles=roles)
