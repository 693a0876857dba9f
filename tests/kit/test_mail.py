"""Mail: handed to a real SMTP server, or to the log while only this machine is served."""

from __future__ import annotations

import logging
import socket

import pytest

from kit import mail
from kit.mail import MailUnavailable
from kit.settings import Settings
from tests.identity.sign_in_kit import SmtpServer


@pytest.fixture
def smtp():
    with SmtpServer() as server:
        yield server.mailbox
        server.shutdown()


def test_a_message_goes_to_the_mail_server(smtp) -> None:
    settings = Settings(smtp_url=smtp.url, mail_from="points@example.com")
    mail.send(settings, to="ann@example.com", subject="Your code", body="123456")
    assert b"To: ann@example.com" in smtp.messages[0]
    assert b"123456" in smtp.messages[0]


def test_without_a_mail_server_it_goes_to_the_log_of_this_machine(caplog) -> None:
    caplog.set_level(logging.INFO, "mail")
    mail.send(Settings(), to="ann@example.com", subject="Your code", body="123456")
    assert caplog.records[0].facts == {"subject": "Your code", "body": "123456"}
    with pytest.raises(MailUnavailable):
        mail.send(Settings(http_host="0.0.0.0"), to="ann@example.com", subject="Your code", body="123456")


def test_a_mail_server_that_is_away_is_an_error_that_may_pass() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"smtp://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(MailUnavailable):
        mail.send(Settings(smtp_url=url), to="ann@example.com", subject="Your code", body="123456")


def test_a_code_is_not_logged_where_a_proxy_stands_in_front(caplog) -> None:
    caplog.set_level(logging.INFO, "mail")
    with pytest.raises(MailUnavailable):
        mail.send(Settings(public_url="https://points.example"), to="a@example.com", subject="Your code", body="123456")
    assert caplog.records == []
