"""The ledger as a plain model in Python: lists of lots, one rule after the other, nothing clever."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

GRACE_DAYS = 30
MINOR_PER_POINT = 3  # so that parts of an amount don't earn whole points


class Refused(Exception):
    """The ledger has to refuse with this code."""


@dataclass
class Lot:
    lot_id: UUID
    issuer: UUID
    expires_on: date
    issued: int
    remaining: int
    held: int = 0
    vests_at: datetime | None = None
    origin: Lot | None = None  # what it was carved out of, by a merge or a return
    expired: int = 0  # of a root: points of it that expired, wherever they were

    @property
    def root(self) -> Lot:
        """The lot of the earn that issued these points."""
        return self.origin or self

    @property
    def free(self) -> int:
        return 0 if self.vests_at else self.remaining - self.held


@dataclass
class Txn:
    kind: str
    member: Member
    partner: UUID
    points: int
    lots: list[Lot] = field(default_factory=list)  # of an earn: one for each award
    amount: int | None = None
    amount_reversed: int = 0
    given: Counter[int] = field(default_factory=Counter)  # of an earn: taken back of each award, or lost
    taken: list[tuple[Lot, int]] = field(default_factory=list)
    reversed: int = 0
    by_award: bool = False

    def points_of(self, amount: int) -> int:
        """What a part of its amount earned: of awards in proportion, else at the partner's rate."""
        return amount * self.points // self.amount if self.by_award and self.amount else points_of(amount)


@dataclass
class Hold:
    member: Member
    partner: UUID
    points: int
    expires_at: datetime
    lots: list[tuple[Lot, int]]
    open: bool = True


@dataclass
class Member:
    member_id: UUID
    lots: list[Lot] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    debts: list[list[Any]] = field(default_factory=list)  # [partner, points still owed]
    blocked: bool = False
    merged_into: Member | None = None
    reclaimable: Counter[UUID] = field(default_factory=Counter)  # issued by a partner, less taken back and expired

    @property
    def available(self) -> int:
        return sum(lot.free for lot in self.lots)

    @property
    def balances(self) -> tuple[int, int, int, int]:
        held = sum(lot.held for lot in self.lots)
        pending = sum(lot.remaining for lot in self.lots if lot.vests_at)
        return self.available, held, pending, sum(points for _, points in self.debts)

    @property
    def living(self) -> Member:
        return self.merged_into.living if self.merged_into else self

    def check(self, *, even_blocked: bool = False) -> None:
        if self.merged_into:
            raise Refused("member_merged")
        if self.blocked and not even_blocked:
            raise Refused("member_blocked")

    def end_overdue(self, now: datetime | None) -> None:
        """Whatever comes next to a wallet ends the holds whose time is over (None: in a retelling they have ended)."""
        for kept in [kept for kept in self.holds if now and kept.open and kept.expires_at <= now]:
            end_hold(kept, 0, now=kept.expires_at, lapse=True)

    def may_take_back(self, partner: UUID) -> int:
        return max(self.reclaimable[partner], 0)

    def first_expiring(self, today: date) -> list[Lot]:
        spendable = [lot for lot in self.lots if lot.free and lot.expires_on > today]
        return sorted(spendable, key=lambda lot: (lot.expires_on, lot.lot_id))

    def spendable(self, today: date) -> int:
        return sum(lot.free for lot in self.first_expiring(today))

    def consume(self, points: int, lots: list[Lot]) -> list[tuple[Lot, int]]:
        taken = []
        for lot in lots:
            part = min(lot.free, points)
            if part:
                lot.remaining -= part
                points -= part
                taken.append((lot, part))
        return taken

    def repay(self, lot: Lot) -> None:
        for debt in self.debts:
            part = min(debt[1], lot.remaining)
            debt[1] -= part
            lot.remaining -= part
        self.debts = [debt for debt in self.debts if debt[1]]


def points_of(amount: int) -> int:
    return amount // MINOR_PER_POINT


