"""The published log: a folder of static files that any web server, mirror or partner's copy can hand out.

Whatever a checkpoint needs is written before it, and each file is put in place whole: a publisher that is killed
leaves the log that was there, and the next one goes on. What was published is never contradicted.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from coalition.tlog import merkle, notes, tiles
from coalition.tlog.encoding import MalformedLogFile
from coalition.tlog.keys import LOG, SigningKey, VerifierKey
from coalition.tlog.notes import Checkpoint, Note, Signature
from kit.errors import Conflict, NotFound

LOCK, DRAFT = ".lock", ".draft"
_LARGEST_BYTES = tiles.WIDTH * (tiles.LONGEST_ENTRY_BYTES + 2)


class LogContradicted(Conflict):
    code = "log_contradicted"
    title = "Published log contradicted"
    description = (
        "What the folder holds is not the beginning of the log in these books, or it is another log's. We wrote "
        "nothing, and signed nothing."
    )
    remedy = (
        "Check that this is the right folder, key and database. If the books were restored from a backup that is older "
        "than the folder, docs/how-to/back-up.md says what to do: keep this folder, and begin another log."
    )


class NothingPublished(NotFound):
    code = "nothing_published"
    title = "Nothing published"
    description = "The folder holds no checkpoint, so no log is published there."
    remedy = "Run `coalition seal publish FOLDER` first, or give the folder that it writes to."


@dataclass(frozen=True)
class Published:
    """A log as a folder has it: its note with all signatures, what that says, and the hashes of its leaves."""

    note: Note
    checkpoint: Checkpoint
    hashes: list[bytes]


def read(folder: Path) -> Published:
    """The log in `folder`, its tiles compared with its checkpoint; raises NothingPublished, MalformedLogFile."""
    note = _note(folder)
    if note is None:
        raise NothingPublished(f"{folder} holds no checkpoint")
    checkpoint = Checkpoint.parse(note.text)
    hashes = tiles.read_hashes(checkpoint.size, lambda name: _contents(folder / name))
    if merkle.root(hashes) != checkpoint.root:
        raise MalformedLogFile(f"the tiles in {folder} do not add up to the root in its checkpoint")
    return Published(note, checkpoint, hashes)


def publish(folder: Path, entries: Sequence[bytes], key: SigningKey) -> Checkpoint:
    """Bring the log in `folder` up to `entries`; nothing is written where it is. Raises LogContradicted.

    Full tiles stay as they are for ever; partial ones go once a full one has taken their place.
    """
    if key.type != LOG:
        raise MalformedLogFile(f"the key {key.name} is a witness's; a log is signed with a log's key")
    folder.mkdir(parents=True, exist_ok=True)
    hashes = [merkle.leaf_hash(each) for each in entries]
    made = Checkpoint(key.name, len(entries), merkle.root(hashes))
    with _locked(folder):
        before = _size_before(folder, hashes, key.verifier)
        for name, content in tiles.new(entries, before=before or 0):
            _put(folder, name, content)
        if before != made.size:
            _replace(folder, tiles.CHECKPOINT, str(notes.sign(made, key)).encode())
        _drop_superseded(folder, made.size)
    return made


def add_signatures(folder: Path, signatures: Sequence[Signature], *, to: Note) -> Note:
    """Put cosignatures of the note `to` into the published checkpoint, if it is the same still.

    The signatures were verified before. Raises LogContradicted where another checkpoint was published meanwhile.
    """
    with _locked(folder):
        note = _note(folder)
        if note is None or note.text != to.text:
            raise LogContradicted("another checkpoint was published meanwhile; let the witnesses see that one")
        whole = note.with_signatures(signatures)
        if whole != note:
            _replace(folder, tiles.CHECKPOINT, str(whole).encode())
    return whole


def _note(folder: Path) -> Note | None:
    try:
        return Note.parse(_contents(folder / tiles.CHECKPOINT))
    except FileNotFoundError:
        return None


def _contents(path: Path) -> bytes:
    if path.stat().st_size > _LARGEST_BYTES:
        raise MalformedLogFile(f"{path} is larger than a file of a log can be")
    return path.read_bytes()


def _size_before(folder: Path, hashes: Sequence[bytes], key: VerifierKey) -> int | None:
    """How many leaves are published, which are our own first ones; None: no log is. Raises LogContradicted."""
    note = _note(folder)
    if note is None:
        return None
    there = Checkpoint.parse(note.text)
    if there.origin != key.name:
        raise LogContradicted(f"{folder} holds the log {there.origin}, and this key is of {key.name}")
    if not note.signed_by([key]):
        raise LogContradicted(f"the checkpoint in {folder} is not signed with this key of {key.name}")
    if there.size > len(hashes):
        raise LogContradicted(
            f"{folder} holds {there.size} days and these books have {len(hashes)}: they were restored from a "
            "backup, or are others"
        )
    if merkle.root(hashes[: there.size]) != there.root:
        raise LogContradicted(f"the {there.size} days in {folder} are not the first {there.size} of these books")
    return there.size


def _put(folder: Path, name: str, content: bytes) -> None:
    """A file that is never changed; raises LogContradicted where it is there with another content."""
    path = folder / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(folder, name, content)
    elif path.read_bytes() != content:
        raise LogContradicted(f"{path} is there and holds something else")


def _replace(folder: Path, name: str, content: bytes) -> None:
    draft = folder / DRAFT  # one for all, as one at a time writes: what a killed one left, the next one takes
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / name)
    descriptor = os.open((folder / name).parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _drop_superseded(folder: Path, size: int) -> None:
    for name in tiles.superseded(size):
        partial = folder / name
        if partial.is_dir():
            for file in partial.iterdir():
                file.unlink()
            partial.rmdir()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One at a time writes to the folder: of two checkpoints the later one has to stay."""
    with (folder / LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
