"""What payments do to their runs: paid to the last one it is settled; if a payment comes back, it is not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from uuid import UUID

from kit import ids
from kit.audit import Act
from kit.db import Session
from settlement import approvals, defaults, payments, runs
from settlement.runs import Change, Run

ALL_PAID = "all payments are paid"


@dataclass(frozen=True)
class Progress:
    """The runs that were settled, and those that no longer are."""

    settled: list[Run]
    reopened: list[Run]

    @property
    def facts(self) -> dict[str, list[str]]:
        """Their ids, for the audit, where there are any."""
        shown = {
            name: [ids.show(ids.SETTLEMENT_RUN, run.run_id) for run in found] for name, found in vars(self).items()
        }
        return {name: found for name, found in shown.items() if found}


def follow(session: Session, act: Act, payment_ids: Collection[UUID]) -> Progress:
    """Bring runs to where their payments are, of which `payment_ids` changed."""
    unpaid, paid = payments.unpaid_again(session, payment_ids), payments.paid_runs(session)
    # All locks before the first entry in the audit.
    locked = {run_id: runs.get(session, run_id, lock=True) for run_id in sorted({*unpaid, *paid})}
    reopened = []
    for run_id, standing in unpaid.items():
        shown = ids.show(ids.PAYMENT, standing.payment.payment_id)
        said = f"{shown} is {standing.status}" + (f": {standing.reason}" if standing.reason else "")
        change = Change(runs.INSTRUCTED, act.now, act.decider, said[:500])
        reopened.append(runs.note(session, locked[run_id], change))
    defaults.cover_open(session, at=act.now, by=act.decider)  # of what came back
    settled = [approvals.settle(session, replace(act, reason=ALL_PAID), run_id=run_id) for run_id in paid]
    return Progress(settled, reopened)
