"""Members as each partner sees them: under an id of its own, so that what two partners keep can't be joined by it.

A permutation of all ids for each partner, under a key of its own: nothing is stored, nothing can collide, and an id
that is another partner's, or made up, means nobody. docs/decisions/0012 argues it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from kit.secrets import Keyring

MOST_KEPT = 4_096


@dataclass(frozen=True)
class PartnersView:
    """How one partner sees members; `ids.seen_by` it, ids are shown and read so by themselves."""

    keyring: Keyring
    purpose: str

    def outer(self, member_id: UUID) -> UUID:
        """The id the partner knows the member by: any 128 bits, which tell nothing of when it was enrolled."""
        return UUID(bytes=self.keyring.permute(member_id.bytes, purpose=self.purpose))

    def inner(self, shown: UUID) -> UUID:
        """Our own id of the member the partner means by `shown`; of nobody, if it was never shown that."""
        return UUID(bytes=self.keyring.unpermute(shown.bytes, purpose=self.purpose))


@lru_cache(maxsize=MOST_KEPT)
def view_of(keyring: Keyring, partner_id: UUID) -> PartnersView:
    """How the partner sees members."""
    return PartnersView(keyring, f"member ids of {partner_id}")
