"""Signed notes (c2sp.org/signed-note), and the checkpoints of logs as such (c2sp.org/tlog-checkpoint)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from coalition.tlog.encoding import MalformedLogFile, base64_of, bytes_of, hash_of, number_of, text_of
from coalition.tlog.keys import SigningKey, VerifierKey, require_name

LONGEST_NOTE_BYTES = 256 * 1024
MOST_SIGNATURES = 100
ID_BYTES = 4


class SignatureBroken(MalformedLogFile):
    code = "signature_broken"
    title = "Signature broken"
    description = "A signature on the checkpoint is not one of the key that it names, over the text as it stands."
    remedy = "Take the file again from where you have it. If it stays so, ask whoever signs with this key."


@dataclass(frozen=True)
class Signature:
    """A line of a note: the name and the id of a key, and what it signed the text with."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"— {self.name} {base64_of(self.key_id + self.signature)}\n"

    @classmethod
    def parse(cls, line: str) -> Signature:
        """The signature in `line`, which has no line feed any more; raises MalformedLogFile."""
        dash, name, encoded = (*line.split(" ", 2), "", "")[:3]
        if dash != "—":
            raise MalformedLogFile(f"a line of a signature begins with a dash (U+2014): {line[:80]!r}")
        data = bytes_of(encoded, what=f"the signature of {name[:80]!r}")
        if len(data) <= ID_BYTES:
            raise MalformedLogFile(f"the signature of {name[:80]!r} is cut off")
        return cls(require_name(name), data[:ID_BYTES], data[ID_BYTES:])

    def is_by(self, key: VerifierKey) -> bool:
        """Whether it says that `key` made it."""
        return (self.name, self.key_id) == (key.name, key.key_id)


@dataclass(frozen=True)
class Note:
    """`text`, which ends with a line feed, and its signatures."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"

    @classmethod
    def parse(cls, data: bytes) -> Note:
        """The note in `data`; raises MalformedLogFile."""
        whole = text_of(data, what="the note", longest=LONGEST_NOTE_BYTES)
        text, separator, signed = whole.rpartition("\n\n")
        lines = signed.removesuffix("\n").split("\n")
        if not (separator and text and signed.endswith("\n")):
            raise MalformedLogFile("a note is its text, an empty line and signatures, each ended by a line feed")
        if len(lines) > MOST_SIGNATURES:
            raise MalformedLogFile(f"the note has more than {MOST_SIGNATURES} signatures")
        return cls(f"{text}\n", tuple(map(Signature.parse, lines)))

    def signed_by(self, keys: Iterable[VerifierKey]) -> set[VerifierKey]:
        """Which of `keys` signed it; the others' signatures count for nothing. Raises SignatureBroken."""
        found = set()
        for key in keys:
            for each in self.signatures:
                if each.is_by(key):
                    if not key.verifies(self.text, each.signature):
                        raise SignatureBroken(f"the signature of {key.name} does not hold for this checkpoint")
                    found.add(key)
        return found

    def with_signatures(self, more: Iterable[Signature]) -> Note:
        """The note with `more` signatures, the last one of each key."""
        by_key = {(each.name, each.key_id): each for each in (*self.signatures, *more)}
        return replace(self, signatures=tuple(by_key.values()))


@dataclass(frozen=True)
class Checkpoint:
    """What a log says of itself: `root` is that of its first `size` leaves. The log is known by its `origin`."""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64_of(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """The checkpoint in the text of a note, which may go on with lines of others; raises MalformedLogFile."""
        if not re.fullmatch(r"(?:[^\n]+\n){3,}", text):
            raise MalformedLogFile("a checkpoint has three lines or more: the origin, the size and the root")
        origin, size, root = text.split("\n")[:3]
        return cls(origin, number_of(size, what="the size"), hash_of(root, what="the root"))


def sign(checkpoint: Checkpoint, key: SigningKey) -> Note:
    """The note of `checkpoint`, signed by the log whose `key` it is."""
    text = str(checkpoint)
    return Note(text, (signature_of(text, key, timestamp=0),))


def signature_of(text: str, key: SigningKey, *, timestamp: int) -> Signature:
    """The signature of `key` on a note's `text`; a log's says no time."""
    return Signature(key.name, key.verifier.key_id, key.sign(text, timestamp=timestamp))
