"""Verify a statement from files alone: itself, its proof, and a policy that says whom to trust.

Each step says what does not hold. What a policy doesn't know counts for nothing; all else that is changed in a file is
refused. Memory holds the terms of the statement and one of its lines, however many it has.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast
from uuid import UUID

from coalition.day_leaves import DayLeaf, statement_leaf
from coalition.tlog import merkle, proofs
from coalition.tlog.encoding import MalformedLogFile
from coalition.tlog.notes import Checkpoint
from coalition.tlog.policies import Policy, Witness
from coalition.tlog.proofs import Proof
from kit import ids
from kit.errors import Conflict
from settlement import statement_form
from settlement.statement_form import NotInForm
from settlement.statement_paths import StatementPath

_GZIP = b"\x1f\x8b"


class StatementRefused(Conflict):
    code = "statement_refused"
    title = "Statement refused"
    description = (
        "The statement is not proven: the file, its proof or the checkpoint in it was changed, or does not belong to "
        "the others, or too few witnesses cosigned. `detail` says what does not hold."
    )
    remedy = "Ask the coalition for the statement and its proof again, and keep the ones that were refused."


@dataclass(frozen=True)
class Proven:
    """A statement that is what the log committed to: whose it is, of which cycle and last day, and who says so."""

    partner_id: UUID
    cycle: str
    leaf: DayLeaf
    content_hash: bytes
    checkpoint: Checkpoint
    index: int
    cosigned_by: tuple[str, ...]


def verify(statement: Path, proof: bytes, policy: Policy) -> Proven:
    """What the proof shows of the file `statement`; raises StatementRefused, OSError."""
    try:
        parsed = proofs.parse(proof)
        path = StatementPath.parse(parsed.extra)
        leaf = DayLeaf.parse(path.leaf)
        checkpoint, cosigners = _trusted(parsed, policy)
    except MalformedLogFile as error:
        raise StatementRefused(error.detail) from None
    hashed = merkle.leaf_hash(path.leaf.encode())
    if merkle.root_by_inclusion(hashed, parsed.index, checkpoint.size, parsed.path) != checkpoint.root:
        raise StatementRefused(f"the leaf of {leaf.day} is not at place {parsed.index} of the log in this checkpoint")
    with _opened(statement) as file:
        terms = statement_form.read_terms(file)
        content_hash = statement_form.content_hash(terms)
        _refuse_unless_logged(terms, content_hash, path, leaf)
        statement_form.check_lines(file, terms)
    named = tuple(witness.name for witness in cosigners)
    return Proven(path.partner_id, path.cycle, leaf, content_hash, checkpoint, parsed.index, named)


def _trusted(proof: Proof, policy: Policy) -> tuple[Checkpoint, list[Witness]]:
    checkpoint = proof.checkpoint
    keys = policy.logs_of(checkpoint.origin)
    if not keys:
        raise StatementRefused(f"the proof is of the log {checkpoint.origin[:80]!r}, which the policy doesn't name")
    if not proof.note.signed_by(keys):
        raise StatementRefused(f"the checkpoint is not signed with the policy's key of {checkpoint.origin}")
    cosigners = policy.cosigners(proof.note)
    named = [witness.name for witness in cosigners]
    if not policy.is_met(named):
        raise StatementRefused(
            f"too few witnesses cosigned the checkpoint: the policy asks for {policy.quorum}, and there is "
            f"{', '.join(named) or 'none that it names'}"
        )
    return checkpoint, cosigners


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The statement in a file, plain or as gzip; raises StatementRefused for what is found while it is read."""
    with path.open("rb") as raw:
        is_gzip = raw.read(len(_GZIP)) == _GZIP
        raw.seek(0)
        try:
            if is_gzip:
                with gzip.open(raw) as unpacked:
                    yield cast("IO[bytes]", unpacked)
            else:
                yield raw
        except (gzip.BadGzipFile, EOFError, zlib.error):
            raise StatementRefused(f"{path} is a gzip file that is broken") from None
        except NotInForm as error:
            raise StatementRefused(str(error)) from None


def _refuse_unless_logged(terms: dict[str, Any], content_hash: bytes, path: StatementPath, leaf: DayLeaf) -> None:
    """The log holds these terms for this partner, cycle and day, and they say so themselves."""
    if leaf.settled is None:
        raise StatementRefused(f"the log holds {leaf.day} as not settled, so there is no statement of it")
    hashed = merkle.leaf_hash(statement_leaf(path.partner_id, path.cycle, content_hash, path.blind))
    root, size = leaf.settled.statements_root, leaf.settled.statements
    if merkle.root_by_inclusion(hashed, path.index, size, path.path) != root:
        raise StatementRefused(
            f"the file is not the statement that the log holds for this partner, its {path.cycle} run and {leaf.day}: "
            f"its content, SHA-256 {content_hash.hex()}, is another, or the proof is of another statement. The log "
            "holds first attempts of runs only"
        )
    for what, there, due in (
        ("form", terms.get("statement"), statement_form.FORM),
        ("partner", terms.get("partner_id"), ids.show(ids.PARTNER, path.partner_id)),
        ("cycle", terms.get("cycle"), path.cycle),
        ("last day", terms.get("last_day"), str(leaf.day)),
        ("chain of the last day", _last_chain(terms), leaf.chain.hex()),
    ):
        if there != due:
            raise StatementRefused(f"the statement says the {what} {there!r}, and the log holds it for {due}")


def _last_chain(terms: dict[str, Any]) -> object:
    try:
        return terms["seals"][-1]["chain"]
    except (TypeError, KeyError, IndexError):
        return None
