"""The example of docs/seals.md, computed again from its own lines with a hash function and Ed25519 alone."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from coalition.day_leaves import DayLeaf
from coalition.tlog import policies
from settlement import offline_proof
from settlement.offline_proof import StatementRefused
from tests.settlement.test_offline_proof import stranger, uuid_of

PAGE = Path(__file__).parents[2] / "docs" / "seals.md"
SAID = dict(re.findall(r"^```text ([a-z-]+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S))
KEYS = {"coalition.example/days": bytes(range(32)), "birch.example": bytes([7]) * 32}


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def fields(leaf: str) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in leaf.splitlines() if " " in line)


class Reader:
    """Reads the bytes of a row as the page says, with nothing of ours."""

    def __init__(self, row: bytes) -> None:
        self.left = row

    def take(self, n: int) -> bytes:
        taken, self.left = self.left[:n], self.left[n:]
        assert len(taken) == n
        return taken

    def id(self) -> str:
        return str(UUID(bytes=self.take(16)))

    def number(self, size: int = 8) -> str:
        return str(int.from_bytes(self.take(size), "big", signed=True))

    def day(self) -> str:
        return str(date(2000, 1, 1) + timedelta(days=int(self.number(4))))

    def instant(self) -> str:
        seconds, micros = divmod(int(self.number()), 1_000_000)
        return f"{seconds + 946_684_800}.{micros:06d}"

    def text(self) -> str:
        end = self.left.index(b"\0")
        return self.take(end + 1)[:-1].decode()

    def maybe(self, read: Callable[[], str]) -> str:
        return read() if self.take(1) == b"\1" else ""


def line_of(row: bytes, day: str) -> str:
    """The line that stood for a row in seals before version 4."""
    it, kind = Reader(row[1:]), row[0]
    txn_id = it.id()
    if kind == 1:
        seq, member_id = it.number(4), it.id()
        parts = [member_id, txn_id, seq, it.text(), it.text(), it.number(), it.id(), it.id(), it.id(), day, it.day()]
    else:
        parts = [it.id(), it.number(), txn_id, it.text(), it.id(), *(it.number() for _ in range(7)), it.text()]
        for read in (it.id, it.id, it.number, it.text, it.text, it.number, it.day):
            parts.append(it.maybe(read))
        parts += [it.instant(), it.instant(), it.maybe(it.instant), day, it.day(), it.maybe(it.text)]
    assert it.left == b""
    return "|".join(parts) + "\n"


def test_the_rows_say_what_the_lines_of_earlier_versions_said() -> None:
    day = json.loads(SAID["json"])[2]
    assert "".join(line_of(bytes.fromhex(row), day) for row in SAID["rows"].split()) == SAID["lines"]
    assert sha(SAID["lines"].encode()).hex() == SAID["digest-of-lines"].strip()


def test_the_digest_is_over_the_rows_and_the_chain_over_the_digest() -> None:
    assert sha(bytes.fromhex("".join(SAID["rows"].split()))).hex() == SAID["digest"].strip()
    content = json.loads(SAID["json"])
    assert content[5] == SAID["digest"].strip()
    postings = [line.split("|") for line in SAID["lines"].splitlines() if line.count("|") == 10]
    totals: dict[str, int] = {}
    for row in postings:
        account = f"{row[3]}>{row[4]}:{row[7]}"
        totals[account] = totals.get(account, 0) + int(row[5])
    assert content[3:5] == [len(postings), dict(sorted(totals.items()))]
    assert sha(bytes(32) + SAID["json"].strip().encode()).hex() == SAID["chain"].strip()
    leaf = fields(SAID["leaf"])
    assert (leaf["digest"], leaf["chain"], leaf["before"]) == (content[5], SAID["chain"].strip(), "00" * 32)
    assert (leaf["seal"], leaf["day"], leaf["postings"]) == (str(content[0]), content[2], str(content[3]))
    empty = json.dumps(
        [4, "2026-03-04T00:00:01.000000+00:00", "2026-03-03", 0, {}, sha(b"").hex()], separators=(",", ":")
    )
    after = fields(SAID["next-leaf"])
    assert after["before"] == leaf["chain"]
    assert after["chain"] == sha(bytes.fromhex(leaf["chain"]) + empty.encode()).hex()


def test_the_lines_are_hashed_into_the_terms_and_the_terms_into_the_content_hash() -> None:
    head, line, _ = SAID["statement"].splitlines()
    said, posted = json.loads(SAID["statement"]), json.loads(line)
    (owed,) = said["obligations"]
    assert sha(SAID["statement-line"].encode()).hex() == SAID["lines-digest"].strip() == owed["lines_digest"]
    names = ("seq", "posted_on", "issued_on", "concerns", "points", "amount_minor", "reference")
    hashed = [uuid_of(posted["transaction_id"]), *(str(posted[name]) for name in names)]
    assert "|".join(hashed) + "\n" == SAID["statement-line"]
    terms = head.partition(',"content_hash"')[0] + "}"
    assert sha(terms.encode()).hex() == said["content_hash"] == fields(SAID["statement-leaf"])["content"]
    assert uuid_of(said["partner_id"]) == fields(SAID["statement-leaf"])["partner"]
    assert sha(SAID["obligations"].encode()).hex() == fields(SAID["leaf"])["settlement"]
    assert SAID["obligations"].strip().split("|")[-4:] == ["40", "38", "daily", owed["lines_digest"]]
    assert fields(SAID["next-leaf"])["settlement"] == sha(b"").hex()
    leaf = fields(SAID["leaf"])
    assert said["seals"] == [{"chain": leaf["chain"], "day": leaf["day"], "digest": leaf["digest"], "postings": 2}]


def test_the_statement_is_in_the_tree_of_its_day_and_the_day_in_the_log() -> None:
    own = fields(SAID["statement-leaf"])
    hashes = re.findall(r"`([0-9a-f]{64})`", PAGE.read_text("utf-8"))
    assert hashes[0] == sha(b"\0" + SAID["statement-leaf"].encode()).hex()
    root = sha(b"\1" + bytes.fromhex(hashes[1]) + bytes.fromhex(hashes[0])).hex()
    assert root == SAID["statements-root"].strip()
    assert fields(SAID["leaf"])["statements"] == f"2 {root}"
    leaves = [sha(b"\0" + SAID[name].encode()) for name in ("leaf", "next-leaf")]
    assert base64.b64decode(SAID["checkpoint"].splitlines()[2]) == sha(b"\1" + leaves[0] + leaves[1])
    assert UUID(own["partner"])


def test_the_signatures_are_those_of_the_keys_that_the_page_names() -> None:
    text, _, signed = SAID["checkpoint"].partition("\n\n")
    keys = re.findall(r"(\S+)\+([0-9a-f]{8})\+(\S+)$", SAID["policy"], re.M)
    for line, (name, key_id, encoded) in zip(signed.splitlines(), keys, strict=True):
        key = Ed25519PrivateKey.from_private_bytes(KEYS[name])
        kind = base64.b64decode(encoded)[:1]
        assert base64.b64decode(encoded)[1:] == key.public_key().public_bytes_raw()
        assert sha(name.encode() + b"\n" + base64.b64decode(encoded))[:4].hex() == key_id
        data = base64.b64decode(line.split(" ")[2])
        time = data[4:12] if kind == b"\4" else b""
        said = f"cosignature/v1\ntime {int.from_bytes(time, 'big')}\n" if time else ""
        assert data == bytes.fromhex(key_id) + time + key.sign(f"{said}{text}\n".encode())


def test_the_proof_is_made_of_the_parts_on_the_page_and_holds_for_a_stranger_and_for_us(tmp_path: Path) -> None:
    _, extra, *_ = SAID["proof"].splitlines()
    assert base64.b64decode(extra.removeprefix("extra ")).decode() == SAID["extra"]
    assert SAID["proof"].endswith(f"\n\n{SAID['checkpoint']}")
    assert SAID["extra"].endswith(f"\n\n{SAID['leaf']}")
    log, witness = (line.split()[-1] for line in SAID["policy"].splitlines()[:2])
    assert stranger(SAID["statement"].encode(), SAID["proof"], log, [witness]) == fields(SAID["leaf"])
    statement, policy = tmp_path / "birch.json", policies.parse(SAID["policy"].encode())
    statement.write_text(SAID["statement"])
    found = offline_proof.verify(statement, SAID["proof"].encode(), policy)
    assert (str(found.leaf), found.cosigned_by) == (SAID["leaf"], ("birch",))
    assert DayLeaf.parse(SAID["next-leaf"]).before == found.leaf.chain
    statement.write_text(SAID["statement"].replace("38", "83"))
    with pytest.raises(StatementRefused):
        offline_proof.verify(statement, SAID["proof"].encode(), policy)
