"""What keeps a day from being settled: written down until it is, so that a person, `/readyz` and metrics can tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import text

from kit.db import Session
from kit.errors import CoalitionError

LONGEST_DETAIL = 500


@dataclass(frozen=True)
class RunFailure:
    """Why the run of `day` failed when it was last tried, at `last_at`; it has failed since `since`."""

    day: date
    code: str
    detail: str
    since: datetime
    last_at: datetime


def of(day: date, error: Exception, now: datetime) -> RunFailure:
    """The failure that `error` is; of an error of ours only the kind, for its text may hold anything."""
    if isinstance(error, CoalitionError):
        return RunFailure(day, error.code, error.detail[:LONGEST_DETAIL], now, now)
    return RunFailure(day, "internal_error", f"{type(error).__name__}; the log says where", now, now)


def keep(session: Session, failure: RunFailure) -> bool:
    """Write the failure down; whether it is new, or another than before."""
    return bool(
        session.scalar(
            text("""
                WITH before AS (SELECT code, detail FROM settlement.run_failure WHERE day = :day)
                INSERT INTO settlement.run_failure (day, code, detail, since, last_at)
                VALUES (:day, :code, :detail, :since, :last_at)
                ON CONFLICT (day) DO UPDATE
                    SET code = excluded.code, detail = excluded.detail, last_at = excluded.last_at
                RETURNING NOT EXISTS (SELECT FROM before WHERE (code, detail) = (:code, :detail))
            """),
            vars(failure),
        )
    )


def forget(session: Session, day: date) -> None:
    """The run of `day` went well."""
    session.execute(text("DELETE FROM settlement.run_failure WHERE day = :day"), {"day": day})


def all_of_them(session: Session) -> list[RunFailure]:
    """The days whose settlement fails, oldest first."""
    rows = session.execute(text("SELECT day, code, detail, since, last_at FROM settlement.run_failure ORDER BY day"))
    return [RunFailure(*row) for row in rows]
