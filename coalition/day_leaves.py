"""What the log of closed days holds of a day: one leaf, a text to the letter, with the root of the day's statements.

Each statement is a leaf of a small tree of its own, blinded, so that the proof of one says nothing of the others.
docs/seals.md is the recipe, for whoever checks them with other software.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from uuid import UUID

from coalition.tlog import merkle
from coalition.tlog.encoding import MalformedLogFile

BLIND_BYTES = 16
_LEAF = re.compile(
    r"coalition\.day/1\n"
    r"programme (?P<programme_id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\n"
    r"day (?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})\n"
    r"before (?P<before>[0-9a-f]{64})\n"
    r"seal (?P<seal_version>[1-9][0-9]{0,3})\n"
    r"postings (?P<postings>0|[1-9][0-9]{0,18})\n"
    r"digest (?P<digest>[0-9a-f]{64})\n"
    r"chain (?P<chain>[0-9a-f]{64})\n"
    r"(?:settlement none|settlement (?P<content_hash>[0-9a-f]{64})\n"
    r"statements (?P<statements>0|[1-9][0-9]{0,8}) (?P<statements_root>[0-9a-f]{64}))\n",
    re.ASCII,
)


@dataclass(frozen=True)
class Settled:
    """What a settlement left of a day: its content hash, and the statements of the runs that end with it.

    Each is known by its partner, the cycle of its run, and its content hash.
    """

    content_hash: bytes
    statements: Sequence[tuple[UUID, str, bytes]]


@dataclass(frozen=True)
class SettledRoot:
    """The same as a leaf holds it: how many statements there are, and the root of their tree."""

    content_hash: bytes
    statements: int
    statements_root: bytes


@dataclass(frozen=True)
class DayLeaf:
    """A closed day in the log: `before` is the chain of the day before, `settled` is None where it is not settled."""

    programme_id: UUID
    day: date
    before: bytes
    seal_version: int
    postings: int
    digest: bytes
    chain: bytes
    settled: SettledRoot | None

    def __str__(self) -> str:
        lines = [
            "coalition.day/1",
            f"programme {self.programme_id}",
            f"day {self.day}",
            f"before {self.before.hex()}",
            f"seal {self.seal_version}",
            f"postings {self.postings}",
            f"digest {self.digest.hex()}",
            f"chain {self.chain.hex()}",
        ]
        if self.settled is None:
            lines.append("settlement none")
        else:
            lines.append(f"settlement {self.settled.content_hash.hex()}")
            lines.append(f"statements {self.settled.statements} {self.settled.statements_root.hex()}")
        return "\n".join(lines) + "\n"

    @classmethod
    def parse(cls, text: str) -> DayLeaf:
        """The leaf that `text` is, to the letter; raises MalformedLogFile."""
        found = _LEAF.fullmatch(text)
        try:
            if found is None:
                raise ValueError
            day = date.fromisoformat(found["day"])
        except ValueError:
            raise MalformedLogFile("the leaf of the day is not in the form coalition.day/1") from None
        settled = None
        if found["content_hash"]:
            root = bytes.fromhex(found["statements_root"])
            settled = SettledRoot(bytes.fromhex(found["content_hash"]), int(found["statements"]), root)
        return cls(
            UUID(found["programme_id"]),
            day,
            bytes.fromhex(found["before"]),
            int(found["seal_version"]),
            int(found["postings"]),
            bytes.fromhex(found["digest"]),
            bytes.fromhex(found["chain"]),
            settled,
        )


def blind(salt: bytes, partner_id: UUID, cycle: str) -> bytes:
    """16 bytes that nobody guesses who doesn't have the day's `salt`: HMAC-SHA-256 of partner and cycle, cut."""
    return hmac.digest(salt, partner_id.bytes + cycle.encode(), sha256)[:BLIND_BYTES]


def statement_leaf(partner_id: UUID, cycle: str, content_hash: bytes, blinded: bytes) -> bytes:
    """The leaf of a statement in the tree of its day."""
    lines = (
        "coalition.statement/1",
        f"partner {partner_id}",
        f"cycle {cycle}",
        f"blind {blinded.hex()}",
        f"content {content_hash.hex()}",
    )
    return ("\n".join(lines) + "\n").encode()


def statement_hashes(settled: Settled, salt: bytes) -> dict[tuple[UUID, str], bytes]:
    """The hashes of the leaves of a day's statements, in the order of their tree: by partners' ids, then by cycle."""
    return {
        (partner_id, cycle): merkle.leaf_hash(
            statement_leaf(partner_id, cycle, content_hash, blind(salt, partner_id, cycle))
        )
        for partner_id, cycle, content_hash in sorted(settled.statements)
    }


def root_of(settled: Settled, salt: bytes) -> SettledRoot:
    """What the leaf of the day holds of its settlement."""
    hashes = list(statement_hashes(settled, salt).values())
    return SettledRoot(settled.content_hash, len(hashes), merkle.root(hashes))
