"""The ledger as a plain model in Python: lists of lots, one rule after the other, nothing clever."""

from __future__ import annotations

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
    lot: Lot | None = None
    amount: int | None = None
    amount_reversed: int = 0
    taken: list[tuple[Lot, int]] = field(default_factory=list)
    reversed: int = 0


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
    reclaimable: Counter[UUID] = field(default_factory=Counter)  # issued by a partner and not taken back by it

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

    def first_expiring(self, today: date) -> list[Lot]:
        spendable = [lot for lot in self.lots if lot.free and lot.expires_on > today]
        return sorted(spendable, key=lambda lot: (lot.expires_on, lot.lot_id))

    def spendable(self, today: date) -> int:
        return sum(lot.free for lot in self.first_expiring(today))

    def take(self, points: int, lots: list[Lot]) -> list[tuple[Lot, int]]:
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


def earn(member: Member, partner: UUID, lot: Lot, amount: int | None = None) -> Txn:
    member.check()
    issued = lot.issued
    if issued:
        member.lots.append(lot)
        member.reclaimable[partner] += issued
        if lot.vests_at is None:
            member.repay(lot)
    return Txn("earn", member, partner, issued, lot=lot, amount=amount)


def burn(member: Member, partner: UUID, points: int, now: datetime) -> Txn:
    lots = to_spend(member, points, now)
    return Txn("burn", member, partner, points, taken=member.take(points, lots))


def to_spend(member: Member, points: int, now: datetime) -> list[Lot]:
    """The lots for so many points; where they don't suffice, holds whose time is over are ended first."""
    member.check()
    if points > member.spendable(now.date()):
        for kept in [kept for kept in member.holds if kept.open and kept.expires_at <= now]:
            end_hold(kept, 0, now=now, lapse=True)
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
    original: Txn, points: int | None, *, policy: str, today: date, amount: int | None = None, may_owe: bool = True
) -> None:
    """So many points, or what an amount earned, or (neither) all that is left."""
    member = original.member.living
    left = original.points - original.reversed
    if original.kind == "earn":
        left = min(left, member.reclaimable[original.partner])
    left_amount = (original.amount or 0) - original.amount_reversed
    if amount is not None:
        if original.amount is None:
            raise Refused("amount_not_comparable")
        if amount > left_amount:
            raise Refused("more_than_reversible")
        points = min(left, points_of(left_amount) - points_of(left_amount - amount))
    elif points is None:
        points, amount = left, left_amount
    elif points > left:
        raise Refused("more_than_reversible")
    if original.kind == "earn":
        take_back(member, original.partner, points, original.lot, policy, may_owe=may_owe)
    else:
        give_back(original, member, points, today)
    original.reversed += points
    original.amount_reversed += amount or 0


def claw_back(member: Member, partner: UUID, amount: int, *, policy: str, may_owe: bool = True) -> None:
    member.check(even_blocked=True)
    points = min(points_of(amount), member.reclaimable[partner])
    take_back(member, partner, points, None, policy, may_owe=may_owe)


def take_back(member: Member, partner: UUID, points: int, first: Lot | None, policy: str, *, may_owe: bool) -> None:
    """Out of the partner's own lots only, whatever others issued."""
    asked = points
    pending = [lot for lot in member.lots if lot.root is first and lot.vests_at]
    own = [lot for lot in member.lots if lot.issuer == partner and lot.free]
    own.sort(key=lambda lot: (lot.root is first, lot.root.lot_id, lot.lot_id), reverse=True)
    if policy == "refuse" and sum(lot.remaining for lot in pending) + sum(lot.free for lot in own) < points:
        raise Refused("points_spent")
    member.reclaimable[partner] -= asked
    for lot in pending:
        part = min(lot.remaining, points)
        lot.remaining -= part
        points -= part
        if lot.remaining == 0:
            lot.vests_at = None
    points -= sum(part for _, part in member.take(points, own))
    if policy == "owed" and may_owe and points:
        member.debts.append([partner, points])


def give_back(original: Txn, member: Member, points: int, today: date) -> None:
    skip = original.reversed
    for lot, taken in reversed(original.taken):
        part = min(max(taken - skip, 0), points)
        skip = max(skip - taken, 0)
        if not part:
            continue
        points -= part
        expired = lot.expires_on <= today
        if member is original.member and not expired:
            lot.remaining += part
        else:  # its id is the database's; see `same_as`
            expires_on = today + timedelta(days=GRACE_DAYS) if expired else lot.expires_on
            member.lots.append(Lot(UUID(int=0), lot.issuer, expires_on, part, part, origin=lot.root))


def adjust(member: Member, points: int, lot: Lot | None, today: date) -> None:
    member.check(even_blocked=True)
    if lot is not None:
        member.lots.append(lot)
        member.reclaimable[lot.issuer] += points
    elif points > member.spendable(today):
        raise Refused("insufficient_points")
    else:
        member.take(points, member.first_expiring(today))


def merge(member: Member, into: Member) -> None:
    if member is into:
        raise Refused("same_member")
    member.check(even_blocked=True)
    into.check(even_blocked=True)
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
    into.reclaimable += member.reclaimable
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
            lot.remaining = lot.held
