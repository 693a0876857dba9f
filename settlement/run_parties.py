"""Who the parties of a run are on paper, as they were when it was calculated: its statements name them so for good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from coalition import programme
from kit.db import Session
from settlement import policies
from settlement.runs import Run


@dataclass(frozen=True)
class RunParty:
    """A partner, or the coalition itself; what nobody gave is None."""

    party_id: UUID
    code: str
    name: str
    legal_name: str | None = None
    legal_address: str | None = None
    tax_id: str | None = None


def as_they_are(session: Session, run: Run, names: Mapping[UUID, tuple[str, str]]) -> dict[UUID, RunParty]:
    """The parties of `names`, each with its code and name, as the agreements of the run's last day and the policy have
    them now."""
    rows = session.execute(
        text("""
            SELECT partner_id, legal_name, legal_address, tax_id FROM settlement.agreement
            WHERE valid @> CAST(:day AS date)
        """),
        {"day": run.last_day},
    )
    policy, fund = policies.get(session), programme.get(session).programme_id
    legal = {row[0]: tuple(row[1:]) for row in rows} | {fund: (policy.legal_name, policy.legal_address, policy.tax_id)}
    return {party_id: RunParty(party_id, *named, *legal.get(party_id, ())) for party_id, named in names.items()}


def keep(session: Session, run: Run, found: Mapping[UUID, RunParty]) -> None:
    """Write down who they are for a run that is calculated."""
    session.execute(
        text("""
            INSERT INTO settlement.run_party (run_id, party_id, code, name, legal_name, legal_address, tax_id)
            VALUES (:run_id, :party_id, :code, :name, :legal_name, :legal_address, :tax_id)
        """),
        [{**vars(one), "run_id": run.run_id} for one in found.values()],
    )


def kept(session: Session, run: Run) -> dict[UUID, RunParty]:
    """Who they were; empty for a run that is not calculated, or that a version calculated which kept none."""
    rows = session.execute(
        text("""
            SELECT party_id, code, name, legal_name, legal_address, tax_id FROM settlement.run_party
            WHERE run_id = :run_id
        """),
        {"run_id": run.run_id},
    )
    return {row.party_id: RunParty(*row) for row in rows}
