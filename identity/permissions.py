"""Who of a partner's staff may do what, by their role: the one table. When it may be done the verbs say.

Each edge asks before it does anything, for whatever it shows or changes, and `tests/console/test_permissions.py` walks
them all. What clients may do, their scopes say (`identity/scopes.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from kit.db import Session
from kit.errors import Forbidden
from partners import staff


@dataclass(frozen=True)
class Permission:
    """Something that people with certain roles at a partner may do."""

    code: str
    roles: frozenset[str]


EVERYBODY = frozenset(staff.ROLES)

# A cashier stands at the till that waits; one that works belongs to the whole shop.
APPROVE_TILLS = Permission("approve tills", EVERYBODY)
SEE_TILLS = Permission("see the tills", EVERYBODY)
REVOKE_TILLS = Permission("revoke tills", frozenset(("admin", "manager")))
# Whoever permits awards spends the partner's money.
SEE_AWARD_PERMISSIONS = Permission("see who may award points", frozenset(("admin", "manager")))
PERMIT_AWARDS = Permission("permit awards", frozenset(("admin",)))


class RoleNotAllowed(Forbidden):
    code = "role_not_allowed"
    title = "Not allowed for your role"
    description = "Your role does not include this."
    remedy = (
        "Ask somebody whose role includes it, such as an admin, to do it, or ask the coalition to change your role."
    )
    facts = ("roles",)


def may(session: Session, staff_id: UUID, permission: Permission) -> bool:
    """Whether this person, of a partner's staff, may do it; their role counts as it is now."""
    return staff.get(session, staff_id).role in permission.roles


def require(session: Session, staff_id: UUID, permission: Permission) -> None:
    """Raise RoleNotAllowed unless this person may do it."""
    if not may(session, staff_id, permission):
        roles = sorted(permission.roles)
        raise RoleNotAllowed(f"to {permission.code} you need one of the roles {', '.join(roles)}", roles=roles)
