"""How a statement is part of a day in the log: the extra data of its proof, a text to the letter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from coalition.tlog.encoding import MalformedLogFile, base64_of, number_of, text_of
from coalition.tlog.proofs import path_of

FORM = "coalition.statement-proof/1"
LONGEST_EXTRA_BYTES = 64 * 1024


@dataclass(frozen=True)
class StatementPath:
    """Whose statement it is, of which cycle, its blind, place and audit path in the day's leaf, and that leaf."""

    partner_id: UUID
    cycle: str
    blind: bytes
    index: int
    path: Sequence[bytes]
    leaf: str

    def __str__(self) -> str:
        head = (
            FORM,
            f"partner {self.partner_id}",
            f"cycle {self.cycle}",
            f"blind {self.blind.hex()}",
            f"index {self.index}",
        )
        return "\n".join([*head, *map(base64_of, self.path), "", self.leaf])

    @classmethod
    def parse(cls, data: bytes) -> StatementPath:
        """What the extra data of a proof says; raises MalformedLogFile."""
        said = text_of(data, what="the extra data of the proof", longest=LONGEST_EXTRA_BYTES)
        head, _, leaf = said.partition("\n\n")
        lines = head.split("\n")
        try:
            form, partner, cycle, blind, index = lines[:5]
            partner_id = UUID(partner.removeprefix("partner "))
            blinded = bytes.fromhex(blind.removeprefix("blind "))
        except ValueError:
            raise MalformedLogFile(f"the extra data of the proof is not in the form {FORM}") from None
        place = number_of(index.removeprefix("index "), what="the index of the statement")
        found = cls(partner_id, cycle.removeprefix("cycle "), blinded, place, path_of(lines[5:]), leaf)
        if form != FORM or str(found) != said:
            raise MalformedLogFile(f"the extra data of the proof is not in the form {FORM}")
        return found
