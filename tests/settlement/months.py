"""Random months of a coalition: partners under agreements of every kind, and a few postings on each of their days.

What a month holds follows from its seed. It is posted through the ledger and settled day by day.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import text

from coalition import adjustments, ledger, programme
from coalition.adjustments import Adjustment
from coalition.ledger import Award, Burn, Command, Earn, Part, Return, Reversal, Transaction
from kit import ids
from kit.errors import CoalitionError
from partners import locations
from settlement import dispute_records, disputes, entries, nightly
from tests.conftest import World, act, request

ONE_DAY = timedelta(days=1)
CYCLES = ("daily", "weekly", "monthly")


def agree(world: World, partner_id: UUID, since: date, **terms: Any) -> None:
    """An agreement with all its terms, made on the open business day; it ends the one that held on `since`."""
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute(
            "UPDATE settlement.agreement SET valid = daterange(lower(valid), %(since)s) "
            "WHERE partner_id = %(partner)s AND valid @> %(since)s::date AND lower(valid) < %(since)s",
            {"since": since, "partner": partner_id},
        )
        said = {"currency": "GBP", "redemption_price_minor": Decimal(1), **terms}
        owner.execute(
            f"""
            INSERT INTO settlement.agreement (agreement_id, partner_id, version, valid, created_at, agreed_on,
                                              {", ".join(said)})
            SELECT %(id)s, %(partner)s, (SELECT count(*) + 1 FROM settlement.agreement WHERE partner_id = %(partner)s),
                   daterange(%(since)s, (SELECT min(lower(valid)) FROM settlement.agreement
                                         WHERE partner_id = %(partner)s AND lower(valid) > %(since)s)),
                   now(), (SELECT open_day FROM coalition.programme), {", ".join(f"%({name})s" for name in said)}
            """.encode(),
            {"id": ids.new(), "partner": partner_id, "since": since, **said},
        )


def some_terms(chosen: random.Random, **fixed: Any) -> dict[str, Any]:
    """Terms of any kind."""
    funded = fixed.get("funding", chosen.choice(("on_burn", "on_earn"))) == "on_earn"
    return {
        "currency": chosen.choice(("GBP", "GBP", "EUR")),
        "redemption_price_minor": Decimal(chosen.choice(("0.95", "0.333", "1", "0.12345678", "0.5"))),
        "funding": "on_earn" if funded else "on_burn",
        "issue_price_minor": Decimal(chosen.choice(("1.05", "0.7", "0.33333333"))) if funded else Decimal(0),
        "breakage_share_percent": Decimal(chosen.choice(("0", "50", "33.3"))) if funded else Decimal(0),
        "fee_per_point_minor": Decimal(chosen.choice(("0", "0.01", "0.125"))),
        "fee_percent": Decimal(chosen.choice(("0", "2.5", "1.75"))),
        "fee_minimum_minor": chosen.choice((0, 0, 40, 900)),
        "vat_percent": Decimal(chosen.choice(("0", "20", "8.1"))),
        "cycle": chosen.choice(CYCLES),
        **fixed,
    }


@dataclass
class Month:
    """A coalition that trades from its open business day on, by a seed."""

    world: World
    seed: int
    partners: list[UUID] = field(default_factory=list)
    members: list[UUID] = field(default_factory=list)
    done: list[Transaction] = field(default_factory=list)
    refused: int = 0
    places: dict[UUID, list[UUID]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chosen = random.Random(self.seed)
        self.where = random.Random(self.seed)  # apart, so that where things happen changes nothing of what does
        with self.world.transaction() as session:
            rules = programme.rules(session)
            programme.set_rules(session, act(), replace(rules, return_policy="debt"))
            self.day = programme.get(session).open_day
        self.partners = [self.world.partner(f"partner-{n}").partner_id for n in range(5)]
        with self.world.transaction() as session:
            for partner_id in self.partners[1:]:
                self.places[partner_id] = [
                    locations.add(
                        session, act(self.world.keyring), partner_id=partner_id, code=code, name="Shop", territory="GB",
                        address="1 High Street",
                    ).location_id
                    for code in ("S-1", "S-2")
                ]  # fmt: skip
        self.members = [self.world.member(card) for card in ("7001000000178503", "7001000000178511")]
        some: list[dict[str, Any]] = [
            {"funding": "on_burn"},
            {"funding": "on_earn", "breakage_share_percent": 50},
            {},
            {},
        ]
        for n, fixed in enumerate(some):
            agree(self.world, self.partners[n], self.day, **some_terms(self.chosen, **fixed))

    def noon(self) -> datetime:
        return datetime.combine(self.day, time(12), UTC)

    def trade(self, until: date, *, late_agreement: date, changes: dict[date, int]) -> None:
        """Post on each day up to `until` and settle it; the last partner agrees on `late_agreement`, for all days.

        `changes` are days on which that partner, by its number, gets other terms.
        """
        begun = self.day
        while self.day <= until:
            if self.day == late_agreement:
                agree(self.world, self.partners[4], begun, **some_terms(self.chosen))
            if self.day in changes:
                since = self.day + self.chosen.randint(0, 2) * ONE_DAY
                agree(self.world, self.partners[changes[self.day]], since, **some_terms(self.chosen))
            for _ in range(self.chosen.choice((0, 4, 9))):
                self.one()
            nightly.run(self.world.database, act(self.world.keyring, now=self.noon() + ONE_DAY), day=self.day)
            self.day += ONE_DAY

    def one(self) -> None:
        """Something that can happen in a coalition."""
        chosen = self.chosen
        what = chosen.choices(
            (
                self.earn,
                self.burn,
                self.give_back,
                self.return_purchase,
                self.by_hand,
                self.entry,
                self.dispute,
                self.resolve,
            ),
            weights=(8, 8, 4, 2, 1, 1, 5, 3),
        )[0]
        try:
            what()
        except CoalitionError:
            self.refused += 1

    def post(self, partner_id: UUID, command: Command) -> None:
        known = self.places.get(partner_id)
        if known and self.where.random() < 0.8:
            command = replace(command, location_id=self.where.choice(known))
        with self.world.transaction() as session:
            asked = request(partner_id)
            outcome = ledger.post(session, replace(asked, now=self.noon()), command)
        self.done.append(outcome.unwrap())

    def earn(self) -> None:
        chosen = self.chosen
        partner, member = chosen.choice(self.partners), chosen.choice(self.members)
        expires = self.day + timedelta(days=chosen.choice((2, 4, 9, 400)))
        awards = [Award(points=chosen.randint(1, 60), expires_on=expires)]
        if chosen.random() < 0.4:
            awards.append(Award(points=chosen.randint(1, 30), issuer_id=chosen.choice(self.partners)))
        self.post(
            partner,
            Earn(member_id=member, reference=self.name(), awards=tuple(awards), effective_at=self.late()),
        )

    def burn(self) -> None:
        partner, member = self.chosen.choice(self.partners), self.chosen.choice(self.members)
        points = min(self.chosen.randint(1, 80), self.world.available(member))
        if points > 0:
            self.post(partner, Burn(member_id=member, reference=self.name(), points=points, effective_at=self.late()))

    def give_back(self) -> None:
        if originals := [one for one in self.done if one.kind in ("earn", "burn")]:
            original = self.chosen.choice(originals)
            points = self.chosen.randint(1, original.points) if original.points else None
            command = Reversal(original_id=original.transaction_id, reference=self.name(), points=points)
            self.post(original.partner_id, command)

    def return_purchase(self) -> None:
        if originals := [one for one in self.done if one.kind in ("earn", "burn")]:
            original = self.chosen.choice(originals)
            command = Return(parts=(Part(original_id=original.transaction_id),), reference=self.name())
            self.post(original.partner_id, command)

    def by_hand(self) -> None:
        chosen = self.chosen
        doing = act(self.world.keyring, now=self.noon(), reason="counted again", by="ann", approved_by="ben")
        with self.world.transaction() as session:
            adjustments.adjust(
                session, doing, replace(request(chosen.choice(self.partners)), now=self.noon()),
                Adjustment(member_id=chosen.choice(self.members), points=chosen.randint(1, 20),
                           credit=chosen.random() < 0.5, reference=self.name()),
            ).unwrap()  # fmt: skip

    def entry(self) -> None:
        chosen = self.chosen
        payer, payee = chosen.sample(self.partners, 2)
        with self.world.transaction() as session:
            if chosen.random() < 0.3:
                payee = programme.get(session).programme_id
            entries.add(
                session, act(self.world.keyring, now=self.noon(), reason="agreed"), kind=chosen.choice(entries.KINDS),
                payer_id=payer, payee_id=payee, currency=chosen.choice(("GBP", "EUR")),
                amount_minor=chosen.choice((-1, 1)) * chosen.randint(1, 500), reference=self.name(),
            )  # fmt: skip

    def dispute(self) -> None:
        """One of the two disputes a line, or what has none; some were disputed before, and it is refused."""
        with self.world.transaction() as session:
            some = session.execute(
                text("""
                    SELECT o.obligation_id, l.n, o.payer_id, o.payee_id FROM settlement.obligation o
                    LEFT JOIN settlement.line l USING (obligation_id)
                    ORDER BY o.day, o.kind, o.payer_id, o.payee_id, o.currency, o.agreement_id, l.n
                """)
            ).all()
            if some:
                obligation_id, line, *parties = self.chosen.choice(some)
                disputes.add(
                    session, act(self.world.keyring, now=self.noon(), reason="not ours"), line=line,
                    obligation_id=obligation_id, party_id=self.chosen.choice(parties),
                )  # fmt: skip

    def resolve(self) -> None:
        doing = act(self.world.keyring, now=self.noon(), reason="looked into", by="ann", approved_by="ben")
        with self.world.transaction() as session:
            found = dispute_records.newest(session, before=ids.new(), limit=100, statuses=(dispute_records.OPEN,))
            if found:
                one, outcome = self.chosen.choice(found), self.chosen.choice(disputes.OUTCOMES)
                part = self.chosen.randint(*sorted((0, one.amount_minor))) if outcome == disputes.PART else None
                disputes.resolve(session, doing, dispute_id=one.dispute_id, outcome=outcome, amount_minor=part)

    def name(self) -> str:
        return f"{self.chosen.getrandbits(64):x}"

    def late(self) -> datetime | None:
        """Now, or for one in five a day earlier, as a till that was offline sends it."""
        return self.noon() - ONE_DAY if self.chosen.random() < 0.2 else None
