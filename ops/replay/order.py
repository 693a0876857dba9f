"""Which receipts go one after the other: those that move the same points, in the order of the file.

All others may overtake each other. A receipt moves the points of its card's member, and a return those of whoever has
its purchase's now, whichever card it comes back under. The coalition is asked who that is: two cards may be one member,
and a purchase may stand in an earlier file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from coalition import cards, members, wallets
from coalition.identifiers import CARD, Identifier
from kit.db import Session
from kit.secrets import Keyring
from ops.replay.receipts import Receipt

MOST_ASKED = 5_000  # of one statement
Owner = UUID | str  # a member, or a card that is nobody's yet
Purchase = tuple[str, str]  # brand and number
T = TypeVar("T")


@dataclass(frozen=True)
class Owners:
    """Whose points the receipts of a day move."""

    of_card: Mapping[str, Owner]
    of_purchase: Mapping[Purchase, set[Owner]]

    def moved_by(self, receipt: Receipt) -> set[Owner]:
        """Everybody whose points `receipt` moves."""
        purchases = ((receipt.brand, part.purchase) for part in receipt.parts if part.purchase is not None)
        return {self.of_card[receipt.card]}.union(*(self.of_purchase.get(one, ()) for one in purchases))


def owners(session: Session, receipts: Sequence[Receipt], *, partners: Mapping[str, UUID], keyring: Keyring) -> Owners:
    """Ask for the owners of what `receipts` move: all of a day, before its first; `partners` are their brands' ids."""
    numbers = sorted({receipt.card for receipt in receipts})
    of_card: dict[str, Owner] = {number: number for number in numbers}
    for some in _parts(numbers):
        asked = {Identifier(CARD, number, cards.mask(number)): number for number in some}
        found = members.find_many(session, asked, keyring)
        of_card.update({asked[one]: member_id for one, member_id in found.items()})
    named: dict[str, set[str]] = defaultdict(set)
    for receipt in receipts:
        named[receipt.brand] |= {part.purchase for part in receipt.parts if part.purchase is not None}
    of_purchase: dict[Purchase, set[Owner]] = defaultdict(set)
    for receipt in receipts:
        if receipt.number in named[receipt.brand]:
            of_purchase[receipt.brand, receipt.number].add(of_card[receipt.card])
    for brand, purchases in named.items():
        for part in _parts(sorted(purchases)):
            known = wallets.owners_by_reference(session, references=part, partner_id=partners[brand])
            for number, member_id in known:
                of_purchase[brand, number].add(member_id)
    return Owners(of_card, of_purchase)


def _parts(everything: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(everything), MOST_ASKED):
        yield everything[start : start + MOST_ASKED]
