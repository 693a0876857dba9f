"""docs/webhooks.md: the code that verifies, run on Standard Webhooks' test message and on forgeries of it."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import pytest
import standardwebhooks.webhooks

from kit.secrets import Keyring
from tests.pin_events import DOCUMENT
from webhooks import signing

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
AT = 1614265330
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(AT),
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
OTHER = "v1," + base64.b64encode(bytes(32)).decode()
KEYRING = Keyring(bytes(32))
OURS, OTHERS = (signing.purpose(UUID(int=n)) for n in (1, 2))
KEYS = {"keys": [signing.jwk(KEYRING.public_key(purpose=one)) for one in (OTHERS, OURS)]}
SIGNED = {
    **HEADERS,
    "webhook-signature": "v1,x "
    + signing.headers(
        [], signer=partial(KEYRING.sign, purpose=OURS), message_id=HEADERS["webhook-id"], timestamp=AT,
        body=BODY,
    )["webhook-signature"],
}  # fmt: skip
Verify = Callable[..., bool]


def block(heading: str, language: str, number: int = 0) -> str:
    """The code in `language` below a heading of the document."""
    section = re.split(r"^##", DOCUMENT.read_text("utf-8").partition(f"### {heading}\n")[2], flags=re.M)[0]
    return re.findall(rf"^```{language}\n(.*?)^```", section, re.M | re.S)[number]


def tool(name: str) -> str:
    if (found := shutil.which(name)) is None:
        pytest.skip(f"{name} is not installed here")
    return found


def run(words: list[str], asked: dict[str, Any]) -> bool:
    done = subprocess.run(words, input=json.dumps(asked), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 3), done.stderr + done.stdout
    return done.returncode == 0


def asked(body: bytes, headers: dict[str, str], with_what: Any, now: int) -> dict[str, Any]:
    return {"body": body.decode(), "headers": headers, "with": with_what, "now": now}


# Each takes a message as the document's code does: whether it is believed. Node's and PHP's are told the time.
NODE = """
import { readFileSync } from "node:fs";
const asked = JSON.parse(readFileSync(0, "utf8"));
Date.now = () => asked.now * 1000;
try { verify(Buffer.from(asked.body), asked.headers, asked.with); } catch (error) {
  if (error.name !== "Error") throw error;
  process.exitCode = 3;
}
"""
PHP = """
$asked = json_decode(stream_get_contents(STDIN), true);
function time() { return $GLOBALS['asked']['now']; }
try { verify($asked['body'], $asked['headers'], $asked['with']); } catch (Exception $e) { exit(3); }
"""


def by_node(code: str) -> Verify:
    node = tool("node")

    def verify(body: bytes, headers: dict[str, str], with_what: Any, now: int) -> bool:
        return run([node, "--input-type=module", "-e", code + NODE], asked(body, headers, with_what, now))

    return verify


def by_php(code: str) -> Verify:
    php = tool("php")

    def verify(body: bytes, headers: dict[str, str], with_what: Any, now: int) -> bool:
        whole = f"namespace Document; use Exception;\n{code}\n{PHP}"
        return run([php, "-n", "-r", whole], asked(body, headers, with_what, now))

    return verify


def by_python(code: str, monkeypatch: pytest.MonkeyPatch) -> Verify:
    def verify(body: bytes, headers: dict[str, str], with_what: Any, now: int) -> bool:
        class Then(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return datetime.fromtimestamp(now, tz or UTC)

        monkeypatch.setattr(standardwebhooks.webhooks, "datetime", Then)
        monkeypatch.setattr(time, "time", lambda: float(now))
        names: dict[str, Any] = {"body": body, "headers": headers, "secret": with_what}
        try:
            exec(code, names)  # noqa: S102 -- the document's own code
            if "verify" in names:
                names["verify"](body, headers, with_what)
        except (standardwebhooks.WebhookVerificationError, ValueError):
            return False
        finally:
            monkeypatch.undo()
        return True

    return verify


def check(verify: Verify, headers: dict[str, str], with_what: Any, other: Any) -> None:
    """The right one is taken, also among others and a little late, and no forgery is."""
    signature = headers["webhook-signature"]
    several = {**headers, "webhook-signature": f"{OTHER} {signature} v9,x"}
    for right, now in ((headers, AT), (headers, AT + 299), (several, AT - 299)):
        assert verify(BODY, right, with_what, now)
    assert not verify(BODY + b" ", headers, with_what, AT)
    assert not verify(BODY, headers, other, AT)
    assert not verify(BODY, headers, with_what, AT + 301)
    assert not verify(BODY, headers, with_what, AT - 301)
    assert not verify(BODY, {**headers, "webhook-id": "msg_another"}, with_what, AT)
    assert not verify(BODY, {**headers, "webhook-timestamp": str(AT + 1)}, with_what, AT)
    for none in (OTHER, "v1,", "v1a,", signature.replace("v1,", "v2,").replace("v1a,", "v2a,")):
        assert not verify(BODY, {**headers, "webhook-signature": none}, with_what, AT), none


def test_the_documents_message_is_the_one_that_is_tried_here() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert all(one in text for one in (SECRET, BODY.decode(), *HEADERS.values()))


@pytest.mark.parametrize("language", ["python", "js", "php"])
def test_what_verifies_a_secrets_signature_takes_the_message_and_no_forgery(language: str, monkeypatch) -> None:
    verify = {
        "python": lambda: by_python(block("Python", "python"), monkeypatch),
        "js": lambda: by_node(block("Node.js", "js", 1)),
        "php": lambda: by_php(block("PHP", "php")),
    }[language]()
    check(verify, HEADERS, SECRET, "whsec_" + base64.b64encode(bytes(24)).decode())


@pytest.mark.parametrize("language", ["python", "js"])
def test_what_verifies_our_own_signature_takes_the_message_and_no_forgery(language: str, monkeypatch) -> None:
    code = block("The signature v1a", language)
    verify = by_python(code, monkeypatch) if language == "python" else by_node(code)
    check(verify, SIGNED, KEYS, {"keys": KEYS["keys"][:1]})


def test_openssl_makes_the_same_signature() -> None:
    tool("openssl")
    names = f"secret={SECRET}; id={HEADERS['webhook-id']}; timestamp={AT}; body='{BODY.decode()}'\n"
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", names + block("openssl", "sh")], capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    assert "v1," + done.stdout.strip() == HEADERS["webhook-signature"]
