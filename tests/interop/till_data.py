"""Two weeks of till receipts posted in this process, by much the same rules as `coalition replay`, and settled.

The receipts are real ones where the file is at hand: `receipts-2010-12.csv.gz` in ../shared/data, or where TILL_DATA
says. Elsewhere they are made up, in the same form.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import UUID

from coalition import ledger, rates, wallets
from coalition.ledger import Award, Burn, Clawback, Command, Earn, Part, Return, Transaction
from kit.db import Session
from ops.replay import generator
from ops.replay import receipts as files
from ops.replay.receipts import Receipt, ReturnPart
from settlement import agreement_terms, agreements, nightly
from tests.conftest import World, act, request

FILE = Path(os.environ.get("TILL_DATA", Path(__file__).parents[3] / "shared" / "data" / "receipts-2010-12.csv.gz"))
FIRST, LAST, DAYS = date(2010, 12, 1), date(2010, 12, 31), 14
BEGUN = datetime(2010, 12, 1, tzinfo=UTC)
LEAST_FROM_OTHERS = 200
CAMPAIGN = 5  # the points of every so many receipts end within the month
ONE_DAY = timedelta(days=1)


def receipts() -> list[Receipt]:
    """The receipts in the order of their times."""
    return files.read(FILE).receipts if FILE.exists() else made_up()


def made_up() -> list[Receipt]:
    """As many receipts as a real fortnight has."""
    text = generator.generate(day=FIRST, members=700, receipts=4_000)
    found = files.parse(text.encode().splitlines(keepends=True)).receipts
    return [replace(one, at=one.at + n * DAYS // len(found) * ONE_DAY) for n, one in enumerate(found)]


@dataclass
class Bought:
    """A purchase, and how much of it came back."""

    earn: Transaction
    burn: Transaction | None
    worth: int
    back: int = 0
    points_back: int = 0


class Till:
    """The tills of all brands: what they posted stands in the ledger of `world`."""

    def __init__(self, world: World, terms: dict[str, dict[str, Any]], rate: Decimal = Decimal(2)) -> None:
        self.world, self.rate = world, rate
        self.partners = {code: world.partner(code, now=BEGUN).partner_id for code in terms}
        self.members: dict[str, UUID] = {}
        self.bought: dict[tuple[str, str], Bought] = {}
        self.posted = 0
        with world.transaction() as session:
            for code, said in terms.items():
                rates.set_rate(
                    session, act(), partner_id=self.partners[code], points_per_unit=rate, minor_per_unit=100,
                    currency="GBP", since=FIRST,
                )  # fmt: skip
                agree(session, self.partners[code], FIRST, said)

    def trade(self, some: list[Receipt], *, changes: dict[date, tuple[str, dict[str, Any]]]) -> None:
        """Post the receipts of each day and settle it, to the end of the month; `changes` are agreements to come."""
        by_day = {day: list(group) for day, group in groupby(some, lambda one: one.at.date())}
        day = FIRST
        while day <= LAST:
            with self.world.transaction() as session:
                if day in changes:
                    code, said = changes[day]
                    agree(session, self.partners[code], day, said)
                for receipt in by_day.get(day, ()):
                    self.ring_up(session, receipt)
            midnight = datetime.combine(day + ONE_DAY, time(1), UTC)
            nightly.run(self.world.database, act(self.world.keyring, now=midnight), day=day)
            day += ONE_DAY

    def ring_up(self, session: Session, receipt: Receipt) -> None:
        """Post a receipt."""
        if receipt.card not in self.members:
            self.members[receipt.card] = self.world.member(receipt.card)
        if receipt.is_return:
            for part in receipt.parts:
                self._take_back(session, receipt, part)
        else:
            self._sell(session, receipt)

    def _sell(self, session: Session, receipt: Receipt) -> None:
        member_id, partner_id = self.members[receipt.card], self.partners[receipt.brand]
        balance = wallets.balance(session, member_id=member_id, partner_id=partner_id)
        points = min(balance.available, receipt.amount_minor // 2)
        burn = None
        if points and balance.issued_by_others >= LEAST_FROM_OTHERS:
            burn = self._post(session, receipt, Burn(member_id=member_id, points=points, reference=receipt.number))
        money = receipt.amount_minor - (burn.points if burn else 0)
        earn = Earn(member_id=member_id, amount_minor=money, currency=receipt.currency, reference=receipt.number)
        earned = int(money * self.rate / 100)
        if len(self.bought) % CAMPAIGN == 0 and earned:
            award = Award(points=earned, expires_on=receipt.at.date() + 9 * ONE_DAY)
            earn = replace(earn, awards=(award,))
        made = self._post(session, receipt, earn)
        self.bought[receipt.brand, receipt.number] = Bought(made, burn, receipt.amount_minor)

    def _take_back(self, session: Session, receipt: Receipt, part: ReturnPart) -> None:
        bought = self.bought.get((receipt.brand, part.purchase or ""))
        reference = f"{receipt.number}-{part.purchase}" if part.purchase else receipt.number
        if bought is None or bought.back + part.amount_minor > bought.worth:
            member_id = self.members[receipt.card]
            command: Command = Clawback(
                member_id=member_id, amount_minor=part.amount_minor, currency=receipt.currency, reference=reference
            )
        else:
            bought.back += part.amount_minor
            burned = bought.burn.points if bought.burn else 0
            points = min(burned * bought.back // bought.worth - bought.points_back, part.amount_minor)
            bought.points_back += points
            money = part.amount_minor - points
            parts = []
            if bought.burn and points:
                parts.append(Part(original_id=bought.burn.transaction_id, points=points))
            if money:
                parts.append(Part(original_id=bought.earn.transaction_id, amount_minor=money, currency="GBP"))
            command = Return(parts=tuple(parts), reference=reference)
        self._post(session, receipt, command)

    def _post(self, session: Session, receipt: Receipt, command: Command) -> Transaction:
        self.posted += 1
        asked = replace(request(self.partners[receipt.brand]), now=receipt.at)
        return ledger.post(session, asked, command).unwrap()


def agree(session: Session, partner_id: UUID, since: date, said: dict[str, Any]) -> None:
    agreements.agree(session, act(), partner_id=partner_id, since=since, **agreement_terms.parse(said))
