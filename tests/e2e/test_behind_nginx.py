"""A coalition behind nginx with the configuration of docs/deploy: TLS, whose request it is, bounds."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import shutil
import socket
import ssl
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness import free_port
from tests.e2e.conftest import ROOT, Place, wait_for
from tests.e2e.test_sandbox import Api
from tests.e2e.test_sandbox import here as here

pytestmark = pytest.mark.skipif(
    shutil.which("nginx") is None or shutil.which("openssl") is None, reason="nginx or openssl isn't installed"
)
NAME = "loyalty.example"
HEAD_TIMEOUT_S = 1
TILL, OTHER_TILL, STRANGER = "127.0.0.8", "127.0.0.9", "127.0.0.7"  # all of them are this machine


class Nginx:
    """nginx with our configuration, its ports and its certificate replaced."""

    def __init__(self, folder: Path, upstream: str) -> None:
        self.http, self.https, self._folder = free_port(), free_port(), folder
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-keyout", key, "-out", certificate, "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"],
            check=True, capture_output=True,
        )  # fmt: skip
        text = (ROOT / "docs" / "deploy" / "coalition.nginx.conf").read_text("utf-8")
        for there, ours in (
            (" 127.0.0.1:8000;", f" 127.0.0.1:{upstream};"),
            (" 80;", f" 127.0.0.1:{self.http};"),
            (" 443 ssl", f" 127.0.0.1:{self.https} ssl"),
            (f"/etc/ssl/{NAME}.pem", str(certificate)),
            (f"/etc/ssl/private/{NAME}.key", str(key)),
            ("client_header_timeout   10s", f"client_header_timeout {HEAD_TIMEOUT_S}s"),
        ):
            assert there in text
            text = text.replace(there, ours)
        (folder / "coalition.conf").write_text(re.sub(r"^ *listen \[::\].*\n", "", text, flags=re.M))
        places = "".join(
            f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(
            f"daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
            f"http {{ access_log off; {places} include {folder}/coalition.conf; }}\n"
        )
        self.trust = ssl.create_default_context(cafile=str(certificate))

    def start(self) -> subprocess.Popen[bytes]:
        words = ["nginx", "-p", str(self._folder), "-e", str(self._folder / "error.log"), "-c", "nginx.conf"]
        subprocess.run([*words, "-t"], check=True, capture_output=True)
        return subprocess.Popen(words)

    def connect(self, source: str) -> ssl.SSLSocket:
        """A connection over TLS from the address `source`."""
        plain = socket.create_connection(("127.0.0.1", self.https), timeout=30, source_address=(source, 0))
        return self.trust.wrap_socket(plain, server_hostname=NAME)

    def ask(self, source: str, method: str, path: str, body: Any = None, **headers: str) -> HTTPResponse:
        return ask(self.connect(source), method, path, body, **headers)


def ask(connection: socket.socket, method: str, path: str, body: Any = None, **headers: str) -> HTTPResponse:
    """Send one request over `connection`, its body as JSON unless it is bytes; the answer, which has been read."""
    http = HTTPConnection(NAME)
    http.sock = connection
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    shown.setdefault("Content-Type", "application/json")
    with closing(http):
        http.request(method, path, body if isinstance(body, bytes | None) else json.dumps(body), shown)
        answer = http.getresponse()
        answer.text = answer.read().decode()
        return answer


@pytest.fixture
def front(here: Place, tmp_path: Path) -> Iterator[Nginx]:
    """A coalition, its sandbox beside it, and nginx in front."""
    here.variables.update(
        COALITION_PUBLIC_URL=f"https://{NAME}",
        COALITION_TRUSTED_PROXIES="127.0.0.1/32",
        COALITION_RATE_LIMIT_OAUTH_PER_S="1",
    )
    folder = tmp_path / "nginx"
    folder.mkdir()
    folder.chmod(0o755)
    nginx = Nginx(folder, here.variables["COALITION_HTTP_PORT"])
    with here.up():
        server = nginx.start()
        try:
            wait_for(lambda: answers(nginx.https), within_s=10)
            yield nginx
        finally:
            server.terminate()
            server.wait(20)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_tls_addresses_bounds_and_those_who_drip(here: Place, front: Nginx) -> None:
    cut = [Dripping(front, head=True), Dripping(front, head=False)]
    speaks_tls_only(front)
    serves_the_sandbox(front)
    bodies_are_bounded(here, front)
    budgets_are_each_addresses_own(front)
    the_audit_names_who_asked(here, front)
    head, body = (one.answered() for one in cut)
    assert head == "", "nginx hangs up on it"
    assert cut[0].lasted_s < 5
    assert body.split()[1] == "408"
    assert '"request_timeout"' in body


def speaks_tls_only(front: Nginx) -> None:
    plain = ask(socket.create_connection(("127.0.0.1", front.http)), "GET", "/docs?x=1")
    assert (plain.status, plain.headers["Location"]) == (308, f"https://{NAME}/docs?x=1")
    ready = front.ask(TILL, "GET", "/readyz")
    assert (ready.status, len(ready.headers.get_all("Strict-Transport-Security"))) == (200, 1)
    assert (
        json.loads(front.ask(TILL, "GET", "/.well-known/oauth-authorization-server").text)["issuer"]
        == f"https://{NAME}"
    )


def serves_the_sandbox(front: Nginx) -> None:
    assert front.ask(TILL, "GET", "/sandbox/readyz").status == 200
    named = front.ask(TILL, "GET", "/.well-known/oauth-authorization-server/sandbox")
    assert (named.status, json.loads(named.text)["issuer"]) == (200, f"https://{NAME}/sandbox")


def bodies_are_bounded(here: Place, front: Nginx) -> None:
    """What is a little too large gets our own answer, what is far too large does not reach us, and a file passes."""
    made = json.loads(here.run("sandbox", "partner", "Corner Grocer", "--json")[1])
    headers = {"Authorization": f"Bearer {Api(here, made).token}", "Idempotency_Key": "file"}
    ours = front.ask(TILL, "POST", "/sandbox/v1/earns", b" " * 70_000, **headers)
    assert (ours.status, json.loads(ours.text)["code"]) == (413, "body_too_large")
    too_large = front.ask(TILL, "POST", "/v1/earns", b" " * 4 * 2**20)
    assert (too_large.status, too_large.headers["Content-Type"]) == (413, "text/html")
    lines = b'{"kind": "earn", "card": "7001000000178503", "points": 1, "reference": "R"}\n' * 50_000
    assert len(lines) > 3 * 2**20
    path = "/sandbox/v1/batches/files"
    file = front.ask(TILL, "POST", path, lines, Content_Type="application/jsonl", **headers)
    assert (file.status, json.loads(file.text)["lines"]) == (202, 50_000)


def budgets_are_each_addresses_own(front: Nginx) -> None:
    """One that asks too often is refused, whatever it says of itself, and nobody else with it."""
    statuses = (sign_in(front, TILL, X_Forwarded_For=f"203.0.113.{n}") for n in range(200))
    assert set(takewhile(lambda status: status != 429, statuses)) == {401}
    assert next(statuses, None) is not None, "refused before it had asked so often"
    assert sign_in(front, OTHER_TILL) == 401


def sign_in(front: Nginx, source: str, **headers: str) -> int:
    basic = b64encode(f"co_client_{secrets.token_hex(4)}:wrong".encode()).decode()
    headers |= {"Authorization": f"Basic {basic}", "Content_Type": "application/x-www-form-urlencoded"}
    return front.ask(source, "POST", "/oauth/token", b"grant_type=client_credentials", **headers).status


def the_audit_names_who_asked(here: Place, front: Nginx) -> None:
    """The client's address through the proxy, and the sender's own where no proxy passed it on."""
    made = json.loads(here.run("client", "create", "--admin", "--json")[1])
    basic = b64encode(f"{made['client_id']}:{made['client_secret']}".encode()).decode()
    form = {"Authorization": f"Basic {basic}", "Content_Type": "application/x-www-form-urlencoded"}
    token = json.loads(front.ask(OTHER_TILL, "POST", "/oauth/token", b"grant_type=client_credentials", **form).text)
    headers = {"Authorization": f"Bearer {token['access_token']}", "X_Forwarded_For": "203.0.113.9"}
    port = int(here.variables["COALITION_HTTP_PORT"])
    doors: dict[str, Callable[[], socket.socket]] = {
        OTHER_TILL: lambda: front.connect(OTHER_TILL),
        STRANGER: lambda: socket.create_connection(("127.0.0.1", port), source_address=(STRANGER, 0)),
    }
    for address, connect in doors.items():
        body = {"code": f"from-{address.replace('.', '-')}", "name": "Groceries"}
        answer = ask(connect(), "POST", "/v1/admin/categories", body, Idempotency_Key=secrets.token_hex(8), **headers)
        assert answer.status == 201, answer.text
    entries = json.loads(here.run("audit", "list", "--json")[1])["data"]
    assert {entry.get("address") for entry in entries if entry["action"].startswith("category")} == set(doors)


class Dripping(threading.Thread):
    """Somebody who sends a byte every now and then, without credentials, until it is cut off."""

    def __init__(self, front: Nginx, *, head: bool) -> None:
        super().__init__(daemon=True)
        self._connection, self._answer = front.connect(STRANGER), b""
        self._began, self.lasted_s = time.monotonic(), 0.0
        begun = f"POST /oauth/token HTTP/1.1\r\nHost: {NAME}\r\n"
        rest = "X-Slow: " if head else "Content-Length: 60000\r\n\r\n"
        self._connection.sendall(f"{begun}{rest}".encode())
        self.start()

    def run(self) -> None:
        self._connection.settimeout(0.4)
        more = b"x"
        with self._connection:
            while more:
                with contextlib.suppress(TimeoutError):
                    try:
                        self._connection.sendall(b"x")
                        self._answer += (more := self._connection.recv(4096))
                    except ConnectionError:
                        more = b""
        self.lasted_s = time.monotonic() - self._began

    def answered(self) -> str:
        """What it was told, if anything, when it was cut off."""
        self.join(30)
        assert not self.is_alive()
        return self._answer.decode()
