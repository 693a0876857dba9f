"""The rotating code of the wallet: RFC 6238, eight digits every 30 seconds, each good for one partner and one spending.

What the wallet shows is `co1.<handle>.<digits>`: the handle says who it is and is not the member's id. A partner that
was shown a code to know the member by it may spend with the same code once; for everybody else it is used up.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import pyotp
from sqlalchemy import text

from coalition import members, throttle
from coalition.throttle import Secrets
from kit import audit, ids
from kit.audit import Act
from kit.db import Database, Session
from kit.errors import Forbidden, NotFound
from kit.secrets import Keyring, same

STEP_S = 30
DIGITS = 8
SKEW = (0, -1, 1)  # steps a clock may be off, either way
PATTERN = rf"(?:co1\.(?P<handle>[A-Za-z0-9_-]{{16}})\.)?(?P<digits>[0-9]{{{DIGITS}}})"
_SEALED_FOR = "rotating code seed"


class WrongCode(Forbidden):
    code = "wrong_code"
    title = "Wrong code"
    description = "The rotating code is not the member's current one, or it was used before."
    remedy = "Ask the member to show the code that the wallet shows now, and scan it at once. Each code counts once."


class NoRotatingCode(NotFound):
    code = "no_rotating_code"
    title = "No rotating code"
    description = "The member has no rotating code yet."
    remedy = "Issue a code for the member with `coalition member code --new`, or use the member's PIN."


@dataclass(frozen=True)
class ShownCode:
    """What was read off a wallet: its eight digits and, unless a person typed them, whose it is."""

    handle: str | None
    digits: str


def parse(shown: str) -> ShownCode:
    """Read `shown`; raises WrongCode."""
    match = re.fullmatch(PATTERN, shown)
    if match is None:
        raise WrongCode("this is not a wallet code")
    return ShownCode(match["handle"], match["digits"])


def issue(session: Session, act: Act, *, member_id: UUID) -> str:
    """A new rotating code for the member, whose old one ends; returns its handle. Raises MemberNotFound."""
    members.lock(session, member_id)
    handle = secrets.token_urlsafe(12)
    session.execute(
        text("""
            INSERT INTO coalition.member_secret (member_id, handle, sealed_seed) VALUES (:member_id, :handle, :seed)
            ON CONFLICT (member_id) DO UPDATE SET handle = excluded.handle, sealed_seed = excluded.sealed_seed,
                last_used_step = 0, used_by = NULL, spent = false
        """),
        {
            "member_id": member_id,
            "handle": handle,
            "seed": act.keyring.seal(pyotp.random_base32().encode(), purpose=_SEALED_FOR),
        },
    )
    audit.append(session, act, "member.code_issued", ids.show_our_own(member_id))
    return handle


def show(session: Session, act: Act, *, member_id: UUID) -> str:
    """What the member's wallet shows now, to somebody else; raises NoRotatingCode."""
    code = current(session, member_id=member_id, keyring=act.keyring, now=act.now)
    audit.append(session, act, "member.code_shown", ids.show_our_own(member_id))
    return code


def current(session: Session, *, member_id: UUID, keyring: Keyring, now: datetime) -> str:
    """What the member's wallet shows at `now`, the true time; raises NoRotatingCode."""
    row = session.execute(
        text("SELECT handle, sealed_seed FROM coalition.member_secret WHERE member_id = :member_id AND handle > ''"),
        {"member_id": member_id},
    ).first()
    if row is None:
        raise NoRotatingCode("the member has no rotating code")
    return f"co1.{row.handle}.{_digits(bytes(row.sealed_seed), step_of(now), keyring)}"


def owner(session: Session, shown: ShownCode) -> UUID:
    """Whose code it claims to be, which `check` has still to confirm; raises WrongCode."""
    found = session.scalar(
        text("SELECT member_id FROM coalition.member_secret WHERE handle = :handle"), {"handle": shown.handle}
    )
    if found is None:
        raise WrongCode("the code is wrong")
    return UUID(str(found))


def check(
    database: Database,
    *,
    member_id: UUID,
    digits: str,
    partner_id: UUID,
    spending: bool,
    keyring: Keyring,
    now: datetime,
) -> int:
    """See whether these are digits the partner may use now; every try is counted. Returns their step, for `redeem`.

    Raises WrongCode, SecretsLocked.
    """
    kept = throttle.take(database, member_id, now=now)
    step = _matching_step(kept, digits, keyring, now) if kept else None
    if kept is None or step is None:
        raise WrongCode("the code is wrong or has expired")
    again = spending and step == kept.last_used_step and kept.used_by == partner_id and not kept.spent
    if step <= kept.last_used_step and not again:
        raise WrongCode("the code was used before; the wallet shows a new one in a moment")
    with database.transaction() as session:
        throttle.clear(session, member_id)
    return step


def redeem(session: Session, *, member_id: UUID, step: int, partner_id: UUID, spending: bool) -> None:
    """Use up the code of `step`, in the transaction of what it is used for; raises WrongCode where it was already."""
    done = session.execute(
        text("""
            UPDATE coalition.member_secret s SET last_used_step = :step, used_by = :partner_id, spent = :spending
            WHERE s.member_id = :member_id AND (s.last_used_step < :step OR (:spending AND s.last_used_step = :step
                  AND s.used_by = :partner_id AND NOT s.spent))
        """),
        {"member_id": member_id, "step": step, "partner_id": partner_id, "spending": spending},
    )
    if done.rowcount == 0:
        raise WrongCode("the code was used before; the wallet shows a new one in a moment")


def recognise(
    database: Database, *, member_id: UUID, digits: str, partner_id: UUID, keyring: Keyring, now: datetime
) -> None:
    """Check the digits and use them up, but for one spending by this partner; raises WrongCode, SecretsLocked."""
    step = check(
        database,
        member_id=member_id,
        digits=digits,
        partner_id=partner_id,
        spending=False,
        keyring=keyring,
        now=now,
    )
    with database.transaction() as session:
        redeem(session, member_id=member_id, step=step, partner_id=partner_id, spending=False)


def step_of(now: datetime) -> int:
    """The number of the 30 seconds `now` lies in (RFC 6238, T)."""
    return int(now.timestamp()) // STEP_S


def _matching_step(kept: Secrets, digits: str, keyring: Keyring, now: datetime) -> int | None:
    if kept.sealed_seed is None:
        return None
    steps = [step_of(now) + skew for skew in SKEW]
    return next((step for step in steps if same(_digits(kept.sealed_seed, step, keyring), digits)), None)


def _digits(sealed_seed: bytes, step: int, keyring: Keyring) -> str:
    seed = keyring.unseal(sealed_seed, purpose=_SEALED_FOR).decode("ascii")
    return pyotp.TOTP(seed, digits=DIGITS, interval=STEP_S).generate_otp(step)
