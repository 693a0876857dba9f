"""A member that the coalition's desk saw is claimed: its credentials count everywhere from then on, and begin anew.

Until then nobody but the partner that enrolled it stood behind what it proved itself with, and the card may be another
person's (docs/decisions/0015): whoever left an address, a PIN or a consent on it before would go on with them.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from coalition import mail_addresses, members, pins, rotating_codes, throttle, verifications
from identity import consents
from identity.sign_in import purge
from kit.audit import Act
from kit.db import Session


def give_pin(session: Session, act: Act, *, member_id: UUID, pin: str) -> bool:
    """Give the member a PIN at the desk, whatever it had; whether all else it proved itself with has ended.

    Raises MemberNotFound, MemberMerged, MalformedPin, WeakPin.
    """
    began_anew = _claim(session, member_id, now=act.now)
    pins.put(session, act, member_id=member_id, pin=pin, began_anew=began_anew)
    return began_anew


def give_code(session: Session, act: Act, *, member_id: UUID) -> str:
    """Give the member a rotating code at the desk: what it shows now. Raises MemberNotFound, MemberMerged."""
    _claim(session, member_id, now=act.now)
    rotating_codes.issue(session, act, member_id=member_id)
    return rotating_codes.current(session, member_id=member_id, keyring=act.keyring, now=act.now)


def _claim(session: Session, member_id: UUID, *, now: datetime) -> bool:
    """Whether the member wasn't claimed before, so that what it had has ended."""
    members.lock(session, member_id)
    if not members.claim(session, member_id):
        return False
    throttle.drop(session, member_id)
    mail_addresses.unconfirm(session, member_id=member_id)
    verifications.drop(session, member_id)
    purge.forget_person(session, kind="member", subject_id=member_id)
    consents.end_all(session, member_id=member_id, because="the member was claimed", now=now)
    return True
