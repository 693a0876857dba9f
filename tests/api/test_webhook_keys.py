"""Public keys of webhooks: others' libraries check our signatures with what we serve."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc.jwk import OKPKey

from kit import ids
from tests.conftest import World
from webhooks import signing

NODE = shutil.which("node")
BODY = '{"id":"evt_1","data":{"reference":"Käse"}}'.encode()
# Node's own crypto, from the JWK as it is served: prints whether the signature holds.
CHECK = """
const { createPublicKey, verify } = require("node:crypto");
const { jwk, signed, signature } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const key = createPublicKey({ key: jwk, format: "jwk" });
console.log(verify(null, Buffer.from(signed, "base64"), key, Buffer.from(signature, "base64")));
"""


OURS, OTHERS = UUID(int=1), UUID(int=2)  # any id has a key


@pytest.fixture
def served_key(http) -> dict[str, Any]:
    return served(http, OURS)


def served(http, partner_id: UUID) -> dict[str, Any]:
    answer = http.get(f"/.well-known/webhook-keys/{ids.show(ids.PARTNER, partner_id)}.json")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "public, max-age=86400"
    [key] = answer.json["keys"]
    return key


def signed_by(world: World) -> bytes:
    signer = partial(world.keyring.sign, purpose=signing.purpose(OURS))
    headers = signing.headers([], signer=signer, message_id="evt_1", timestamp=1614265330, body=BODY)
    assert headers["webhook-signature"].startswith("v1a,")
    return base64.b64decode(headers["webhook-signature"].removeprefix("v1a,"))


def public(key: dict[str, Any]) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(key["x"] + "="))


def test_the_served_key_is_a_jwk_whose_name_is_its_thumbprint(served_key) -> None:
    named = {name: served_key[name] for name in ("crv", "kty", "x")}
    assert served_key["kid"] == OKPKey.import_key(named).thumbprint()
    assert (served_key["kty"], served_key["crv"], served_key["use"]) == ("OKP", "Ed25519", "sig")
    raw = base64.urlsafe_b64decode(served_key["x"] + "=")
    assert served_key["whpk"] == "whpk_" + base64.b64encode(raw).decode()


def test_cryptography_checks_our_signature_with_it_and_with_no_other_partners(world: World, http, served_key) -> None:
    signature = signed_by(world)
    public(served_key).verify(signature, b"evt_1.1614265330." + BODY)
    for key, said in ((served_key, b"evt_1.1614265331." + BODY), (served(http, OTHERS), b"evt_1.1614265330." + BODY)):
        with pytest.raises(InvalidSignature):
            public(key).verify(signature, said)


@pytest.mark.skipif(NODE is None, reason="there is no Node here")
@pytest.mark.parametrize(
    ("whose", "said", "holds"), [(OURS, BODY, "true"), (OURS, BODY + b" ", "false"), (OTHERS, BODY, "false")]
)
def test_nodes_own_crypto_checks_our_signature_with_it(world: World, http, whose: UUID, said: bytes, holds) -> None:
    asked = {
        "jwk": served(http, whose),
        "signed": base64.b64encode(b"evt_1.1614265330." + said).decode(),
        "signature": base64.b64encode(signed_by(world)).decode(),
    }
    done = subprocess.run(
        [str(NODE), "-e", CHECK], input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.strip() == holds


@pytest.mark.parametrize(
    "name", ["prt_", "prt_01h45ytscbebyvny4gc8cr8ma", "mbr_01h45ytscbebyvny4gc8cr8ma2", "x", "prt_" + "8" * 26]
)
def test_what_is_no_partners_id_has_no_key(http, name: str) -> None:
    answer = http.get(f"/.well-known/webhook-keys/{name}.json")
    assert (answer.status_code, answer.json["code"]) == (422, "malformed_id")
    assert http.get("/.well-known/webhook-keys.json").status_code == 404
