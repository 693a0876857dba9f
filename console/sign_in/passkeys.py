"""/passkeys: a visitor's passkeys and sessions; only for who proved within ten minutes that it is them."""

from __future__ import annotations

from http import HTTPStatus

import marshmallow as ma
from flask import Response, jsonify

from console import cookies, pages, sessions
from console.sessions import Visitor
from console.sign_in.pages import KIND, load, offers_passkeys, take_answer
from identity.sign_in import passkeys, session_store
from identity.sign_in.people import Kind
from kit import clock, ids
from kit.http.services import services
from kit.translation import gettext as _

MAX_AGE_S = 600
passkey_pages = pages.blueprint("passkeys", __name__)


class NewPasskeySchema(ma.Schema):
    """What a browser's authenticator made, and what to call it."""

    credential = ma.fields.Dict(required=True)
    name = ma.fields.String(required=True)


@passkey_pages.get("/passkeys")
def either() -> Response:
    """The page of whoever is signed in; of members, when nobody is."""
    kind: Kind = "staff" if sessions.visitor("staff") and not sessions.visitor("member") else "member"
    return _back(kind)


@passkey_pages.get(f"/passkeys/{KIND}")
def show(kind: Kind) -> Response:
    """The visitor's passkeys, and where they are signed in."""
    visitor = _visitor(kind)
    with services().reading() as session:
        keys = passkeys.listing(session, visitor)
        open_sessions = session_store.listing(session, kind=kind, subject_id=visitor.subject_id, now=clock.now())
    return pages.page(
        "passkeys.html",
        title=_("Your passkeys"),
        kind=kind,
        keys=[(ids.show(ids.PASSKEY, key.passkey_id), key) for key in keys],
        sessions=open_sessions,
        here=visitor.session_id,
        offers_passkeys=offers_passkeys(),
    )


@passkey_pages.post(f"/passkeys/{KIND}/options")
def options(kind: Kind) -> Response:
    """What the visitor's browser needs to make a passkey."""
    visitor = _visitor(kind)
    sessions.check_csrf()
    svc = services()
    with svc.recording() as session:
        made = passkeys.registration_options(
            session,
            visitor,
            at=passkeys.site(svc.settings.issuer),
            browser=cookies.browser(),
            now=clock.now(),
            keyring=svc.keyring,
        )
    return Response(made, mimetype="application/json", headers={"Cache-Control": "no-store"})


@passkey_pages.post(f"/passkeys/{KIND}")
def register(kind: Kind) -> tuple[Response, int]:
    """Keep the passkey that was made."""
    visitor = _visitor(kind)
    sessions.check_csrf()
    body, svc = load(NewPasskeySchema()), services()
    at, name = passkeys.site(svc.settings.issuer), passkeys.checked_name(body["name"])
    answer = take_answer(kind, body["credential"], session_id=visitor.session_id)
    with svc.recording() as session:
        made = passkeys.register(session, visitor, answer, at=at, name=name, now=clock.now())
    return jsonify({"passkey_id": ids.show(ids.PASSKEY, made.passkey_id), "name": made.name}), HTTPStatus.CREATED


@passkey_pages.post(f"/passkeys/{KIND}/<passkey_id>/name")
def rename(kind: Kind, passkey_id: str) -> Response:
    """Call it something else."""
    visitor = _visitor(kind)
    sessions.check_csrf()
    name = pages.form("name")["name"]
    with services().recording() as session:
        passkeys.rename(session, visitor, passkey_id=ids.parse(ids.PASSKEY, passkey_id), name=name)
    return _back(kind)


@passkey_pages.post(f"/passkeys/{KIND}/<passkey_id>/remove")
def remove(kind: Kind, passkey_id: str) -> Response:
    """Forget it."""
    visitor = _visitor(kind)
    sessions.check_csrf()
    pages.form()
    with services().recording() as session:
        passkeys.remove(session, visitor, passkey_id=ids.parse(ids.PASSKEY, passkey_id))
    return _back(kind)


def _visitor(kind: Kind) -> Visitor:
    return sessions.required(kind, max_age_s=MAX_AGE_S)


def _back(kind: Kind) -> Response:
    return pages.see(sessions.home(kind))
