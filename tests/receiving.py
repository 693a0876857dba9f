"""Where tests receive webhooks: each delivery is verified with packages that are not ours, looked at or not.

PyPI's standardwebhooks (v1) and cryptography (v1a) verify it as it arrives; npm's standardwebhooks and Node's crypto
verify all of them once more when the tests of a process end. A test fails when a delivery does not verify.
"""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

Place = tuple[int, str]  # port and path: a host may have many names


@dataclass(frozen=True)
class Trusted:
    """Whom an endpoint believes: messages signed with each of `secrets` (v1) and, if given, by `public_key` (v1a)."""

    secrets: tuple[str, ...]
    public_key: bytes | None

    def check(self, headers: Mapping[str, str], body: bytes, *, at_any_time: bool) -> None:
        """Raise WebhookVerificationError unless the message has exactly the signatures it should have."""
        signatures = [one.split(",", 1) for one in headers.get("webhook-signature", "").split(" ")]
        versions = sorted(version for version, *_ in signatures)
        expected = ["v1"] * len(self.secrets) + ["v1a"] * (self.public_key is not None)
        if versions != expected:
            raise WebhookVerificationError(f"signatures {versions}, not {expected}")
        for secret in self.secrets:
            _verify(Webhook(secret), headers, body, at_any_time=at_any_time)
        if self.public_key is not None:
            given = next(rest for version, *rest in signatures if version == "v1a")
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            try:
                Ed25519PublicKey.from_public_bytes(self.public_key).verify(base64.b64decode(given[0]), signed)
            except InvalidSignature:
                raise WebhookVerificationError("the signature v1a is wrong") from None


def _verify(known: Webhook, headers: Mapping[str, str], body: bytes, *, at_any_time: bool) -> None:
    if not at_any_time:
        known.verify(body, dict(headers), json_parse=False)
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    if known.sign(headers["webhook-id"], at, body.decode()) not in headers["webhook-signature"].split(" "):
        raise WebhookVerificationError("No matching signature found")


@dataclass(frozen=True)
class Delivery:
    """One request, with names of headers in lower case; `at` is when it was received, in seconds since 1970."""

    place: Place
    headers: Mapping[str, str]
    body: bytes
    at: float


class Archive:
    """What was received and verified, kept for Node.js: a line of JSON each."""

    def __init__(self, path: Path) -> None:
        self.path, self.kept = path, 0

    def add(self, delivery: Delivery, trusted: Trusted, *, at: float) -> None:
        said = {
            "at": at,
            "secrets": trusted.secrets,
            "x": trusted.public_key and base64.urlsafe_b64encode(trusted.public_key).decode().rstrip("="),
            "headers": dict(delivery.headers),
            "body": base64.b64encode(delivery.body).decode(),
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(said) + "\n")
        self.kept += 1

    def verify(self, folder: Path) -> None:
        """Let Node.js verify everything, with the package that is installed in `folder`; raises AssertionError."""
        done = subprocess.run(
            ["node", "verify_all.mjs", str(self.path)], cwd=folder, capture_output=True, text=True, timeout=300,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found == {"verified": self.kept, "rejected": []}, f"Node.js does not verify: {found}"


class Received:
    """What one test's receivers got, and whether it is signed by those that the endpoint at its URL trusts."""

    def __init__(self, archive: Archive) -> None:
        self.at_any_time = False  # where the sender's clock is moved on purpose
        self._archive = archive
        self._trusted: dict[Place, list[Trusted]] = {}
        self._wrong_expected: set[Place] = set()
        self._parked: list[Delivery] = []
        self._faults: list[str] = []
        self._lock = threading.Lock()

    def trust(self, url: str, *secrets: str, public_key: bytes | None = None) -> None:
        """Let there be one more endpoint at `url`."""
        with self._lock:
            self._trusted.setdefault(_place(url), []).append(Trusted(secrets, public_key))

    def trust_only(self, url: str, *secrets: str, public_key: bytes | None = None) -> None:
        """Let the endpoint at `url` trust these from now on."""
        with self._lock:
            self._trusted[_place(url)] = [Trusted(secrets, public_key)]

    def expect_wrong(self, url: str) -> None:
        """Let wrongly signed messages come to `url`, because what is tested sends them on purpose."""
        self._wrong_expected.add(_place(url))

    def take(self, place: Place, headers: Mapping[str, str], body: bytes) -> None:
        """Verify a delivery; one to a URL that nobody has trusted yet is verified by `check`."""
        lower = {name.lower(): value for name, value in headers.items()}
        delivery = Delivery(place, lower, body, time.time())
        with self._lock:
            if place in self._wrong_expected:
                return
            if place in self._trusted:
                self._judge(delivery)
            else:
                self._parked.append(delivery)

    def check(self) -> None:
        """Raise AssertionError if anything came that does not verify; what was found is forgotten."""
        with self._lock:
            parked, self._parked = self._parked, []
            for delivery in parked:
                self._judge(delivery)
            faults, self._faults = self._faults, []
        assert not faults, "webhooks that do not verify:\n" + "\n".join(faults)

    def _judge(self, delivery: Delivery) -> None:
        why = "no endpoint was registered here"
        for trusted in self._trusted.get(delivery.place, []):
            try:
                trusted.check(delivery.headers, delivery.body, at_any_time=self.at_any_time)
            except (WebhookVerificationError, ValueError, KeyError) as error:
                why = str(error)
            else:
                at = float(delivery.headers["webhook-timestamp"]) if self.at_any_time else delivery.at
                self._archive.add(delivery, trusted, at=at)
                return
        self._faults.append(f"{delivery.headers.get('webhook-id')} at {delivery.place}: {why}")


def _place(url: str) -> Place:
    parts = urlsplit(url)
    return parts.port or 443, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


_now: list[Received] = []


def current() -> Received:
    """What the running test received."""
    return _now[-1]


def trust(url: str, *secrets: str, public_key: bytes | None = None) -> None:
    """Received.trust, for the running test."""
    current().trust(url, *secrets, public_key=public_key)


@contextmanager
def checked(archive: Archive) -> Iterator[Received]:
    """For the time of a test, all that is received is verified; raises AssertionError at the end."""
    made = Received(archive)
    _now.append(made)
    try:
        yield made
    finally:
        _now.remove(made)
    made.check()


class Receiver(ThreadingHTTPServer):
    """A partner's server on loopback: keeps what it gets, in order, and answers `status` or what `answer` says."""

    daemon_threads = True

    def __init__(self) -> None:
        self.status, self.headers_out, self.body_out, self.delay_s = 204, {}, b"", 0.0
        self.echoes = False  # answers with what it was sent
        self.answer: Callable[[bytes, dict[str, str]], int] | None = None
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"

    @property
    def got(self) -> list[tuple[dict[str, str], bytes]]:
        return list(zip(self.headers, self.bodies, strict=False))

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        server, headers = self.server, dict(self.headers)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(server.delay_s)
        current().take((server.server_port, self.path), headers, body)
        server.headers.append(headers)
        server.bodies.append(body)
        status = server.answer(body, headers) if server.answer is not None else server.status
        says = body if server.echoes else server.body_out
        self.send_response(status)
        for name, value in server.headers_out.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(says)))
        self.end_headers()
        self.wfile.write(says)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def listening() -> Iterator[Receiver]:
    """A receiver that listens for the time of the block."""
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()
