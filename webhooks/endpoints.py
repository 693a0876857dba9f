"""A partner's endpoints: where its events go, and what each asks for. Secrets are sealed at rest and shown once."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from kit import audit, ids, outbox
from kit.audit import Act
from kit.db import Session, wait_for_lock
from kit.errors import Conflict, NotFound
from kit.expected_version import ExpectedVersion
from kit.expected_version import check as check_version
from kit.outbox import Event
from kit.secrets import Keyring
from webhooks import authentication, backlogs, endpoint_settings, signing
from webhooks.endpoint_settings import Settings, Status

MOST_PER_PARTNER = 100
MOST_SET_ASIDE = 20_000  # of what waited before, as an endpoint is enabled; a pump has done the others meanwhile
SECRET_PURPOSE = "webhook secret"  # noqa: S105 -- a key's name, no secret
HEADERS_PURPOSE = "webhook headers"
LONGEST_GRACE_S = 7 * 24 * 3600
TEST_EVENT = "webhook_endpoint.test"


class EndpointNotFound(NotFound):
    code = "endpoint_not_found"
    title = "Endpoint not found"
    description = "You have no endpoint with this id."
    remedy = "List your endpoints with GET /v1/webhook-endpoints, and use an `endpoint_id` from there."


class TooManyEndpoints(Conflict):
    code = "too_many_endpoints"
    title = "Too many endpoints"
    description = "A partner can have a hundred endpoints, paused and disabled ones included."
    remedy = (
        "Remove an endpoint with DELETE /v1/webhook-endpoints/{endpoint_id}, or let one endpoint receive more event "
        "types."
    )


class EndpointNotEnabled(Conflict):
    code = "endpoint_not_enabled"
    title = "Endpoint not enabled"
    description = "The endpoint is paused or disabled, so we send nothing to it."
    remedy = "Enable the endpoint with POST /v1/webhook-endpoints/{endpoint_id}/enable, and ask again."


class OrderingInUse(Conflict):
    code = "ordering_in_use"
    title = "Ordering in use"
    description = (
        "Deliveries to the endpoint are waiting in the order that it had until now, so its ordering cannot change."
    )
    remedy = (
        "Wait until nothing is pending or held for the endpoint, or cancel those deliveries. Or register another "
        "endpoint with the ordering you want."
    )


@dataclass(frozen=True)
class Endpoint:
    """A partner's URL, what it wants to hear, and how.

    `status_reason` says why we disabled it (`gone`, `failing`), None if its partner did. None as `retry_delays_s`,
    `rate_per_s` or `timeout_s` is what every endpoint has. The secret before this one signs until `former_until`. Of
    `authentication` it has what may be shown.
    """

    endpoint_id: UUID
    partner_id: UUID
    url: str
    event_types: list[str]
    status: str
    created_at: datetime
    version: int = 1
    status_reason: str | None = None
    filter: dict[str, Any] | None = None
    body: str = "full"
    ordering: str = "none"
    on_exhausted: str = "skip"
    batch_size: int = 1
    retry_delays_s: list[int] | None = None
    rate_per_s: int | None = None
    timeout_s: int | None = None
    signatures: list[str] = field(default_factory=lambda: ["v1"])
    metadata: dict[str, str] = field(default_factory=dict)
    header_names: list[str] = field(default_factory=list)
    authentication: dict[str, str] | None = None
    former_until: datetime | None = None


_COLUMNS = ", ".join(Endpoint.__dataclass_fields__)
_SELECT = f"SELECT {_COLUMNS} FROM webhooks.endpoint"  # noqa: S608 -- names of ours
_ONE = f"{_SELECT} WHERE endpoint_id = :id AND partner_id = :partner_id AND removed_at IS NULL"
_CASTS = dict.fromkeys(("filter", "metadata", "authentication"), "jsonb") | {
    "retry_delays_s": "int[]",
    "status": "text",
}


def register(
    session: Session,
    act: Act,
    *,
    partner_id: UUID,
    url: str,
    event_types: list[str],
    settings: Settings | None = None,
) -> tuple[Endpoint, str]:
    """A new endpoint and its secret, which can't be had again; it hears of events fanned out from now on.

    Raises TooManyEndpoints, and what `endpoint_settings.check` raises.
    """
    wanted: Settings = {**(settings or {}), "url": url, "event_types": event_types}
    endpoint_settings.check(wanted, before={})
    wait_for_lock(session, f"webhook endpoints of {partner_id}")  # two at once would both be the last
    if len(of_partner(session, partner_id)) >= MOST_PER_PARTNER:
        raise TooManyEndpoints(f"a partner can have {MOST_PER_PARTNER} endpoints; remove one", most=MOST_PER_PARTNER)
    secret = signing.new_secret()
    values = {
        "endpoint_id": ids.new(),
        "partner_id": partner_id,
        "status": "enabled",
        "created_at": act.now,
        "sealed_secret": act.keyring.seal(secret.encode(), purpose=SECRET_PURPOSE),
        **_columns(wanted, act.keyring),
    }
    row = session.execute(
        text(f"""
            INSERT INTO webhooks.endpoint ({", ".join(values)}) VALUES ({", ".join(map(_placeholder, values))})
            RETURNING {_COLUMNS}
        """),  # noqa: S608
        values,
    ).one()
    endpoint = Endpoint(*row)
    audit.append(session, act, "webhook_endpoint.registered", endpoint, event_types=endpoint.event_types)
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
    return _one(session, _ONE, endpoint_id=endpoint_id, partner_id=partner_id)


def change(
    session: Session,
    act: Act,
    *,
    endpoint_id: UUID,
    partner_id: UUID,
    settings: Settings,
    expected_version: ExpectedVersion,
) -> Endpoint:
    """Change what `settings` names. An endpoint that becomes enabled is sent what it missed, behind what is new.

    `expected_version` are the versions it may be changed from, None for any. Raises EndpointNotFound, Stale,
    OrderingInUse, and what `endpoint_settings.check` raises.
    """
    found = _one(session, _ONE + " FOR NO KEY UPDATE", endpoint_id=endpoint_id, partner_id=partner_id)
    check_version(found.version, expected_version)
    if not settings:
        return found
    _check_change(session, found, settings)
    if settings.get("status") == "enabled" != found.status:
        _begin_anew(session, endpoint_id=endpoint_id, now=act.now)
    values = _columns(settings, act.keyring)
    if "status" in settings:
        values["status_reason"] = None
    row = session.execute(
        text(f"""
            UPDATE webhooks.endpoint SET {", ".join(f"{name} = {_placeholder(name)}" for name in values)}
            WHERE endpoint_id = :id RETURNING {_COLUMNS}
        """),  # noqa: S608
        {**values, "id": endpoint_id},
    ).one()
    changed = Endpoint(*row)
    status = {"status": settings["status"]} if "status" in settings else {}
    others = sorted(settings.keys() - {"status"})
    audit.append(session, act, "webhook_endpoint.changed", changed, **status, **({"changed": others} if others else {}))
    return changed


def set_status(
    session: Session,
    act: Act,
    *,
    endpoint_id: UUID,
    partner_id: UUID,
    status: Status,
    expected_version: ExpectedVersion = None,
) -> Endpoint:
    """Enable, pause or disable an endpoint: `change`, of its status alone.

    A paused or disabled one keeps gathering its events, and gets them when it is enabled. Raises EndpointNotFound,
    Stale.
    """
    return change(
        session,
        act,
        endpoint_id=endpoint_id,
        partner_id=partner_id,
        settings={"status": status},
        expected_version=expected_version,
    )


def remove(session: Session, act: Act, *, endpoint_id: UUID, partner_id: UUID) -> None:
    """End an endpoint for good: nothing more is sent to it or kept for it, nor what it was authenticated with.

    Raises EndpointNotFound.
    """
    done = session.execute(
        text("""
            UPDATE webhooks.endpoint
            SET status = 'disabled', removed_at = :now, authentication = NULL, sealed_authentication = NULL
            WHERE endpoint_id = :id AND partner_id = :partner_id AND removed_at IS NULL
        """),
        {"id": endpoint_id, "partner_id": partner_id, "now": act.now},
    )
    if done.rowcount == 0:
        raise EndpointNotFound("you have no endpoint with this id")
    audit.append(session, act, "webhook_endpoint.removed", ids.show(ids.ENDPOINT, endpoint_id))


def rotate(
    session: Session, act: Act, *, endpoint_id: UUID, partner_id: UUID, grace_s: int, secret: str | None = None
) -> tuple[Endpoint, str]:
    """Give an endpoint a new secret, `secret` or one we make; the former signs beside it for `grace_s` ≥ 0 seconds.

    Whatever secret was former until now signs no more. Raises EndpointNotFound, SecretRefused.
    """
    if secret is not None:
        signing.check_secret(secret)
    _one(session, _ONE + " FOR NO KEY UPDATE", endpoint_id=endpoint_id, partner_id=partner_id)
    if secret is not None and secret == secret_of(session, endpoint_id=endpoint_id, keyring=act.keyring):
        raise signing.SecretRefused("this is the secret that the endpoint has now")
    new = secret or signing.new_secret()
    row = session.execute(
        text(f"""
            UPDATE webhooks.endpoint
            SET former_sealed_secret = CASE WHEN CAST(:until AS timestamptz) IS NOT NULL THEN sealed_secret END,
                former_until = :until, sealed_secret = :sealed
            WHERE endpoint_id = :id RETURNING {_COLUMNS}
        """),  # noqa: S608
        {
            "id": endpoint_id,
            "until": act.now + timedelta(seconds=grace_s) if grace_s else None,
            "sealed": act.keyring.seal(new.encode(), purpose=SECRET_PURPOSE),
        },
    ).one()
    rotated = Endpoint(*row)
    audit.append(session, act, "webhook_endpoint.secret_rotated", rotated, grace_s=grace_s)
    return rotated, new


def send_test(session: Session, act: Act, *, endpoint_id: UUID, partner_id: UUID) -> UUID:
    """Let an event that tells of nothing happen for one enabled endpoint; its id.

    Raises EndpointNotFound, EndpointNotEnabled.
    """
    found = get(session, endpoint_id=endpoint_id, partner_id=partner_id)
    if found.status != "enabled":
        raise EndpointNotEnabled(f"the endpoint is {found.status}", status=found.status)
    event = Event(
        type=TEST_EVENT,
        subject_id=partner_id,
        partner_id=partner_id,
        occurred_at=act.now,
        data={"endpoint_id": str(endpoint_id), "message": "You asked for this test. Nothing happened."},
    )
    outbox.append(session, event)
    audit.append(session, act, "webhook_endpoint.tested", found)
    return event.event_id


def secret_of(session: Session, *, endpoint_id: UUID, keyring: Keyring) -> str:
    """What an endpoint's messages are signed with; it never leaves us but to sign."""
    sealed = session.scalar(
        text("SELECT sealed_secret FROM webhooks.endpoint WHERE endpoint_id = :id"), {"id": endpoint_id}
    )
    if sealed is None:
        raise EndpointNotFound("there is no such endpoint")
    return keyring.unseal(bytes(sealed), purpose=SECRET_PURPOSE).decode()


