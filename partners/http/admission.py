"""What happens to a request once its client is known: its version, its budget, and what is written down of it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from flask import Flask, Request, Response, current_app, g, request

from kit import clock, ids
from kit.background import SetWriter
from kit.db import Session
from kit.http import exchange, rate_limits, versions
from kit.http.idempotency import KEY
from kit.http.rate_limits import Policies
from kit.http.services import Services, services
from partners import audit, redaction, request_log, terms
from partners.audit import Actor
from partners.clients import Admin, Principal
from partners.request_log import Record
from partners.terms import TermsCache

_NAME = "coalition.admission"
COALITION = UUID(int=0)  # stands for the partner where a client is the coalition's own
# Routes that find somebody by what can be guessed: held shorter than others, and audited.
LOOKUPS = frozenset(("members.look_up",))
MOST_LOOKUPS_PER_ENTRY = 500
TOO_MANY_REQUESTS = 429


@dataclass(frozen=True)
class _Lookup:
    actor: Actor
    at: datetime
    member_id: str | None


class _Admission:
    """What a web process remembers of clients, and what it has yet to write down."""

    def __init__(self, parts: Services) -> None:
        self.clients: TermsCache[tuple[str, Policies]] = TermsCache()
        self.requests = SetWriter[Record]("requests", self._store_requests)
        self.lookups = SetWriter[_Lookup]("lookups", self._store_lookups)
        self._parts = parts

    def _store_requests(self, records: list[Record]) -> None:
        with self._parts.database.transaction() as session:
            request_log.store(session, records)

    def _store_lookups(self, lookups: list[_Lookup]) -> None:
        by_client: dict[str, list[_Lookup]] = {}
        for lookup in lookups:
            by_client.setdefault(lookup.actor.actor_id, []).append(lookup)
        with self._parts.database.transaction() as session:
            for found in by_client.values():
                for start in range(0, len(found), MOST_LOOKUPS_PER_ENTRY):
                    _audit_lookups(session, found[start : start + MOST_LOOKUPS_PER_ENTRY], self._parts)


def _audit_lookups(session: Session, lookups: list[_Lookup], parts: Services) -> None:
    first = lookups[0].actor
    audit.append(
        session,
        actor=Actor(kind=first.kind, actor_id=first.actor_id, partner_id=first.partner_id),
        action="members.looked_up",
        subject=str(first.partner_id),
        now=lookups[-1].at,
        keyring=parts.keyring,
        facts={
            "lookups": [
                {
                    "at": one.at.isoformat(),
                    "request_id": one.actor.request_id,
                    "address": one.actor.address,
                    "member_id": one.member_id,
                }
                for one in lookups
            ]
        },
    )


def install(app: Flask, parts: Services) -> None:
    """Write down what clients of `app` ask."""
    app.extensions[_NAME] = _Admission(parts)
    app.after_request(_record_it)


def close(app: Flask) -> None:
    """Write what still waits, and end the threads that write."""
    admission: _Admission = app.extensions[_NAME]
    admission.requests.close()
    admission.lookups.close()


def admit(principal: Principal | Admin) -> None:
    """Take this request of `principal` in, under its version and within its budget; raises RateLimited."""
    g.client = principal
    exchange.of(request.environ).sender = str(principal.partner_id or principal.client_id)
    version, limits = _terms(principal.client_id)
    versions.pin(version)
    if request.endpoint in LOOKUPS:
        policy = limits.lookups
    else:
        policy = limits.reads if request.method in ("GET", "HEAD") else limits.writes
    rate_limits.count(policy, principal.client_id)


def count_lookups(number: int) -> None:
    """Count `number` members this request names against its client's budget for lookups; raises RateLimited."""
    client = cast(Principal, g.client)
    policy = _terms(client.client_id)[1].lookups
    for _ in range(number):
        rate_limits.count(policy, client.client_id)


def looked_up(members: Iterable[UUID | None]) -> None:
    """Audit whom this request looked for; None: somebody who isn't there, or whom a refusal was about."""
    for member_id in members:
        shown = ids.show_our_own(member_id) if member_id else None
        _here().lookups.put(_Lookup(actor(), clock.now(), shown))


def actor() -> Actor:
    """Who makes this request, as the audit names it."""
    client = cast(Principal, g.client)
    partner = ids.show(ids.PARTNER, client.partner_id) if client.partner_id else None
    return Actor(
        kind="client",
        actor_id=client.client_id,
        partner_id=partner,
        address=request.remote_addr,
        request_id=g.request_id,
    )


def write_down(session: Session, action: str, subject: str, **facts: object) -> None:
    """Write into the audit what this request does, last of all in its transaction."""
    audit.append(
        session,
        actor=actor(),
        action=action,
        subject=subject,
        now=clock.now(),
        keyring=services().keyring,
        facts=facts,
    )


def write_out() -> None:
    """Write down what waits in this process, so that it can be read."""
    _here().requests.flush()
    _here().lookups.flush()


def _terms(client_id: str) -> tuple[str, Policies]:
    cache = _here().clients
    if (known := cache.get(client_id)) is None:
        with services().reading() as session:
            found = terms.of_client(session, client_id=client_id, current_version=versions.current())
        known = (found.api_version, rate_limits.usual().scaled(found.rate_limit_percent))
        cache.put(client_id, known)
    return known


def _here() -> _Admission:
    return cast(_Admission, current_app.extensions[_NAME])


def _record_it(response: Response) -> Response:
    client = g.get("client")
    if client is None:
        return response
    status = response.status_code
    if request.endpoint in LOOKUPS and status in (200, 404):
        found = response.get_json()["member_id"] if status == 200 else None
        own = found and ids.show_our_own(ids.parse(ids.MEMBER, found))
        _here().lookups.put(_Lookup(actor(), clock.now(), own))
    if status != TOO_MANY_REQUESTS and (status >= 400 or request.method not in ("GET", "HEAD")):
        _here().requests.put(_record(client, response))
    return response


def _record(client: Principal, response: Response) -> Record:
    problem = g.get("problem")
    key = request.headers.get("Idempotency-Key", "")
    return Record(
        partner_id=client.partner_id or COALITION,
        request_id=g.request_id,
        client_id=client.client_id,
        at=clock.now(),
        method=request.method,
        path=request.path[:500].replace("\x00", "�"),
        status=response.status_code,
        code=problem and problem["code"],
        duration_us=round((time.perf_counter() - g.began) * 1_000_000),
        idempotency_key=key if KEY.fullmatch(key) else None,
        trace_id=g.trace.trace_id,
        sent=_sent(request),
        answer=problem or _noted(),
    )


def _sent(req: Request) -> dict[str, Any]:
    sent: dict[str, Any] = {"query": req.args.to_dict(flat=False)} if req.args else {}
    size = req.content_length or 0
    if size > redaction.LARGEST_BYTES:
        sent["body"] = {"omitted": f"{size} bytes"}
    elif "sent" in g:
        sent["body"] = g.sent
    elif size:
        sent["body"] = {"omitted": f"{size} bytes that are not JSON or were not looked at"}
    return sent


def _noted() -> dict[str, Any] | None:
    facts = ids.show_fields(g.get("log_facts", {}))
    return {name: value for name, value in facts.items() if name not in ("client_id", "partner_id")} or None
