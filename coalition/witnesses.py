"""Witnesses: who looks at a log again and again, and cosigns that it only grew (c2sp.org/tlog-witness).

A witness keeps the size and root that it saw last of each log. Its cosignature says: what I saw before is the
beginning of this. So books that are rewritten, or come back from an older backup, find nobody to cosign them.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coalition.tlog import merkle, notes
from coalition.tlog.encoding import MalformedLogFile, base64_of, hash_of
from coalition.tlog.keys import WITNESS, SigningKey
from coalition.tlog.notes import Checkpoint, Note, Signature
from coalition.tlog.policies import Policy
from kit.errors import Conflict

LARGEST_STATE_BYTES = 1024**2


class WitnessRefuses(Conflict):
    code = "witness_refuses"
    title = "Witness refuses"
    description = (
        "The witness does not cosign this checkpoint: it is not of a log that it knows, not signed by it, or does not "
        "continue what the witness saw of the log before. It keeps what it saw."
    )
    remedy = (
        "If you run the log: check whether the books were restored from a backup, and that key and folder are right. "
        "If you run the witness: keep both checkpoints, they may prove that the books were rewritten."
    )


@dataclass(frozen=True)
class Seen:
    """How large a log was when the witness saw it last, and its root then."""

    size: int
    root: bytes


NOTHING = Seen(0, merkle.EMPTY)


class State:
    """What a witness saw last of each log, by origin, in a JSON file that is put in place whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One at a time: else the one who comes later may set the other's larger size back."""
        with self._path.with_name(f".{self._path.name}.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def seen(self, origin: str) -> Seen:
        """What it saw of the log `origin`; raises MalformedLogFile."""
        return self._read().get(origin, NOTHING)

    def keep(self, origin: str, seen: Seen) -> None:
        """Remember it, on the disk when this returns."""
        shown = {
            name: {"size": each.size, "root": base64_of(each.root)}
            for name, each in sorted({**self._read(), origin: seen}.items())
        }
        draft = self._path.with_name(f".{self._path.name}.draft")  # of whoever holds the lock
        with draft.open("w", encoding="utf-8") as file:
            file.write(json.dumps(shown, indent=2, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)

    def _read(self) -> dict[str, Seen]:
        try:
            if self._path.stat().st_size > LARGEST_STATE_BYTES:
                raise MalformedLogFile(f"the witness's state {self._path} is larger than {LARGEST_STATE_BYTES} bytes")
            said = json.loads(self._path.read_bytes())
            return {
                name: Seen(int(each["size"]), hash_of(each["root"], what=f"the root of {name} in {self._path}"))
                for name, each in said.items()
            }
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            # To begin anew would be to cosign whatever comes: a person decides that.
            raise MalformedLogFile(f"the witness's state {self._path} can't be read") from None


@dataclass(frozen=True)
class Request:
    """A checkpoint that a witness is asked to cosign, with the proof that it continues the tree of `old_size`."""

    old_size: int
    proof: Sequence[bytes]
    note: Note

    def __str__(self) -> str:
        return "\n".join([f"old {self.old_size}", *map(base64_of, self.proof), "", str(self.note)])


def request_for(note: Note, hashes: Sequence[bytes], *, old_size: int) -> Request:
    """The request to a witness that saw `old_size` leaves of the log of these hashes."""
    proof = merkle.consistency(hashes, old_size) if old_size < len(hashes) else []
    return Request(old_size, proof, note)


def cosign(request: Request, *, policy: Policy, key: SigningKey, state: State, timestamp: int) -> Signature:
    """The witness's cosignature, at `timestamp` in seconds since 1970; raises WitnessRefuses.

    Hold the lock of `state`: what is compared and what is kept has to be the same moment's.
    """
    if key.type != WITNESS:
        raise MalformedLogFile(f"the key {key.name} is a log's; a witness signs with a witness's key")
    checkpoint = _trusted(request.note, policy)
    seen = state.seen(checkpoint.origin)
    _refuse_unless_it_grew(checkpoint, seen, request)
    state.keep(checkpoint.origin, Seen(checkpoint.size, checkpoint.root))
    return notes.signature_of(request.note.text, key, timestamp=timestamp)


def _trusted(note: Note, policy: Policy) -> Checkpoint:
    checkpoint = Checkpoint.parse(note.text)
    keys = policy.logs_of(checkpoint.origin)
    if not keys:
        raise WitnessRefuses(f"no log called {checkpoint.origin} is in the policy")
    if not note.signed_by(keys):
        raise WitnessRefuses(f"the checkpoint is not signed with the key that the policy has for {checkpoint.origin}")
    if checkpoint.size == 0 and checkpoint.root != merkle.EMPTY:
        raise WitnessRefuses("an empty log has another root")
    return checkpoint


def _refuse_unless_it_grew(checkpoint: Checkpoint, seen: Seen, request: Request) -> None:
    what = f"of {checkpoint.origin}"
    if checkpoint.size < seen.size:
        raise WitnessRefuses(
            f"rolled back: {what} we saw {seen.size} leaves, and this checkpoint has {checkpoint.size}"
        )
    if checkpoint.size == seen.size and checkpoint.root != seen.root:
        raise WitnessRefuses(f"forked: {what} we saw another root at the same {seen.size} leaves")
    if request.old_size != seen.size:
        raise WitnessRefuses(f"{what} we saw {seen.size} leaves, and the proof is from {request.old_size} on")
    if not merkle.is_consistent(seen.size, seen.root, checkpoint.size, checkpoint.root, request.proof):
        raise WitnessRefuses(
            f"forked: {what} the {seen.size} leaves that we saw are not the first of this checkpoint's"
        )
