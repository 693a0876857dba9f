"""A partner's endpoints: where its events go. Secrets are sealed at rest and shown once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from kit import ids
from kit.db import Session, wait_for_lock
from kit.errors import Conflict, NotFound
from kit.secrets import Keyring
from kit.seen import AS_SEEN, Seen, changed
from webhooks import signing

MOST_PER_PARTNER = 20
SECRET_PURPOSE = "webhook secret"  # noqa: S105 -- a key's name, no secret


class EndpointNotFound(NotFound):
    """No endpoint of yours has this id."""

    code = "endpoint_not_found"
    title = "Endpoint not found"


class TooManyEndpoints(Conflict):
    """A partner may have twenty endpoints, the disabled among them."""

    code = "too_many_endpoints"
    title = "Too many endpoints"


@dataclass(frozen=True)
class Endpoint:
    """A partner's URL and what it wants to hear."""

    endpoint_id: UUID
    partner_id: UUID
    url: str
    event_types: list[str]
    status: str
    created_at: datetime
    version: int = 1


_COLUMNS = "endpoint_id, partner_id, url, event_types, status, created_at, version"
_SELECT = f"SELECT {_COLUMNS} FROM webhooks.endpoint"  # noqa: S608 -- names of ours


def register(
    session: Session, *, partner_id: UUID, url: str, event_types: list[str], now: datetime, keyring: Keyring
) -> tuple[Endpoint, str]:
    """A new endpoint and its secret, which can't be had again; it hears of events fanned out from now on.

    Raises TooManyEndpoints.
    """
    wait_for_lock(session, f"webhook endpoints of {partner_id}")  # two at once would both be the last
    if len(of_partner(session, partner_id)) >= MOST_PER_PARTNER:
        raise TooManyEndpoints(f"a partner may have {MOST_PER_PARTNER} endpoints; remove one", most=MOST_PER_PARTNER)
    endpoint = Endpoint(ids.new(), partner_id, url, sorted(set(event_types)), "enabled", now)
    secret = signing.new_secret()
    session.execute(
        text("""
            INSERT INTO webhooks.endpoint (endpoint_id, partner_id, url, event_types, sealed_secret, status, created_at)
            VALUES (:endpoint_id, :partner_id, :url, :event_types, :sealed_secret, :status, :created_at)
        """),
        {**vars(endpoint), "sealed_secret": keyring.seal(secret.encode(), purpose=SECRET_PURPOSE)},
    )
    return endpoint, secret


def of_partner(session: Session, partner_id: UUID) -> list[Endpoint]:
    """All endpoints of a partner, oldest first."""
    rows = session.execute(
        text(_SELECT + " WHERE partner_id = :partner_id AND removed_at IS NULL ORDER BY endpoint_id"),
        {"partner_id": partner_id},
    )
    return [Endpoint(*row) for row in rows]


def get(session: Session, *, endpoint_id: UUID, partner_id: UUID) -> Endpoint:
    """One endpoint of a partner; raises EndpointNotFound."""
    row = session.execute(
        text(_SELECT + " WHERE endpoint_id = :id AND partner_id = :partner_id AND removed_at IS NULL"),
        {"id": endpoint_id, "partner_id": partner_id},
    ).first()
    if row is None:
        raise EndpointNotFound("no endpoint of yours has this id")
    return Endpoint(*row)


def set_status(session: Session, *, endpoint_id: UUID, partner_id: UUID, status: str, seen: Seen) -> Endpoint:
    """Enable or disable an endpoint. A disabled one keeps gathering its events, and gets them when it is enabled.

    `seen` are the versions it may be changed from, None for any. Raises EndpointNotFound, Stale.
    """
    row = session.execute(
        text(f"""
            UPDATE webhooks.endpoint SET status = :status
            WHERE endpoint_id = :id AND partner_id = :partner_id AND removed_at IS NULL
              AND {AS_SEEN}
            RETURNING {_COLUMNS}
        """),  # noqa: S608
        {"status": status, "id": endpoint_id, "partner_id": partner_id, "seen": seen},
    ).first()
    if row is None:
        get(session, endpoint_id=endpoint_id, partner_id=partner_id)
        raise changed()
    return Endpoint(*row)


def remove(session: Session, *, endpoint_id: UUID, partner_id: UUID, now: datetime) -> None:
    """End an endpoint for good: nothing more is sent to it or kept for it. Raises EndpointNotFound."""
    done = session.execute(
        text("""
            UPDATE webhooks.endpoint SET status = 'disabled', removed_at = :now
            WHERE endpoint_id = :id AND partner_id = :partner_id AND removed_at IS NULL
        """),
        {"id": endpoint_id, "partner_id": partner_id, "now": now},
    )
    if done.rowcount == 0:
        raise EndpointNotFound("no endpoint of yours has this id")


def secret_of(session: Session, *, endpoint_id: UUID, keyring: Keyring) -> str:
    """What an endpoint's messages are signed with; it never leaves us but to sign."""
    sealed = session.scalar(
        text("SELECT sealed_secret FROM webhooks.endpoint WHERE endpoint_id = :id"), {"id": endpoint_id}
    )
    if sealed is None:
        raise EndpointNotFound("there is no such endpoint")
    return keyring.unseal(bytes(sealed), purpose=SECRET_PURPOSE).decode()