def earn(member: Member, partner: UUID, lots: list[Lot], amount: int | None = None, now: datetime | None = None) -> Txn:
    member.check()
    member.end_overdue(now)
    lots = [lot for lot in lots if lot.issued]
    for lot in lots:
        member.lots.append(lot)
        member.reclaimable[lot.issuer] += lot.issued
    for lot in lots:
        if lot.vests_at is None:
            member.repay(lot)
    return Txn("earn", member, partner, sum(lot.issued for lot in lots), lots=lots, amount=amount)


def burn(member: Member, partner: UUID, points: int, now: datetime) -> Txn:
    lots = to_spend(member, points, now)
    return Txn("burn", member, partner, points, taken=member.consume(points, lots))


def to_spend(member: Member, points: int, now: datetime) -> list[Lot]:
    """The lots for so many points."""
    member.check()
    member.end_overdue(now)
    if points > member.spendable(now.date()):
        raise Refused("insufficient_points")
    return member.first_expiring(now.date())


def hold(member: Member, partner: UUID, points: int, expires_at: datetime, now: datetime) -> Hold:
    kept, left = [], points
    for lot in to_spend(member, points, now):
        part = min(lot.free, left)
        if part:
            lot.held += part
            left -= part
            kept.append((lot, part))
    made = Hold(member, partner, points, expires_at, kept)
    member.holds.append(made)
    return made


def end_hold(kept: Hold, points: int, *, now: datetime, lapse: bool = False, capture: bool = False) -> Txn:
    kept.member.check(even_blocked=True)
    if not kept.open:
        raise Refused("hold_finished")
    if capture and kept.expires_at <= now:
        raise Refused("hold_lapsed")
    if lapse and kept.expires_at > now:
        raise Refused("hold_running")
    if points > kept.points:
        raise Refused("more_than_held")
    kept.open = False
    txn = Txn("capture", kept.member, kept.partner, points)
    for lot, part in kept.lots:
        used = min(points, part)
        points -= used
        lot.held -= part
        lot.remaining -= used
        if used:
            txn.taken.append((lot, used))
    return txn


def reverse(
    original: Txn, points: int | None, *, policy: str, today: date, amount: int | None = None, may_owe: bool = True,
    now: datetime | None = None,
) -> None:  # fmt: skip
    """So many points, or what an amount earned, or (neither) all that is left."""
    member = original.member.living
    member.end_overdue(now)
    takings = what_is_left(original, member)
    left = sum(takings.values()) if original.kind == "earn" else original.points - original.reversed
    left_amount = (original.amount or 0) - original.amount_reversed
    if amount is not None:
        if original.amount is None:
            raise Refused("amount_not_comparable")
        if amount > left_amount:
            raise Refused("more_than_reversible")
        points = min(left, original.points_of(left_amount) - original.points_of(left_amount - amount))
    elif points is None:
        points, amount = left, left_amount
    elif points > left:
        raise Refused("more_than_reversible")
    if original.kind == "earn":
        asked = points
        for n in takings:
            takings[n] = min(takings[n], asked)
            asked -= takings[n]
        wanted = [(original.lots[n].issuer, original.lots[n], part) for n, part in takings.items()]
        take_back(member, wanted, policy, may_owe=may_owe)
        original.given.update(takings)
    else:
        restore(original, member, points, today)
    original.reversed += points
    original.amount_reversed += amount or 0


def what_is_left(earn: Txn, member: Member) -> dict[int, int]:
    """Of each award, the last first."""
    left: dict[int, int] = {}
    of_issuer: Counter[UUID] = Counter()
    for n, lot in reversed(list(enumerate(earn.lots))):
        most = member.may_take_back(lot.issuer) - of_issuer[lot.issuer]
        left[n] = max(0, min(lot.issued - earn.given[n] - lot.expired, most))
        of_issuer[lot.issuer] += left[n]
    return left


