"""The reconciliation of a partner's file with what the partner posted: one transaction, kept whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from typing import BinaryIO
from uuid import UUID

from sqlalchemy import text

from coalition import programme
from kit import audit, ids
from kit.audit import Act
from kit.db import Session, allow_long_statements, try_lock
from kit.errors import Conflict, Invalid
from partners import accounts
from settlement.cycles import Span
from settlement.reconciliation import differences, loading, mappings, partner_files, passes
from settlement.reconciliation.differences import Written
from settlement.reconciliation.lines import Reader
from settlement.reconciliation.loading import Load
from settlement.reconciliation.partner_files import MOST_LINES
from settlement.reconciliation.passes import Tolerance
from settlement.spans import SpanRefused

MOST_DAYS = 366
EARLIEST = date(1970, 1, 1)
LOOK_AROUND_DAYS = 7  # what was posted so much earlier or later, or is so in the file, is on the wrong day, not missing
MOST_TOLERANCE_DAYS = 31
MOST_TOLERANCE_POINTS = 1_000_000
BREAKS_LOCK = "settlement.breaks"  # settlement.forget_members waits for it


class ReconciliationRuns(Conflict):
    code = "reconciliation_runs"
    title = "Reconciliation runs already"
    description = "A file of this partner is being reconciled right now, and two at once would contradict each other."
    remedy = "Wait until the other one has ended, then run it again."


class ToleranceRefused(Invalid):
    code = "tolerance_refused"
    title = "Tolerance refused"
    description = (
        f"A tolerance is 0 to {MOST_TOLERANCE_POINTS} points and 0 to {MOST_TOLERANCE_DAYS} days. More would match "
        "what does not belong together."
    )
    remedy = "Name a smaller tolerance, or none: what is only on another day is found by its reference without one."


@dataclass(frozen=True)
class Reconciliation:
    """What came of a file for the days from `first_day` to `last_day`, when it was last compared.

    `passed_over` are lines of other days or of kinds that the mapping leaves out. `by_…` are pairs, by the pass that
    found them.
    """

    reconciliation_id: UUID
    partner_id: UUID
    file_sha256: bytes
    mapping_version: int
    first_day: date
    last_day: date
    tolerance_points: int
    tolerance_days: int
    lines: int
    passed_over: int
    postings: int
    by_reference: int
    by_member: int
    by_tolerance: int
    breaks: int
    compared_at: datetime
    compared_by: str


@dataclass(frozen=True)
class Reconciled:
    """The reconciliation, whether the file is new, and how many breaks are new, open again or gone."""

    reconciliation: Reconciliation
    is_new: bool
    new: int
    reopened: int
    gone: int


_NAMES = [field.name for field in fields(Reconciliation)]
# What a file is known by when it comes again.
_SAME = (
    "partner_id", "file_sha256", "first_day", "last_day", "mapping_version", "tolerance_points", "tolerance_days",
)  # fmt: skip
_AGAIN = [name for name in _NAMES if name not in (*_SAME, "reconciliation_id")]


def _nobody(_read: int) -> None:
    pass


def reconcile(
    session: Session,
    act: Act,
    file: BinaryIO,
    *,
    partner_id: UUID,
    span: Span,
    tolerance: Tolerance,
    most_lines: int = MOST_LINES,
    told: Callable[[int], None] = _nobody,
) -> Reconciled:
    """Compare a partner's file with what it posted on the days of a span, and write down what differs.

    `told` hears how many lines were read. Raises PartnerNotFound, MappingMissing, SpanRefused, ToleranceRefused,
    ReconciliationRuns, MalformedPartnerFile, PartnerFileTooLarge, TooManyToMatch, TooManyBreaks.
    """
    _check(span, tolerance)
    partner = accounts.by_id(session, partner_id)
    kept = mappings.current(session, partner_id)
    if not try_lock(session, f"settlement.reconciliation {partner_id}"):
        raise ReconciliationRuns(f"a file of {partner.name} is being reconciled")
    allow_long_statements(session)
    digest = partner_files.sha256(file)
    around = timedelta(max(LOOK_AROUND_DAYS, tolerance.days))
    load = Load(ids.new(), partner_id, span, around, kept.mapping.member_by, act.keyring)
    reader = Reader(kept.mapping, programme.get(session).zone)
    loading.ours(session, load)
    outside = loading.theirs(session, load, reader.read(file, most_lines=most_lines), told)
    loading.follow_merges(session, load)
    passes.match(session, load, tolerance)
    found = differences.counts(session, load)
    made, written, is_new = _keep(session, load, Reconciliation(
        reconciliation_id=ids.new(), partner_id=partner_id, file_sha256=digest, mapping_version=kept.version,
        first_day=span.first, last_day=span.last, tolerance_points=tolerance.points, tolerance_days=tolerance.days,
        lines=found.lines, passed_over=reader.left_out + outside + found.beyond, postings=found.postings,
        by_reference=found.by_reference, by_member=found.by_member, by_tolerance=found.by_tolerance, breaks=0,
        compared_at=act.now, compared_by=act.decider,
    ))  # fmt: skip
    loading.clear(session, load)
    if is_new or written.new or written.reopened or written.gone:
        audit.append(
            session, act, "settlement.reconciled", made, sha256=digest.hex(), first_day=span.first, last_day=span.last,
            lines=made.lines, breaks=written.breaks, new=written.new, reopened=written.reopened, gone=written.gone,
        )  # fmt: skip
    return Reconciled(made, is_new, written.new, written.reopened, written.gone)


def _check(span: Span, tolerance: Tolerance) -> None:
    if span.first < EARLIEST or not 0 <= (span.last - span.first).days < MOST_DAYS or span.last.year > 9000:
        raise SpanRefused(f"from {span.first} to {span.last} is no span of 1 to {MOST_DAYS} days")
    if not (0 <= tolerance.points <= MOST_TOLERANCE_POINTS and 0 <= tolerance.days <= MOST_TOLERANCE_DAYS):
        raise ToleranceRefused(f"{tolerance.points} points and {tolerance.days} days is too wide, or negative")


def _keep(session: Session, load: Load, made: Reconciliation) -> tuple[Reconciliation, Written, bool]:
    """Write down the reconciliation and its breaks; whether it is a new one."""
    # Whoever is erased from here on waits, and finds the breaks then; who was erased before is known by now.
    session.execute(text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:name, 0))"), {"name": BREAKS_LOCK})
    loading.note_erased(session, load)
    known: UUID | None = session.scalar(
        text(f"""
            SELECT reconciliation_id FROM settlement.reconciliation
            WHERE ({", ".join(_SAME)}) = ({", ".join(f":{name}" for name in _SAME)})
        """),  # noqa: S608 -- names of ours, values bound
        vars(made),
    )
    if known is None:
        session.execute(
            text(f"""
                INSERT INTO settlement.reconciliation ({", ".join(_NAMES)})
                VALUES ({", ".join(f":{name}" for name in _NAMES)})
            """),  # noqa: S608 -- names of ours, values bound
            vars(made),
        )
    reconciliation_id = known or made.reconciliation_id
    written = differences.write_down(session, load, reconciliation_id=reconciliation_id, now=made.compared_at)
    made = replace(made, reconciliation_id=reconciliation_id, breaks=written.breaks)
    session.execute(
        text(f"""
            UPDATE settlement.reconciliation SET {", ".join(f"{name} = :{name}" for name in _AGAIN)}
            WHERE reconciliation_id = :reconciliation_id
        """),  # noqa: S608 -- names of ours, values bound
        vars(made),
    )
    return made, written, known is None


def newest(session: Session, *, partner_id: UUID, before: UUID, limit: int) -> list[Reconciliation]:
    """A partner's reconciliations, the newest first, from `before` back."""
    rows = session.execute(
        text(f"""
            SELECT {", ".join(_NAMES)} FROM settlement.reconciliation
            WHERE partner_id = :partner_id AND reconciliation_id < :before
            ORDER BY reconciliation_id DESC LIMIT :limit
        """),  # noqa: S608 -- names of ours
        {"partner_id": partner_id, "before": before, "limit": limit},
    )
    return [Reconciliation(*row) for row in rows]
