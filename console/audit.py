"""Who acts on our pages, for the verbs that write it into the audit."""

from __future__ import annotations

from flask import request

from identity.sign_in.session_store import Visitor
from kit import clock, ids
from kit.audit import Act, Actor
from kit.http import context
from kit.http.services import services


def act(visitor: Visitor) -> Act:
    """What `visitor` does on this page, for the verb that does it."""
    who = visitor.subject_id
    actor = Actor(
        kind=visitor.kind,
        actor_id=ids.show_our_own(who) if visitor.kind == "member" else ids.show(ids.STAFF, who),
        partner_id=ids.show(ids.PARTNER, visitor.partner_id) if visitor.partner_id else None,
        address=request.remote_addr,
        request_id=context.current().request_id,
    )
    return Act(actor=actor, now=clock.now(), keyring=services().keyring)
