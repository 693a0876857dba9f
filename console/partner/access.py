"""How a page of a partner lets its staff in: signed in lately, from a form of ours, with a role that may do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any
from uuid import UUID

from flask import Response, request

from console import sessions
from console.sessions import Visitor
from identity import permissions
from identity.permissions import Permission
from kit.db import Session
from kit.http.services import services

View = Callable[..., Response]


@dataclass(frozen=True)
class StaffMember:
    """Who of which partner's staff opens a page or sends its form."""

    visitor: Visitor
    partner_id: UUID

    def may(self, session: Session, permission: Permission) -> bool:
        """Whether they may do this, too: what they may not, a page doesn't offer."""
        return permissions.may(session, self.visitor.subject_id, permission)


def asks(permission: Permission) -> Callable[[View], View]:
    """Let a view run for staff with that permission only; it gets them as its first argument.

    Who isn't signed in is led to where they do so. Raises NotAPartnersStaff, CrossSiteRequest, RoleNotAllowed.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(**values: Any) -> Response:
            visitor, partner_id = sessions.of_a_partner()
            if request.method == "POST":
                sessions.check_csrf()
            with services().reading() as session:
                permissions.require(session, visitor.subject_id, permission)
            return view(StaffMember(visitor, partner_id), **values)

        guarded.permission = permission  # type: ignore[attr-defined]  # read by the test that walks all pages
        return guarded

    return decorate
