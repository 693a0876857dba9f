"""OAuth clients as the admin sees and corrects them, revoked ones included."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy import text

from identity import client_policies
from identity.client_policies import MalformedClient
from identity.clients import ClientNotFound, known_scopes
from kit import audit
from kit.audit import Act
from kit.db import Session
from kit.expected_version import AS_EXPECTED, ExpectedVersion, changed, check

KINDS = ("backend", "app", "till")


@dataclass(frozen=True)
class ListedClient:
    """A client (without partner: of the coalition's admin), when it was made, and since when it is revoked."""

    client_id: str
    partner_id: UUID | None
    kind: str
    name: str
    auth_method: str
    scopes: list[str]
    redirect_uris: list[str]
    rate_limit_percent: int
    created_at: datetime
    revoked_at: datetime | None
    version: int


class ClientChange(TypedDict, total=False):
    """What of a client is to be different; what is not named stays."""

    name: str
    redirect_uris: list[str]
    scopes: list[str]


_SELECT = """
    SELECT client_id, partner_id, kind, name, auth_method, scopes, redirect_uris, rate_limit_percent, created_at,
           revoked_at, version
    FROM partners.oauth_client
"""


def of_partner(session: Session, *, partner_id: UUID | None, limit: int) -> list[ListedClient]:
    """The newest clients of a partner, or (without one) of the coalition's admin."""
    rows = session.execute(
        text(f"""{_SELECT} WHERE partner_id IS NOT DISTINCT FROM :id
                 ORDER BY created_at DESC, client_id LIMIT :limit"""),
        {"id": partner_id, "limit": limit},
    )
    return [ListedClient(*row) for row in rows]


def get(session: Session, client_id: str) -> ListedClient:
    """One client; raises ClientNotFound."""
    row = session.execute(
        text(f"{_SELECT} WHERE client_id = :id"),
        {"id": client_id.replace("\x00", "?")},  # PostgreSQL's text holds no zero
    ).first()
    if row is None:
        raise ClientNotFound(f"there is no client {client_id}")
    return ListedClient(*row)


def change(
    session: Session, act: Act, *, client_id: str, changes: ClientChange, expected_version: ExpectedVersion = None
) -> ListedClient:
    """Correct a client that is not revoked: its name, an app's redirect addresses, a back end's scopes.

    With other scopes its tokens end, and it asks for new ones. Raises ClientNotFound, MalformedClient, UnknownScope,
    Stale.
    """
    before = get(session, client_id)
    wanted = _checked(before, changes)
    if not wanted:
        check(before.version, expected_version)
    after = _update(session, before, wanted, expected_version) if wanted else before
    audit.append(session, act, "client.corrected", after, fields=sorted(wanted))
    return after


def _update(
    session: Session, before: ListedClient, wanted: dict[str, object], expected_version: ExpectedVersion
) -> ListedClient:
    done = session.execute(
        text(f"""
            UPDATE partners.oauth_client SET {", ".join(f"{name} = :{name}" for name in wanted)}
            WHERE client_id = :client_id AND revoked_at IS NULL AND {AS_EXPECTED}
        """),  # noqa: S608 -- names of ours
        {**wanted, "client_id": before.client_id, "expected_version": expected_version},
    )
    after = get(session, before.client_id)
    if done.rowcount == 0:
        if after.revoked_at is None:
            raise changed()
        raise ClientNotFound(f"{before.client_id} is revoked")
    if after.scopes != before.scopes:
        session.execute(text("DELETE FROM partners.access_token WHERE client_id = :id"), {"id": before.client_id})
    return after


def _checked(before: ListedClient, changes: ClientChange) -> dict[str, object]:
    wanted: dict[str, object] = {}
    if "name" in changes:
        wanted["name"] = client_policies.check_name(changes["name"])
    if "redirect_uris" in changes:
        if before.kind != "app":
            raise MalformedClient("only an app has redirect addresses")
        wanted["redirect_uris"] = list(client_policies.check_redirect_uris(changes["redirect_uris"]))
    if "scopes" in changes:
        if before.kind != "backend":
            raise MalformedClient(
                "people agreed to the scopes of this app or till; revoke the client and create another one"
            )
        wanted["scopes"] = list(known_scopes(changes["scopes"], of_admin=before.partner_id is None))
    return wanted


def redirect_uris_of_apps_without_secret(session: Session) -> list[str]:
    """Where apps in a browser send people back to, over https, of clients that are not revoked."""
    return list(
        session.scalars(
            text("""
                SELECT DISTINCT uri FROM partners.oauth_client, unnest(redirect_uris) AS uri
                WHERE auth_method = 'none' AND revoked_at IS NULL AND uri LIKE 'https://%'
            """)
        )
    )
