"""Mail, one message at a time: through SMTP, or into the log where only this machine is served."""

from __future__ import annotations

import ipaddress
import logging
import smtplib
import ssl
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from kit import logs
from kit.errors import Unavailable
from kit.settings import Settings

log = logging.getLogger("mail")
TIMEOUT_S = 10


class MailUnavailable(Unavailable):
    code = "mail_unavailable"
    title = "Mail unavailable"
    description = "The mail server did not accept the message. You can ask for it again."
    remedy = (
        "Ask for the message again in a moment. Whoever runs the coalition checks COALITION_SMTP_URL and the mail "
        "server."
    )


def send(settings: Settings, *, to: str, subject: str, body: str) -> None:
    """Hand one plain-text message to the mail server; raises MailUnavailable.

    Without COALITION_SMTP_URL it is written to the log, which is for trying things out: it is refused unless the
    service listens on the loopback only, and nobody reaches it through a proxy under another address.
    """
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = settings.mail_from, to, subject
    message.set_content(body)
    if settings.smtp_url is None:
        if not (_is_loopback(settings.http_host) and _is_loopback(urlsplit(settings.issuer).hostname or "")):
            raise MailUnavailable("no mail server is set: COALITION_SMTP_URL")
        logs.event(log, "mail", subject=subject, body=body.strip())
        return
    try:
        _hand_over(message, settings.smtp_url)
    except (OSError, smtplib.SMTPException) as error:
        raise MailUnavailable("the mail server did not accept the message") from error


def _hand_over(message: EmailMessage, url: str) -> None:
    parts = urlsplit(url)
    host, trusted = parts.hostname or "localhost", ssl.create_default_context()
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=TIMEOUT_S, context=trusted)
    else:
        server = smtplib.SMTP(host, parts.port or 587, timeout=TIMEOUT_S)
    with server:
        if parts.scheme == "smtp" and (parts.username or not _is_loopback(host)):
            server.starttls(context=trusted)
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
