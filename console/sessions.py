"""Who is signed in on our pages, and whether a form came from one of them.

Ask before a transaction is opened: `visitor` takes one of its own, once a request.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import quote, urlsplit
from uuid import UUID

from flask import request

from console import cookies, safe_redirects
from console.context import of_request
from identity.sign_in import session_store
from identity.sign_in.people import Kind, Subject
from identity.sign_in.session_store import LIFETIME, Visitor
from kit import clock, ids, pairwise
from kit.db import Session
from kit.errors import Forbidden
from kit.http.problems import HttpError
from kit.http.services import services
from kit.secrets import same
from kit.translation import marked

__all__ = [
    "CSRF_FIELD", "CrossSiteRequest", "NotAPartnersStaff", "SignInNeeded", "Visitor", "begin", "check_csrf",
    "csrf_token", "end", "end_everywhere", "home", "of_a_partner", "required", "visitor",
]  # fmt: skip

CSRF_FIELD = "csrf_token"
_CSRF_HEADER = "X-CSRF-Token"
_LATELY_S = 15 * 60


class SignInNeeded(HttpError):
    code, title, status = "sign_in_needed", "Sign-in needed", 401
    description = (
        "This page is for people who have signed in, and some pages are for people who have signed in recently. "
        "Browsers are sent to the sign-in page."
    )
    remedy = "Sign in at /sign-in/member, or as staff at /sign-in/staff, and open the page again."


class NotAPartnersStaff(Forbidden):
    code = "not_a_partners_staff"
    title = "Not a partner's staff"
    description = "This page belongs to a partner. Only the partner's staff can use it."
    remedy = (
        "Sign out, and sign in at /sign-in/staff with the address that the partner has for you. If it has none, ask "
        "its admin."
    )


class CrossSiteRequest(Forbidden):
    code = "cross_site_request"
    title = "Form out of date"
    description = "The form did not come from one of our pages in this browser, or that page is out of date."
    remedy = "Allow cookies for this site, load the page again, and send its form from there."


def visitor(kind: Kind) -> Visitor | None:
    """Who is signed in as `kind` in this browser, or None."""
    known = of_request.get().visitors
    if kind not in known:
        token = cookies.get(cookies.OF_KIND[kind])
        known = {**known, kind: _find(kind, token) if token is not None else None}
        of_request.change(visitors=known)
    if (found := known[kind]) is not None:
        of_request.change(acting_as=kind)
        ids.see_as(_view_of(found))
    return found


def _find(kind: Kind, token: str) -> Visitor | None:
    svc, now = services(), clock.now()
    with svc.reading() as session:
        found = session_store.find(session, kind=kind, token=token, now=now, keyring=svc.keyring)
    if found is not None and session_store.wants_noting(found, now=now):
        with svc.recording() as session:
            session_store.note_seen(session, found, now=now)
    return found


def _view_of(visitor: Visitor) -> ids.View:
    """A partner's staff sees members as the partner does; ours are for the coalition's staff and the member itself."""
    if visitor.partner_id is not None:
        return pairwise.view_of(services().keyring, visitor.partner_id)
    return ids.OUR_OWN


def required(kind: Kind, *, max_age_s: int | None = None) -> Visitor:
    """Who is signed in as `kind`, and proved it at most `max_age_s` seconds ago; raises SignInNeeded otherwise."""
    found = visitor(kind)
    if found is not None and (
        max_age_s is None or clock.now() - found.authenticated_at <= timedelta(seconds=max_age_s)
    ):
        return found
    back = safe_redirects.of_this_request(otherwise=home(kind))
    why = "sign in to see this page" if found is None else "this page asks that you sign in again"
    raise SignInNeeded(why, location=f"/sign-in/{kind}?next={quote(back, safe='/')}")


def of_a_partner() -> tuple[Visitor, UUID]:
    """Who of a partner's staff is at this browser, signed in lately, and for which partner.

    Raises SignInNeeded, NotAPartnersStaff.
    """
    found = required("staff", max_age_s=_LATELY_S)
    if found.partner_id is None:
        raise NotAPartnersStaff(marked("sign in as staff of a partner"))
    return found, found.partner_id


def home(kind: Kind) -> str:
    """Where people of this kind go when they had nowhere else in mind."""
    return f"/passkeys/{kind}"


def begin(session: Session, subject: Subject, *, methods: Sequence[str]) -> None:
    """Sign `subject` in: a new session under a new cookie; what the browser held before counts no more."""
    name = cookies.OF_KIND[subject.kind]
    token = session_store.begin(
        session,
        subject,
        methods=methods,
        user_agent=request.headers.get("User-Agent", ""),
        replaces=cookies.get(name),
        now=clock.now(),
        keyring=services().keyring,
    )
    # Staff share machines: theirs goes with the browser's window.
    cookies.put(name, token, lifetime=LIFETIME["member"] if subject.kind == "member" else None)
    cookies.rename_browser()
    of_request.change(visitors={})


def end(session: Session, kind: Kind) -> None:
    """Sign the visitor out, here."""
    if (token := cookies.get(cookies.OF_KIND[kind])) is not None:
        session_store.end(session, kind=kind, token=token, now=clock.now(), keyring=services().keyring)
    _leave(kind)


def end_everywhere(session: Session, leaving: Visitor) -> None:
    """Sign the visitor out, here and in every other browser."""
    session_store.end_all(session, kind=leaving.kind, subject_id=leaving.subject_id, now=clock.now())
    _leave(leaving.kind)


def csrf_token() -> str:
    """What a form of ours carries to prove where it came from: bound to the visitor's session, or else the browser.

    Different each time, so that compressed pages don't tell it.
    """
    kind = of_request.get().acting_as
    cookie = (kind and cookies.get(cookies.OF_KIND[kind])) or cookies.browser()
    nonce = secrets.token_urlsafe(9)
    return f"{nonce}.{_mac(nonce, cookie)}"


def check_csrf() -> None:
    """Raise CrossSiteRequest unless the form (or the header X-CSRF-Token) carries a token of this browser's session."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise CrossSiteRequest(marked("this form was sent from another site"))
    # Pages with `Referrer-Policy: no-referrer` send forms with the origin "null"; the token decides then.
    origin = request.headers.get("Origin", "null")
    if origin != "null" and not _is_ours(origin):
        raise CrossSiteRequest(marked("this form was sent from another site"))
    held = [value for name in (cookies.BROWSER, *cookies.OF_KIND.values()) if (value := cookies.get(name))]
    if not held:
        raise CrossSiteRequest(marked("your browser sent none of our cookies; allow cookies, and use https"))
    nonce, _, mac = (request.headers.get(_CSRF_HEADER) or request.form.get(CSRF_FIELD, "")).partition(".")
    if not any(same(_mac(nonce, cookie), mac) for cookie in held):
        raise CrossSiteRequest(
            marked("this page was open for too long, or you have signed in or out since; load it again")
        )


def _mac(nonce: str, cookie: str) -> str:
    return services().keyring.fingerprint(purpose="form token", value=f"{nonce}.{cookie}").hex()


def _is_ours(origin: str) -> bool:
    # Behind a proxy that ends TLS, the request knows its host, but not that it came over https.
    issuer = urlsplit(services().settings.issuer)
    return origin in (f"{issuer.scheme}://{issuer.netloc}", f"http://{request.host}", f"https://{request.host}")


def _leave(kind: Kind) -> None:
    cookies.drop(cookies.OF_KIND[kind])
    cookies.rename_browser()
    of_request.change(visitors={}, acting_as=None)
