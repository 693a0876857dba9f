"""What a member shows at a till, read and looked at: a PIN, the wallet's code. Every try counts, whatever it is for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from coalition import pins, rotating_codes
from coalition.rotating_codes import ShownCode, WrongCode
from kit.db import Database, Session
from kit.secrets import Keyring

FIELDS = ("code", "pin")


def is_given(body: Mapping[str, Any]) -> bool:
    """Whether `body` holds any."""
    return any(name in body for name in FIELDS)


def shown_code(session: Session, body: Mapping[str, Any], member_id: UUID) -> ShownCode | None:
    """The code in `body`, if there is one; raises WrongCode where it says of itself that it is another member's."""
    if "code" not in body:
        return None
    code = rotating_codes.parse(body["code"])
    if code.handle and rotating_codes.owner(session, code) != member_id:
        raise WrongCode("the code is another member's")
    return code


def check(
    database: Database,
    *,
    member_id: UUID,
    partner_id: UUID,
    code: ShownCode | None,
    pin: str | None,
    spending: bool,
    keyring: Keyring,
    now: datetime,
) -> int | None:
    """Look at what is given, each try counted and committed; the code's step, for `rotating_codes.redeem`.

    Raises WrongPin, WrongCode, SecretsLocked.
    """
    if pin is not None:
        pins.check(database, member_id=member_id, pin=pin, keyring=keyring, now=now)
    if code is None:
        return None
    return rotating_codes.check(
        database,
        member_id=member_id,
        digits=code.digits,
        partner_id=partner_id,
        spending=spending,
        keyring=keyring,
        now=now,
    )
