"""What tests of sign-in share: a browser over https, a mailbox, people, and an authenticator in software."""

from __future__ import annotations

import base64
import html
import json
import re
import secrets
import socketserver
import threading
import time
from dataclasses import dataclass, field
from email import message_from_bytes
from hashlib import sha256
from typing import Any
from uuid import UUID

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from kit import ids
from tests.conftest import NOW, World

HTTPS = "https://localhost"


@dataclass
class Mailbox:
    """A small SMTP server, and what it took."""

    url: str
    messages: list[bytes] = field(default_factory=list)

    def wait(self, count: int) -> list[Any]:
        """The messages once there are `count`; mail is handed over behind the answer."""
        end = time.monotonic() + 10
        while len(self.messages) < count and time.monotonic() < end:
            time.sleep(0.01)
        assert len(self.messages) == count
        return [message_from_bytes(message) for message in self.messages]

    def code(self, count: int = 1) -> str:
        """The code in the last of `count` messages."""
        return re.search(r"\b(\d{4} \d{4})\b", self.wait(count)[-1].get_payload())[1]


class SmtpHandler(socketserver.StreamRequestHandler):
    """Enough of RFC 5321 to take one message."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                body = b""
                while not body.endswith(b"\r\n.\r\n"):
                    body += self.rfile.readline()
                self.server.mailbox.messages.append(body)
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
            if verb == b"QUIT":
                return


class SmtpServer(socketserver.ThreadingTCPServer):
    """Takes mail into `mailbox`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), SmtpHandler)
        self.mailbox = Mailbox(f"smtp://127.0.0.1:{self.server_address[1]}")
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


class Browser:
    """One browser: its cookies, and forms filled in as its user would."""

    def __init__(self, app: Flask) -> None:
        self.http: FlaskClient = app.test_client()

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.http.get(path, base_url=HTTPS, **more)

    def token(self, path: str) -> str:
        """The token of the forms on the page at `path`."""
        page = self.get(path)
        assert page.status_code == 200, page.text
        return re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]

    def post(self, path: str, fields: dict[str, str], *, page: str | None = None, **more: Any) -> TestResponse:
        """Fill in the form on `page` (of the same address, if it isn't given) and send it."""
        token = {"csrf_token": self.token(page or path)}
        return self.http.post(path, data={**token, **fields}, base_url=HTTPS, **more)

    def send_json(self, path: str, body: Any, *, token: str, **headers: str) -> TestResponse:
        return self.http.post(path, json=body, base_url=HTTPS, headers={"X-CSRF-Token": token, **headers})

    def ask(self, kind: str, email: str, then: str = "") -> TestResponse:
        return self.post(f"/sign-in/{kind}", {"email": email, "next": then})

    def enter(self, kind: str, code: str, then: str = "") -> TestResponse:
        return self.post(f"/sign-in/{kind}/code", {"code": code, "next": then})

    def sign_in(self, mailbox: Mailbox, kind: str, email: str) -> None:
        count = len(mailbox.messages) + 1
        assert self.ask(kind, email).status_code == 303
        assert self.enter(kind, mailbox.code(count)).status_code == 303

    def cookie(self, name: str) -> str | None:
        found = self.http.get_cookie(f"__Host-coalition-{name}")
        return found.value if found else None

    def set_cookie(self, name: str, value: str) -> None:
        self.http.set_cookie(f"__Host-coalition-{name}", value, secure=True)


def staff(world: World, email: str, partner_id: UUID | None = None) -> UUID:
    """Somebody who works for the partner, or for the coalition."""
    staff_id = ids.new()
    with world.transaction() as session:
        session.execute(
            text("INSERT INTO partners.staff VALUES (:id, :partner_id, :email, 'Ann', 'manager', :now)"),
            {"id": staff_id, "partner_id": partner_id, "email": email, "now": NOW},
        )
    return staff_id


def member(world: World, email: str) -> UUID:
    """A member with an e-mail address that is not verified yet."""
    member_id = world.member()
    with world.transaction() as session:
        session.execute(
            text("""
                INSERT INTO coalition.member_identifier (kind, fingerprint, member_id, masked)
                VALUES ('email', :fingerprint, :id, 'b***@example.com')
            """),
            {"fingerprint": world.keyring.fingerprint(purpose="e-mail address", value=email), "id": member_id},
        )
    return member_id


def unescape(page: TestResponse) -> str:
    return html.unescape(page.text)


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(shown: str) -> bytes:
    return base64.urlsafe_b64decode(shown + "=" * (-len(shown) % 4))


UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40


class Authenticator:
    """An authenticator with one ES256 key (WebAuthn §6), that says what it is told to say."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id = secrets.token_bytes(32)
        self.count = 0
        self.user_handle: bytes | None = None

    def create(self, options: dict[str, Any], **told: Any) -> dict[str, Any]:
        """A new credential, with attestation "none"."""
        self.user_handle = decode(options["user"]["id"])
        numbers = self.key.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + cbor2.dumps(public)
        data = self._data(told.pop("rp_id", options["rp"]["id"]), told.pop("flags", UP | UV) | AT) + attested
        made = {"fmt": "none", "attStmt": {}, "authData": data}
        client = self._client("webauthn.create", options, **told)
        return self._shown({"clientDataJSON": encode(client), "attestationObject": encode(cbor2.dumps(made)),
                            "transports": ["internal", "nonsense"]})  # fmt: skip

    def get(self, options: dict[str, Any], **told: Any) -> dict[str, Any]:
        """An assertion."""
        handle = told.pop("user_handle", self.user_handle)
        data = self._data(told.pop("rp_id", options["rpId"]), told.pop("flags", UP | UV))
        client = self._client("webauthn.get", options, **told)
        signature = self.key.sign(data + sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._shown({"clientDataJSON": encode(client), "authenticatorData": encode(data),
                            "signature": encode(signature), "userHandle": handle and encode(handle)})  # fmt: skip

    def _data(self, rp_id: str, flags: int) -> bytes:
        return sha256(rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client(self, kind: str, options: dict[str, Any], **told: Any) -> bytes:
        said = {"type": kind, "challenge": options["challenge"], "origin": HTTPS, "crossOrigin": False}
        return json.dumps({**said, **told}).encode()

    def _shown(self, response: dict[str, Any]) -> dict[str, Any]:
        shown = encode(self.credential_id)
        return {"id": shown, "rawId": shown, "type": "public-key", "response": response}