def restore_purchase(parts: list[tuple[Txn, int | None]], **rules: Any) -> None:
    """Reverse so many points of each, or (None) all that is left: burns before earns, all or none."""
    if len({id(txn.member.living) for txn, _ in parts}) > 1:
        raise Refused("several_members")
    parts = sorted(parts, key=lambda part: part[0].kind == "earn")
    for each in (copy.deepcopy(parts), parts):  # refused on what is thrown away
        for txn, points in each:
            reverse(txn, points, **rules)


def claw_back(
    member: Member, partner: UUID, amount: int, *, policy: str, may_owe: bool = True, now: datetime | None = None
) -> None:
    member.check(even_blocked=True)
    member.end_overdue(now)
    points = min(points_of(amount), member.may_take_back(partner))
    take_back(member, [(partner, None, points)], policy, may_owe=may_owe)


def take_back(
    member: Member, wanted: list[tuple[UUID, Lot | None, int]], policy: str, *, may_owe: bool, really: bool = True
) -> None:
    """Out of lots of each issuer only, whatever others issued."""
    if policy == "refuse" and really:  # refused on what is thrown away
        take_back(*copy.deepcopy((member, wanted)), policy, may_owe=False, really=False)
    for issuer, first, asked in wanted:
        points = asked
        own = [lot for lot in member.lots if lot.issuer == issuer]
        own.sort(key=lambda lot: (lot.root is first, lot.root.lot_id, lot.lot_id), reverse=True)
        member.reclaimable[issuer] -= asked
        for lot in own:
            part = min(lot.remaining - lot.held, points)
            lot.remaining -= part
            points -= part
            if lot.remaining == 0:
                lot.vests_at = None
        if points and policy == "refuse":
            raise Refused("points_spent")
        if points and policy == "debt" and may_owe:
            member.debts.append([issuer, points])


def restore(original: Txn, member: Member, points: int, today: date) -> None:
    skip = original.reversed
    for lot, taken in reversed(original.taken):
        part = min(max(taken - skip, 0), points)
        skip = max(skip - taken, 0)
        if not part:
            continue
        points -= part
        graced = lot.expires_on <= today and lot.expires_on == lot.root.expires_on  # once
        if member is original.member and not graced:
            lot.remaining += part
        else:  # its id is the database's; see `same_as`
            expires_on = today + timedelta(days=GRACE_DAYS) if graced else lot.expires_on
            member.lots.append(Lot(UUID(int=0), lot.issuer, expires_on, part, part, origin=lot.root))


def adjust(member: Member, points: int, lot: Lot | None, today: date, now: datetime | None = None) -> None:
    member.check(even_blocked=True)
    member.end_overdue(now)
    if lot is not None:
        member.lots.append(lot)
        member.reclaimable[lot.issuer] += points
    elif points > member.spendable(today):
        raise Refused("insufficient_points")
    else:
        member.consume(points, member.first_expiring(today))


def merge(member: Member, into: Member, now: datetime | None = None) -> None:
    if member is into:
        raise Refused("same_member")
    for one in (member, into):
        one.check(even_blocked=True)
        one.end_overdue(now)
    if any(lot.held for lot in member.lots):
        raise Refused("holds_open")
    for lot in member.lots:
        if lot.remaining:
            moved = Lot(
                UUID(int=0), lot.issuer, lot.expires_on, lot.remaining, lot.remaining, 0, lot.vests_at, lot.root
            )
            into.lots.append(moved)
            lot.remaining, lot.vests_at = 0, None
    into.debts += member.debts
    into.reclaimable.update(member.reclaimable)  # `+=` would forget what is below zero
    member.debts = []
    member.merged_into = into


def vest(member: Member, now: datetime) -> None:
    for lot in sorted(member.lots, key=lambda lot: lot.lot_id):
        if lot.vests_at and lot.vests_at <= now:
            lot.vests_at = None
            member.repay(lot)


def expire(member: Member, day: date) -> None:
    for lot in member.lots:
        if lot.free and lot.expires_on <= day + timedelta(days=1):
            expire_lot(member, lot)


def expire_lot(member: Member, lot: Lot) -> None:
    member.reclaimable[lot.issuer] -= lot.free
    lot.root.expired += lot.free
    lot.remaining = lot.held
