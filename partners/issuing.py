"""What a partner needs before it may issue points: prices. Nobody who issues goes live without them.

Points that nobody can price would be burned at other partners, and no night could say what is owed for them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from uuid import UUID

from coalition import programme, rates
from kit.db import Session
from kit.errors import Conflict

Need = Callable[[Session, UUID, date], bool]


class TermsMissing(Conflict):
    """A partner that issues points needs a rate and an agreement in force today; `missing` lists what it lacks."""

    code = "terms_missing"
    title = "Terms missing"


def _unknown(session: Session, partner_id: UUID, day: date) -> bool:
    return False


# Whether each is in force for a partner on a business day. Settlement keeps the agreements, stands above this room and
# puts its answer here (settlement.agreements); where it is not loaded nobody is let in.
NEEDS: dict[str, Need] = {"rate": rates.in_force, "agreement": _unknown}


def missing(session: Session, partner_id: UUID) -> list[str]:
    """What a partner lacks, of NEEDS, to issue points on the open business day."""
    day = programme.get(session).open_day
    return [name for name, is_met in NEEDS.items() if not is_met(session, partner_id, day)]


def require(session: Session, partner_id: UUID) -> None:
    """Raise TermsMissing unless the partner has all of NEEDS."""
    if lacks := missing(session, partner_id):
        raise TermsMissing(f"a partner that issues points needs, in force today: {', '.join(lacks)}", missing=lacks)
