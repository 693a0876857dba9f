"""Mail handed over behind the answer, so that its time doesn't tell whether there was any to send.

What is not handed over when the process ends is lost, and asked for again by whoever waits for it: a job would keep
codes in Redis, where nothing secret belongs.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import cast

from flask import Flask, current_app

from identity.mails import Mail
from kit import logs, mail
from kit.http.services import services
from kit.mail import MailUnavailable
from kit.settings import Settings

log = logging.getLogger("mail")
THREADS = 4
MOST_WAITING = 500
_NAME = "coalition.mailer"


class Mailer:
    """Sends messages in the background, up to MOST_WAITING at a time; what fails is logged, without the address."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="mail")
        self._places = BoundedSemaphore(MOST_WAITING)

    def send(self, said: Mail, *, to: str) -> None:
        """Send one message soon."""
        if not self._places.acquire(blocking=False):
            logs.event(log, "mail not sent", level=logging.WARNING, reason="too many waiting")
            return
        self._threads.submit(self._hand_over, said, to)

    def close(self) -> None:
        """Send what waits and end the threads."""
        self._threads.shutdown()

    def _hand_over(self, said: Mail, to: str) -> None:
        try:
            mail.send(self._settings, to=to, subject=said.subject, body=said.body)
        except MailUnavailable as error:
            logs.event(log, "mail not sent", level=logging.WARNING, reason=error.detail)
        finally:
            self._places.release()


def install(app: Flask, settings: Settings) -> None:
    """Give `app` a mailer that ends with its services."""
    made = app.extensions[_NAME] = Mailer(settings)
    with app.app_context():
        services().closing.callback(made.close)


def mailer() -> Mailer:
    """The mailer of the current app."""
    return cast(Mailer, current_app.extensions[_NAME])