def _one(session: Session, statement: str, *, endpoint_id: UUID, partner_id: UUID) -> Endpoint:
    row = session.execute(text(statement), {"id": endpoint_id, "partner_id": partner_id}).first()
    if row is None:
        raise EndpointNotFound("you have no endpoint with this id")
    return Endpoint(*row)


def _check_change(session: Session, found: Endpoint, settings: Settings) -> None:
    before: Settings = {
        "event_types": found.event_types,
        "filter": found.filter,
        "ordering": found.ordering,
        "batch_size": found.batch_size,
        "url": found.url,
        "headers": dict.fromkeys(found.header_names, ""),
    }
    endpoint_settings.check(settings, before=before, authenticated_by=(found.authentication or {}).get("type"))
    if settings.get("ordering", found.ordering) != found.ordering:
        # Keeps out new deliveries, whose foreign key looks at the endpoint, while we see that none waits.
        _one(session, _ONE + " FOR UPDATE", endpoint_id=found.endpoint_id, partner_id=found.partner_id)
        waits = session.scalar(
            text("""
                SELECT EXISTS (SELECT FROM webhooks.delivery
                               WHERE endpoint_id = :id AND state IN ('pending', 'held'))
            """),
            {"id": found.endpoint_id},
        )
        if waits:
            raise OrderingInUse("deliveries are pending or held in the order it has")


