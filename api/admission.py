"""What happens to a request once its client is known: its version, its budget, and what is written down of it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import cached_property
from typing import Any, cast
from uuid import UUID

from flask import Flask, Request, Response, current_app, request

from api import kept_fields
from api.context import of_request
from identity import client_settings, lookups, redaction, request_log
from identity.client_settings import SettingsCache
from identity.clients import Admin, Principal
from identity.lookups import Lookup
from identity.redaction import Omitted
from identity.request_log import Record
from kit import clock, ids, masking
from kit.audit import Act, Actor
from kit.http import context, exchange, rate_limits, versions
from kit.http.idempotency import KEY
from kit.http.rate_limits import Policies
from kit.http.services import Services, services
from kit.write_behind import WriteBehind

_NAME = "coalition.admission"
COALITION = UUID(int=0)  # stands for the partner where a client is the coalition's own
# Routes that find somebody by what can be guessed: held shorter than others, and audited.
LOOKUPS = frozenset(("members.look_up", "admin-members.find"))
TOO_MANY_REQUESTS = 429


class _Admission:
    """What a web process remembers of clients, and what it has yet to write down."""

    def __init__(self, app: Flask, svc: Services) -> None:
        self.clients: SettingsCache[tuple[str, Policies]] = SettingsCache()
        self.requests = WriteBehind[Record]("requests", self._store_requests)
        self.lookups = WriteBehind[Lookup]("lookups", self._store_lookups)
        self._app = app
        self._svc = svc

    def close(self) -> None:
        """Write what still waits, and end the threads that write."""
        self.requests.close()
        self.lookups.close()

    @cached_property
    def _kept(self) -> redaction.Fields:
        # At the first use: by then every route is there.
        return kept_fields.of_app(self._app)

    def _store_requests(self, records: list[Record]) -> None:
        with self._svc.database.transaction() as session:
            request_log.store(session, records, self._kept)

    def _store_lookups(self, found: list[Lookup]) -> None:
        by_client: dict[str, list[Lookup]] = {}
        for lookup in found:
            by_client.setdefault(lookup.actor.actor_id, []).append(lookup)
        with self._svc.database.transaction() as session:
            for made in by_client.values():
                lookups.write_down(session, made, self._svc.keyring)


def install(app: Flask, svc: Services) -> None:
    """Write down what clients of `app` ask."""
    made = app.extensions[_NAME] = _Admission(app, svc)
    svc.closing.callback(made.close)
    app.after_request(_record_it)


def admit(principal: Principal | Admin) -> None:
    """Take this request of `principal` in, under its version and within its budget; raises RateLimited."""
    of_request.change(client=principal)
    exchange.of(request.environ).sender = str(principal.partner_id or principal.client_id)
    version, limits = _settings(principal.client_id)
    versions.pin(version)
    if request.endpoint in LOOKUPS:
        policy = limits.lookups
    else:
        policy = limits.reads if request.method in ("GET", "HEAD") else limits.writes
    rate_limits.count(policy, principal.client_id)


def count_lookups(number: int) -> None:
    """Count `number` members this request names against its client's budget for lookups; raises RateLimited."""
    client = cast(Principal, of_request.get().client)
    policy = _settings(client.client_id)[1].lookups
    for _ in range(number):
        rate_limits.count(policy, client.client_id)


def looked_up(members: Iterable[UUID | None]) -> None:
    """Audit whom this request looked for; None: somebody who isn't there, or whom a refusal was about."""
    for member_id in members:
        shown = ids.show_our_own(member_id) if member_id else None
        _here().lookups.put(Lookup(actor(), clock.now(), shown))


def actor() -> Actor:
    """Who makes this request, as the audit names it."""
    client = cast(Principal, of_request.get().client)
    partner = ids.show(ids.PARTNER, client.partner_id) if client.partner_id else None
    return Actor(
        kind="client",
        actor_id=client.client_id,
        partner_id=partner,
        address=request.remote_addr,
        request_id=context.current().request_id,
    )


def act(*, reason: str | None = None, by: str | None = None) -> Act:
    """What this request does, for the verb that does it, `by` whom its client says; raises MalformedText."""
    return Act(actor=actor(), now=clock.now(), keyring=services().keyring, reason=reason, by=by)


def write_out() -> None:
    """Write down what waits in this process, so that it can be read."""
    _here().requests.flush()
    _here().lookups.flush()


def _settings(client_id: str) -> tuple[str, Policies]:
    cache = _here().clients
    if (known := cache.get(client_id)) is None:
        with services().reading() as session:
            found = client_settings.of_client(session, client_id=client_id)
        known = (found.api_version or _first_version(client_id), rate_limits.usual().scaled(found.rate_limit_percent))
        cache.put(client_id, known)
    return known


def _first_version(client_id: str) -> str:
    with services().recording() as session:
        return client_settings.keep_version(session, client_id=client_id, version=versions.current())


def _here() -> _Admission:
    return cast(_Admission, current_app.extensions[_NAME])


def _record_it(response: Response) -> Response:
    client = cast("Principal | None", of_request.get().client)
    if client is None:
        return response
    status = response.status_code
    if request.endpoint in LOOKUPS and status in (200, 404):
        found = response.get_json().get("member_id") if status == 200 else None
        # Whom the admin finds is audited in the transaction that finds them; there may be several.
        if client.partner_id or status != 200:
            own = found and ids.show_our_own(ids.parse(ids.MEMBER, found))
            _here().lookups.put(Lookup(actor(), clock.now(), own))
    if status != TOO_MANY_REQUESTS and (status >= 400 or request.method not in ("GET", "HEAD")):
        _here().requests.put(_record(client, response))
    return response


def _record(client: Principal, response: Response) -> Record:
    known = context.current()
    problem = known.problem
    key = request.headers.get("Idempotency-Key", "")
    return Record(
        partner_id=client.partner_id or COALITION,
        request_id=known.request_id,
        client_id=client.client_id,
        at=clock.now(),
        method=request.method,
        path=masking.path(request.path),
        status=response.status_code,
        code=problem["code"] if problem else None,
        duration_us=round((time.perf_counter() - known.began) * 1_000_000),
        idempotency_key=key if KEY.fullmatch(key) else None,
        trace_id=known.trace.trace_id,
        sent=_sent(request),
        answer=problem or _noted(),
    )


def _sent(req: Request) -> dict[str, Any]:
    sent: dict[str, Any] = {"query": req.args.to_dict(flat=False)} if req.args else {}
    size = req.content_length or 0
    if size > redaction.LARGEST_BYTES:
        sent["body"] = Omitted(f"{size} bytes")
    elif (body := context.current().body) is not None:
        sent["body"] = body.sent
    elif size:
        sent["body"] = Omitted(f"{size} bytes that are not JSON or were not looked at")
    return sent


def _noted() -> dict[str, Any] | None:
    facts = ids.show_fields(context.current().log_facts)
    return {name: value for name, value in facts.items() if name not in ("client_id", "partner_id")} or None
