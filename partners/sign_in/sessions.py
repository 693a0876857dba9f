"""Who is signed in on our pages, and whether a form came from one of them.

Ask before a transaction is opened: `visitor` takes one of its own, once a request.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import cast
from urllib.parse import quote, urlsplit

from flask import g, request

from kit import clock
from kit.db import Session
from kit.errors import Forbidden
from kit.http.problems import HttpError
from kit.http.services import services
from kit.secrets import same
from partners.sign_in import cookies, destinations, records
from partners.sign_in.records import LIFETIME, Visitor
from partners.sign_in.subjects import Kind, Subject

__all__ = [
    "CSRF_FIELD", "CrossSiteRequest", "SignInNeeded", "Visitor", "begin", "check_csrf", "csrf_token", "end",
    "end_everywhere", "home", "required", "visitor",
]  # fmt: skip

CSRF_FIELD = "csrf_token"
_CSRF_HEADER = "X-CSRF-Token"


class SignInNeeded(HttpError):
    """The page is for people who are signed in, some of them lately; a browser is led to where they do so."""

    code, title, status = "sign_in_needed", "Sign-in needed", 401


class CrossSiteRequest(Forbidden):
    """The form did not come from a page of ours in this browser, or that page is out of date."""

    code = "cross_site_request"
    title = "Form out of date"


def visitor(kind: Kind) -> Visitor | None:
    """Who is signed in as `kind` in this browser, or None."""
    known = cast("dict[Kind, Visitor | None]", g.setdefault("visitors", {}))
    if kind not in known:
        token = cookies.get(cookies.OF_KIND[kind])
        known[kind] = None
        if token is not None:
            parts = services()
            with parts.reading() as session:
                known[kind] = records.find(session, kind=kind, token=token, now=clock.now(), keyring=parts.keyring)
    if known[kind] is not None:
        g.acting_as = kind
    return known[kind]


def required(kind: Kind, *, max_age_s: int | None = None) -> Visitor:
    """Who is signed in as `kind`, and proved it at most `max_age_s` seconds ago; raises SignInNeeded otherwise."""
    found = visitor(kind)
    if found is not None and (
        max_age_s is None or clock.now() - found.authenticated_at <= timedelta(seconds=max_age_s)
    ):
        return found
    back = destinations.of_this_request(otherwise=home(kind))
    why = "sign in to see this page" if found is None else "this page asks that you sign in again"
    raise SignInNeeded(why, location=f"/sign-in/{kind}?next={quote(back, safe='/')}")


def home(kind: Kind) -> str:
    """Where people of this kind go when they had nowhere else in mind."""
    return f"/passkeys/{kind}"


def begin(session: Session, subject: Subject, *, methods: Sequence[str]) -> None:
    """Sign `subject` in: a new session under a new cookie; what the browser held before counts no more."""
    name = cookies.OF_KIND[subject.kind]
    token = records.begin(
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
    g.pop("visitors", None)


def end(session: Session, kind: Kind) -> None:
    """Sign the visitor out, here."""
    if (token := cookies.get(cookies.OF_KIND[kind])) is not None:
        records.end(session, kind=kind, token=token, now=clock.now(), keyring=services().keyring)
    _leave(kind)


def end_everywhere(session: Session, leaving: Visitor) -> None:
    """Sign the visitor out, here and in every other browser."""
    records.end_all(session, kind=leaving.kind, subject_id=leaving.subject_id, now=clock.now())
    _leave(leaving.kind)


def csrf_token() -> str:
    """What a form of ours carries to prove where it came from: bound to the visitor's session, or else the browser.

    Different each time, so that compressed pages don't tell it.
    """
    kind = g.get("acting_as")
    cookie = (kind and cookies.get(cookies.OF_KIND[cast(Kind, kind)])) or cookies.browser()
    nonce = secrets.token_urlsafe(9)
    return f"{nonce}.{_mac(nonce, cookie)}"


def check_csrf() -> None:
    """Raise CrossSiteRequest unless the form (or the header X-CSRF-Token) carries a token of this browser's session."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise CrossSiteRequest("this form was sent from another site")
    # Pages with `Referrer-Policy: no-referrer` send forms with the origin "null"; the token decides then.
    origin = request.headers.get("Origin", "null")
    if origin != "null" and not _is_ours(origin):
        raise CrossSiteRequest("this form was sent from another site")
    held = [value for name in (cookies.BROWSER, *cookies.OF_KIND.values()) if (value := cookies.get(name))]
    if not held:
        raise CrossSiteRequest(
            "your browser sent none of our cookies; it has to accept them, and keeps them over https only"
        )
    nonce, _, mac = (request.headers.get(_CSRF_HEADER) or request.form.get(CSRF_FIELD, "")).partition(".")
    if not any(same(_mac(nonce, cookie), mac) for cookie in held):
        raise CrossSiteRequest("this page was open for too long, or you signed in or out since: load it again")


def _mac(nonce: str, cookie: str) -> str:
    return services().keyring.fingerprint(purpose="form token", value=f"{nonce}.{cookie}").hex()


def _is_ours(origin: str) -> bool:
    # Behind a proxy that ends TLS, the request knows its host, but not that it came over https.
    issuer = urlsplit(services().settings.issuer)
    return origin in (f"{issuer.scheme}://{issuer.netloc}", f"http://{request.host}", f"https://{request.host}")


def _leave(kind: Kind) -> None:
    cookies.drop(cookies.OF_KIND[kind])
    cookies.rename_browser()
    g.pop("visitors", None)
    g.pop("acting_as", None)
