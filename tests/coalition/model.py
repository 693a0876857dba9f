"""The ledger as a plain model in Python: lists of lots, one rule after the other, nothing clever."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

GRACE_DAYS = 30


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

    @property
    def free(self) -> int:
        return 0 if self.vests_at else self.remaining - self.held


@dataclass
class Txn:
    kind: str
    member: Member
    partner: UUID
    points: int
    lot_id: UUID | None = None
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
    debts: list[list[Any]] = field(default_factory=list)  # [partner, points still owed]
    blocked: bool = False
    merged_into: Member | None = None

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

    def first_expiring(self) -> list[Lot]:
        return sorted((lot for lot in self.lots if lot.free), key=lambda lot: (lot.expires_on, lot.lot_id))

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


def earn(member: Member, partner: UUID, lot: Lot) -> Txn:
    member.check()
    member.lots.append(lot)
    if lot.vests_at is None:
        member.repay(lot)
    return Txn("earn", member, partner, lot.issued, lot_id=lot.lot_id)


def burn(member: Member, partner: UUID, points: int) -> Txn:
    member.check()
    if points > member.available:
        raise Refused("insufficient_points")
    return Txn("burn", member, partner, points, taken=member.take(points, member.first_expiring()))


def hold(member: Member, partner: UUID, points: int, expires_at: datetime) -> Hold:
    member.check()
    if points > member.available:
        raise Refused("insufficient_points")
    kept, left = [], points
    for lot in member.first_expiring():
        part = min(lot.free, left)
        if part:
            lot.held += part
            left -= part
            kept.append((lot, part))
    return Hold(member, partner, points, expires_at, kept)


def end_hold(kept: Hold, points: int, *, now: datetime, lapse: bool = False) -> Txn:
    kept.member.check(even_blocked=True)
    if not kept.open:
        raise Refused("hold_finished")
    if not lapse and kept.expires_at <= now:
        raise Refused("hold_lapsed")
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


def reverse(original: Txn, points: int | None, *, policy: str, today: date) -> None:
    member = original.member.living
    left = original.points - original.reversed
    points = left if points is None else points
    if points > left or left == 0:
        raise Refused("more_than_reversible")
    if original.kind == "earn":
        take_back(member, original.partner, points, original.lot_id, policy)
    else:
        give_back(original, member, points, today)
    original.reversed += points


def take_back(member: Member, partner: UUID, points: int, first: UUID | None, policy: str) -> None:
    pending = [lot for lot in member.lots if lot.lot_id == first and lot.vests_at]
    own = [lot for lot in member.lots if lot.issuer == partner and lot.free]
    own.sort(key=lambda lot: (lot.lot_id == first, lot.lot_id), reverse=True)
    if policy == "refuse" and sum(lot.remaining for lot in pending) + sum(lot.free for lot in own) < points:
        raise Refused("points_spent")
    for lot in pending:
        part = min(lot.remaining, points)
        lot.remaining -= part
        points -= part
        if lot.remaining == 0:
            lot.vests_at = None
    points -= sum(part for _, part in member.take(points, own))
    if policy == "owed":
        points -= sum(part for _, part in member.take(min(points, member.available), member.first_expiring()))
        if points:
            member.debts.append([partner, points])


def give_back(original: Txn, member: Member, points: int, today: date) -> None:
    skip = original.reversed
    for lot, taken in reversed(original.taken):
        part = min(max(taken - skip, 0), points)
        skip = max(skip - taken, 0)
        if not part:
            continue
        points -= part
        expires_on = lot.expires_on if lot.expires_on > today else today + timedelta(days=GRACE_DAYS)
        if member is original.member:
            lot.expires_on = expires_on
            lot.remaining += part
        else:  # its id is the database's; see `same_as`
            member.lots.append(Lot(UUID(int=0), lot.issuer, expires_on, part, part))


def adjust(member: Member, points: int, lot: Lot | None) -> None:
    member.check(even_blocked=True)
    if lot is None and points > member.available:
        raise Refused("insufficient_points")
    if lot is None:
        member.take(points, member.first_expiring())
    else:
        member.lots.append(lot)


def merge(member: Member, into: Member) -> None:
    if member is into:
        raise Refused("same_member")
    member.check(even_blocked=True)
    into.check(even_blocked=True)
    if any(lot.held for lot in member.lots):
        raise Refused("holds_open")
    for lot in member.lots:
        if lot.remaining:
            moved = Lot(UUID(int=0), lot.issuer, lot.expires_on, lot.remaining, lot.remaining, 0, lot.vests_at)
            into.lots.append(moved)
            lot.remaining, lot.vests_at = 0, None
    into.debts += member.debts
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
