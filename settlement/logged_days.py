"""What the log of closed days holds of settlements, and the proof that a statement is in it.

`settled_on` is all that the log knows of a settlement: who changes how settled days are kept, changes that.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

from coalition import day_leaves, day_log
from coalition.day_leaves import Settled
from coalition.log_folders import LogContradicted, Published
from coalition.tlog import merkle
from coalition.tlog.proofs import Proof
from kit.db import Session
from kit.errors import NotFound
from settlement import runs, settled_days
from settlement.statement_paths import StatementPath

INVARIANT = "the log of closed days says what was sealed and settled"


class StatementNotLogged(NotFound):
    code = "statement_not_logged"
    title = "Statement not in the log"
    description = (
        "The published log holds no statement of this partner for a run of this cycle that ends with this day: the "
        "day was not published yet, was published as not settled, or the partner had no statement."
    )
    remedy = "Run `coalition seal publish` for the folder after the day is settled, then ask for the proof again."


def settled_on(session: Session, day: date) -> Settled | None:
    """What the settlement of `day` left, for its leaf; None while it, or a run that ends with it, is not calculated.

    The statements are those of first attempts, which stay if the run is abandoned: a leaf never changes. Those of
    later attempts are not in the log.
    """
    content_hash, ended = settled_days.content_hash(session, day), runs.first_attempts(session, day)
    is_begun = any(run.is_daily for run in ended)
    if content_hash is None or not is_begun or any(run.content_hash is None for run in ended):
        return None
    return Settled(
        content_hash,
        [
            (partner_id, run.cycle, statement_hash)
            for run in ended
            for partner_id, statement_hash in runs.statement_hashes(session, run.run_id).items()
        ],
    )


def first_broken(session: Session) -> str | None:
    """The first leaf of the log that says something else than the books; None: there is none."""
    return day_log.first_broken(session, settled_on)


def prove(session: Session, published: Published, *, day: date, partner_id: UUID, cycle: str) -> Proof:
    """The proof of the statement of `partner_id` for the run of `cycle` that ended with `day`, as it is published.

    Raises DayNotLogged, StatementNotLogged, and LogContradicted where other books were published.
    """
    entry = day_log.entry_of(session, day)
    if entry.index >= published.checkpoint.size:
        raise StatementNotLogged(f"{day} is not published: the checkpoint has {published.checkpoint.size} days")
    if merkle.leaf_hash(entry.leaf.encode()) != published.hashes[entry.index]:
        raise LogContradicted(f"the published log holds another {day} than these books")
    settled = settled_on(session, day)
    logged_as_settled = day_leaves.DayLeaf.parse(entry.leaf).settled is not None
    hashes = day_leaves.statement_hashes(settled, entry.salt) if settled and logged_as_settled else {}
    if (partner_id, cycle) not in hashes:
        raise StatementNotLogged(f"the log holds no statement of this partner for the {cycle} run that ends on {day}")
    place = list(hashes).index((partner_id, cycle))
    blind = day_leaves.blind(entry.salt, partner_id, cycle)
    path = StatementPath(partner_id, cycle, blind, place, merkle.inclusion(list(hashes.values()), place), entry.leaf)
    in_log = merkle.inclusion(published.hashes, entry.index)
    return Proof(str(path).encode(), entry.index, tuple(in_log), published.note)
