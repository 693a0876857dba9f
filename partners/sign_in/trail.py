"""What people allow and end on our pages, written into the audit."""

from __future__ import annotations

from flask import g, request

from kit import clock, ids
from kit.db import Session
from kit.http.services import services
from partners import audit
from partners.audit import Actor
from partners.sign_in.records import Visitor


def write_down(session: Session, visitor: Visitor, action: str, subject: str, **facts: object) -> None:
    """Write down what `visitor` does to `subject` on this page, last of all in its transaction."""
    prefix = ids.MEMBER if visitor.kind == "member" else ids.STAFF
    actor = Actor(
        kind=visitor.kind,
        actor_id=ids.show(prefix, visitor.subject_id),
        partner_id=ids.show(ids.PARTNER, visitor.partner_id) if visitor.partner_id else None,
        address=request.remote_addr,
        request_id=g.request_id,
    )
    keyring = services().keyring
    audit.append(session, actor=actor, action=action, subject=subject, now=clock.now(), keyring=keyring, facts=facts)
