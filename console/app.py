"""The room installs itself: pages for members and for partners' staff, and how they sign in."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, request

from console import mailer, pages
from console.member.consents import consent_pages
from console.member.credentials import credential_pages
from console.partner.awards import award_pages
from console.partner.devices import device_pages
from console.sign_in.pages import sign_in_pages
from console.sign_in.passkeys import passkey_pages
from kit import translation
from kit.http.services import services

CATALOGUES = Path(__file__).parent / "translations"
PAGES = (sign_in_pages, passkey_pages, credential_pages, consent_pages, device_pages, award_pages)


def install(app: Flask) -> None:
    """Serve the pages from the services of `app`, and send mail from them."""
    translation.use(CATALOGUES)
    with app.app_context():
        mailer.install(app, services().settings)
    # Mail asked for by a program is written in the language of its request, too.
    app.before_request(_speak)
    pages.install(app)
    for page in PAGES:
        app.register_blueprint(page)


def _speak() -> None:
    translation.speak(request.accept_languages.values())
