"""The log of closed days: one leaf a day, in the order of the days, never changed; what `coalition seal` publishes.

A day gets its leaf once it is settled, for the leaf has the root of its statements. Days that were closed before
there was a log get theirs with the first call, the oldest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import text

from coalition import business_days, programme
from coalition.business_days import GENESIS
from coalition.day_leaves import DayLeaf, Settled, root_of
from coalition.tlog import merkle
from kit import audit
from kit.audit import Act
from kit.db import Session, wait_for_lock
from kit.errors import NotFound

PURPOSE = "log of closed days"
SettledOn = Callable[[Session, date], Settled | None]  # what the room above knows of a day; None: not settled


class DayNotLogged(NotFound):
    code = "day_not_logged"
    title = "Day not in the log"
    description = "The log of closed days has no leaf for this day yet."
    remedy = "Settle the day, and all days before it, then run `coalition seal publish`."


@dataclass(frozen=True)
class Entry:
    """A leaf with its place; `leaf` is the text that was hashed, `salt` blinds the day's statements."""

    index: int
    day: date
    leaf: str
    salt: bytes


def extend(session: Session, act: Act, *, settled_on: SettledOn, without_settlement: bool = False) -> list[date]:
    """Give each closed day that has none its leaf, up to the first that is not settled; returns these days.

    `without_settlement` is for a coalition that settles elsewhere: the leaf of a day that isn't settled says so, and
    stays so.
    """
    wait_for_lock(session, "log of closed days")
    last = _last(session)
    size, before = (0, GENESIS) if last is None else (last.index + 1, DayLeaf.parse(last.leaf).chain)
    added: list[date] = []
    for day, is_sealed in business_days.closed_days(session):
        if last is not None and day <= last.day:
            continue
        settled = settled_on(session, day) if is_sealed else None
        if not is_sealed or (settled is None and not without_settlement):
            break
        # The same again where it is made again: books that were set back to before this give the same leaf.
        salt = act.keyring.fingerprint(purpose=PURPOSE, value=day.isoformat())
        leaf = _leaf(session, day, before=before, settled=settled, salt=salt)
        _keep(session, Entry(size + len(added), day, str(leaf), salt), act.now)
        before = leaf.chain
        added.append(day)
    if added:
        root = merkle.root(leaf_hashes(entries(session)))
        audit.append(session, act, "log.extended", added[-1].isoformat(), leaves=size + len(added), root=root.hex())
    return added


def _leaf(session: Session, day: date, *, before: bytes, settled: Settled | None, salt: bytes) -> DayLeaf:
    seal = business_days.find_seal(session, day)
    if seal is None:
        raise business_days.DayNotClosed(f"{day} is not sealed")
    root = None if settled is None else root_of(settled, salt)
    programme_id = programme.get(session).programme_id
    return DayLeaf(programme_id, day, before, seal.version, seal.postings, seal.digest, seal.chain, root)


def _keep(session: Session, entry: Entry, now: datetime) -> None:
    session.execute(
        text("""
            INSERT INTO coalition.log_leaf (index, day, leaf, salt, added_at) VALUES (:index, :day, :leaf, :salt, :now)
        """),
        {**vars(entry), "now": now},
    )


_SELECT = "SELECT index, day, leaf, salt FROM coalition.log_leaf"


def entries(session: Session) -> list[Entry]:
    """All leaves in their order: one a day, half a kilobyte each."""
    return [Entry(*row) for row in session.execute(text(f"{_SELECT} ORDER BY index"))]


def entry_of(session: Session, day: date) -> Entry:
    """The leaf of `day`; raises DayNotLogged."""
    row = session.execute(text(f"{_SELECT} WHERE day = :day"), {"day": day}).first()
    if row is None:
        raise DayNotLogged(f"{day} is not in the log")
    return Entry(*row)


def _last(session: Session) -> Entry | None:
    row = session.execute(text(f"{_SELECT} ORDER BY index DESC LIMIT 1")).first()
    return None if row is None else Entry(*row)


def leaf_hashes(found: Sequence[Entry]) -> list[bytes]:
    """The hashes that the tree of the log is over."""
    return [merkle.leaf_hash(entry.leaf.encode()) for entry in found]


def first_broken(session: Session, settled_on: SettledOn) -> str | None:
    """The first leaf that says something else than the books; None: there is none."""
    sealed = {day for day, is_sealed in business_days.closed_days(session) if is_sealed}
    for entry, before, expected in _with_what_came_before(entries(session)):
        if (entry.index, entry.day) != expected:
            return f"{entry.day}: is leaf {entry.index} of the log, where leaf {expected[0]}, {expected[1]}, is due"
        if entry.day not in sealed:
            return f"{entry.day}: is in the log and not sealed in these books"
        says_settled = not entry.leaf.endswith("settlement none\n")
        settled = settled_on(session, entry.day) if says_settled else None
        if says_settled and settled is None:
            return f"{entry.day}: is in the log as settled, and not in these books"
        if str(_leaf(session, entry.day, before=before, settled=settled, salt=entry.salt)) != entry.leaf:
            return f"{entry.day}: its leaf in the log says something else than its seal and its settlement"
    return None


def _with_what_came_before(found: Sequence[Entry]) -> Iterator[tuple[Entry, bytes, tuple[int, date]]]:
    """Each entry, the chain of the day before, and the index and day that it has to have."""
    before = GENESIS
    for number, entry in enumerate(found):
        yield entry, before, (number, found[0].day + timedelta(days=number))
        before = DayLeaf.parse(entry.leaf).chain
