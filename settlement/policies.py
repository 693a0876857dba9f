"""How the coalition settles: directly or through its account, how many people approve, who it is, and its limits."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from sqlalchemy import text

from kit import audit
from kit.audit import Act
from kit.db import Session
from settlement.iso20022 import accounts

DIRECT, THROUGH_COALITION = NETTINGS = ("direct", "coalition")
ALLOW, REFUSE, PENDING = BEYOND_LIMIT = ("allow", "refuse", "pending")
MOST_DISPUTE_DAYS = 3_650  # ten years: longer than claims live in most laws


@dataclass(frozen=True)
class Policy:
    """`netting`: partners pay each other, or each pays or is paid by the coalition. `approvals`: by 1 or 2 people.

    `beyond_limit`: whether an issuer whose exposure exceeds its limit may go on issuing points, and whether they are
    pending until it is below again. `dispute_days`: how many days after the end of its cycle a line may be disputed.
    """

    netting: str = DIRECT
    approvals: int = 2
    legal_name: str | None = None
    legal_address: str | None = None
    tax_id: str | None = None
    iban: str | None = None
    bic: str | None = None
    beyond_limit: str = ALLOW
    dispute_days: int = 30


_COLUMNS = ", ".join(field.name for field in fields(Policy))


def get(session: Session) -> Policy:
    """How it settles now."""
    return Policy(*session.execute(text(f"SELECT {_COLUMNS} FROM settlement.policy")).one())  # noqa: S608


def put(session: Session, act: Act, wanted: Policy) -> Policy:
    """Settle so from the next run that is calculated on; payment files name its account from the next one on.

    Raises MalformedBankAccount.
    """
    before = get(session)
    wanted = replace(
        wanted,
        iban=None if wanted.iban is None else accounts.iban_account(wanted.iban).number,
        bic=None if wanted.bic is None else accounts.bank_code(wanted.bic),
    )
    places = ", ".join(f"{field.name} = :{field.name}" for field in fields(Policy))
    session.execute(text(f"UPDATE settlement.policy SET {places}"), vars(wanted))  # noqa: S608 -- names of ours
    audit.append(
        session, act, "settlement.policy_changed", "settlement policy", netting=wanted.netting,
        beyond_limit=wanted.beyond_limit, approvals=wanted.approvals, dispute_days=wanted.dispute_days,
        changed=[name for name, value in vars(wanted).items() if value != getattr(before, name)],
    )  # fmt: skip
    return wanted
