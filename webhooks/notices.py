"""Mail to a partner's technical contacts when one of its endpoints is failing, disabled or well again.

It is sent once, after the commit; what a mail server doesn't take is logged. The event of the same name is the record.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from kit import ids, logs, mail
from kit.db import Database, Session
from kit.mail import MailUnavailable
from kit.settings import Settings
from kit.translation import gettext as _
from partners import contacts
from webhooks.outcomes import DISABLED, FAILING, Notice

log = logging.getLogger("webhooks")
MOST_CONTACTS = 10
ROLES = ("technical", "support", "business")  # the first of which a partner has anybody


def send(notice: Notice, *, database: Database, settings: Settings) -> int:
    """Mail `notice` to the partner's contacts; returns to how many. Raises DatabaseUnavailable."""
    with database.reading() as session:
        addresses = _addresses(session, notice.partner_id)
    subject, body = said(notice)
    sent = 0
    for address in addresses:
        try:
            mail.send(settings, to=address, subject=subject, body=body)
            sent += 1
        except MailUnavailable as error:
            logs.event(log, "mail not sent", level=logging.WARNING, reason=error.detail)
            break  # nor would the others be, and each would be waited for
    return sent


def _addresses(session: Session, partner_id: UUID) -> list[str]:
    found = list(_current(session, partner_id))
    for role in ROLES:
        if addresses := sorted({email for its_role, email in found if its_role == role}):
            return addresses[:MOST_CONTACTS]
    return []


def _current(session: Session, partner_id: UUID) -> Iterator[tuple[str, str]]:
    after, page = UUID(int=0), 100
    while found := contacts.of_partner(session, partner_id=partner_id, after=after, limit=page):
        yield from ((one.role, one.email) for one in found if one.ended_at is None)
        after = found[-1].contact_id


def said(notice: Notice) -> tuple[str, str]:
    """The subject and the text of a mail about `notice`."""
    endpoint = ids.show(ids.ENDPOINT, notice.endpoint_id)
    if notice.type == FAILING:
        subject = _("Your webhook endpoint is failing")
        text = _(
            "Your endpoint %(endpoint)s has accepted no webhook since %(since)s. We keep its events and go on trying. "
            "If it still fails at %(disabled_at)s, we disable it.",
            endpoint=endpoint,
            since=_at(notice.data["failing_since"]),
            disabled_at=_at(notice.data["disabled_at"]),
        )
    elif notice.type == DISABLED:
        subject = _("We disabled your webhook endpoint")
        why = (
            _("it answered with status 410, which means that it is gone")
            if notice.data["reason"] == "gone"
            else _("it has accepted no webhook for three days")
        )
        text = _(
            "We disabled your endpoint %(endpoint)s: %(why)s. We keep its events. Enable it with POST "
            "/v1/webhook-endpoints/%(endpoint)s/enable, and we send what it missed.",
            endpoint=endpoint,
            why=why,
        )
    else:
        subject = _("Your webhook endpoint works again")
        text = _(
            "Your endpoint %(endpoint)s accepts webhooks again. It had failed since %(since)s. We send what it missed.",
            endpoint=endpoint,
            since=_at(notice.data["failing_since"]),
        )
    how = _(
        "GET /v1/webhook-deliveries?endpoint_id=%(endpoint)s lists its deliveries, and each of them has its attempts.",
        endpoint=endpoint,
    )
    return subject, f"{text}\n\n{how}\n"


def _at(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M} UTC"
