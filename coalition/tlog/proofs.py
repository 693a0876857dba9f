"""Proofs that something is in a log, as a file that needs nothing else (c2sp.org/tlog-proof)."""

from __future__ import annotations

from dataclasses import dataclass

from coalition.tlog.encoding import MalformedLogFile, base64_of, bytes_of, hash_of, number_of, text_of
from coalition.tlog.notes import LONGEST_NOTE_BYTES, Checkpoint, Note

FORM = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"
LONGEST_PROOF_BYTES = LONGEST_NOTE_BYTES + 64 * 1024
LONGEST_PATH = 63


@dataclass(frozen=True)
class Proof:
    """That a leaf is at `index` of the log whose checkpoint is `note`: the audit path, and what the leaf is made of."""

    extra: bytes
    index: int
    path: tuple[bytes, ...]
    note: Note

    @property
    def checkpoint(self) -> Checkpoint:
        """What the log says; raises MalformedLogFile."""
        return Checkpoint.parse(self.note.text)

    def __str__(self) -> str:
        extra = [f"extra {base64_of(self.extra)}"] if self.extra else []
        return "\n".join([FORM, *extra, f"index {self.index}", *map(base64_of, self.path), "", str(self.note)])


def parse(data: bytes) -> Proof:
    """The proof in a file; raises MalformedLogFile."""
    text = text_of(data, what="the proof", longest=LONGEST_PROOF_BYTES)
    head, _, note = text.partition("\n\n")
    form, *lines = head.split("\n")
    if form != FORM:
        raise MalformedLogFile(f"a proof begins with the line {FORM}")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = bytes_of(lines.pop(0).removeprefix("extra "), what="the extra data of the proof")
    if not lines or not lines[0].startswith("index "):
        raise MalformedLogFile("the proof has no line with the index of the leaf")
    index = number_of(lines[0].removeprefix("index "), what="the index of the leaf")
    return Proof(extra, index, path_of(lines[1:]), Note.parse(note.encode()))


def path_of(lines: list[str]) -> tuple[bytes, ...]:
    """The hashes of a proof, one a line; raises MalformedLogFile."""
    if len(lines) > LONGEST_PATH:
        raise MalformedLogFile(f"a proof has at most {LONGEST_PATH} hashes")
    return tuple(hash_of(line, what="a hash of the proof") for line in lines)