def _columns(settings: Settings, keyring: Keyring) -> dict[str, Any]:
    """What stands in the row for `settings`, by column."""
    values: dict[str, Any] = dict(settings)
    if "event_types" in settings:
        values["event_types"] = sorted(set(settings["event_types"]))
    if "signatures" in settings:
        values["signatures"] = sorted(set(settings["signatures"]))
    if "filter" in settings:
        values["filter"] = None if settings["filter"] is None else json.dumps(settings["filter"])
    if "metadata" in settings:
        values["metadata"] = json.dumps(settings["metadata"])
    if "headers" in settings:
        headers = values.pop("headers")
        values["header_names"] = sorted(headers)
        sealed = keyring.seal(json.dumps(headers).encode(), purpose=HEADERS_PURPOSE) if headers else None
        values["sealed_headers"] = sealed
    if "authentication" in settings:
        asked = settings["authentication"]
        values["authentication"] = None if asked is None else json.dumps(asked.shown)
        values["sealed_authentication"] = (
            None if asked is None else keyring.seal(authentication.as_bytes(asked), purpose=authentication.PURPOSE)
        )
    return values


def _placeholder(column: str) -> str:
    return f"CAST(:{column} AS {_CASTS[column]})" if column in _CASTS else f":{column}"


def _begin_anew(session: Session, *, endpoint_id: UUID, now: datetime) -> None:
    # No failure is against it, and what happens now is not behind what happened while it heard nothing. In this order,
    # as whoever ends an attempt: what is known of an endpoint, then its deliveries.
    session.execute(
        text("""
            UPDATE webhooks.endpoint_state SET failures = 0, failing_since = NULL, warned = 0, probe_at = NULL
            WHERE endpoint_id = :id
        """),
        {"id": endpoint_id},
    )
    backlogs.set_aside(session, endpoint_id=endpoint_id, now=now, most=MOST_SET_ASIDE)
