"""earn_http and burn_http: one posting a request, through everything a partner's request goes through; batch_http: 250.

The coalition is up as `coalition up` leaves it (Granian, workers, cron, the pump giving events their places);
what is measured has to share the cores with all of that, with PostgreSQL, and with the client.
"""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from urllib.parse import urlsplit

import redis

from benchmarks import fixtures, ledger_batches
from benchmarks.figures import Figure, Run
from benchmarks.fixtures import MEMBERS, PARTNERS, Wallets
from benchmarks.harness import BenchmarkError, Books, Harness, answer_of, child, report
from benchmarks.http_client import WARM_UP_S, Order, Outcome
from benchmarks.ledger_sql import EARNED, SPENT, lots_for, lots_per_transaction
from benchmarks.pgbench import NAME, Tpcb
from coalition import programme
from identity import clients
from kit import clock
from kit.jobs import key_prefix
from ops.run import coalition_up

EXPECTED_BURNS_PER_S = 4_000
BATCH_ITEMS = 250
BATCH_CONNECTIONS = 4
MARGIN_S = 60.0


def earn(harness: Harness, tpcb: Tpcb) -> Figure:
    """POST /v1/earns by member_id and points."""
    with served(harness, lots=0) as (books, port):
        order = as_partner(books, Order(port, "/v1/earns", sign_in(books, port), MEMBERS, *EARNED, harness.seconds))
        runs = _measure(harness, tpcb, books, order)
    return Figure("earn_http", "earns over HTTP", NAME, runs)


def batch(harness: Harness, tpcb: Tpcb) -> Figure:
    """POST /v1/batches of earns by member_id and points."""
    members = ledger_batches.MEMBERS
    with served(harness, lots=0, members=members) as (books, port):
        order = as_partner(books, Order(port, "/v1/batches", sign_in(books, port), members, *EARNED, harness.seconds))
        order = replace(order, items=BATCH_ITEMS, connections=BATCH_CONNECTIONS)
        runs = _measure(harness, tpcb, books, order)
    unit = f"items over HTTP, earns {BATCH_ITEMS} a request on {BATCH_CONNECTIONS} connections"
    return Figure("batch_http", unit, NAME, runs)


def burn(harness: Harness, tpcb: Tpcb) -> Figure:
    """POST /v1/burns by member_id and points, each from 1 to 3 lots."""
    lots = lots_for(EXPECTED_BURNS_PER_S * (harness.seconds + int(WARM_UP_S)) * harness.runs)
    with served(harness, lots=lots) as (books, port):
        order = as_partner(books, Order(port, "/v1/burns", sign_in(books, port), MEMBERS, *SPENT, harness.seconds))
        runs = _measure(harness, tpcb, books, order)
        mean = lots_per_transaction(books, "redemption")
    return Figure("burn_http", f"burns over HTTP, mean {mean:.2f} lots", NAME, runs)


@contextmanager
def served(harness: Harness, *, lots: int, members: int = MEMBERS) -> Iterator[tuple[Books, int]]:
    """A coalition that is up, with its members' wallets stocked, and its port."""
    now = clock.now()
    with harness.new_books("http", now=now) as books:
        partners = fixtures.make_partners(books, count=PARTNERS, now=now)
        report(f"stocking {members:,} wallets with {lots} lots each")
        fixtures.make_wallets(books, partners, Wallets(now.date(), now, members, lots=lots, with_reserve=lots > 0))
        try:
            # Its lines say what a request was; they are read (as `coalition up` does) and not shown.
            with coalition_up(books.settings, sink=lambda name, line: None) as running:
                yield books, int(urlsplit(running.url).port or 0)
        finally:
            _forget_jobs(books)


def _measure(harness: Harness, tpcb: Tpcb, books: Books, order: Order) -> list[Run]:
    each = order.items or 1
    runs = []
    for _ in range(harness.runs):
        reference = tpcb.run()
        before = _postings(books)
        outcome = post(order)
        if (kept := _postings(books) - before) != outcome.posted * each:
            raise BenchmarkError(f"{outcome.posted} requests of {each} were answered well, {kept} items were posted")
        report(f"  measured    {outcome.answered * each / outcome.seconds:>9,.0f} items/s, p99 {outcome.p99_ms} ms")
        latency = {"median_ms": outcome.median_ms, "p99_ms": outcome.p99_ms}
        runs.append(Run(outcome.answered * each, outcome.seconds, reference.per_second, 1, latency))
    return runs


def post(order: Order) -> Outcome:
    """What a client in a process of its own got done."""
    with child("benchmarks.http_client") as client:
        return Outcome(**json.loads(answer_of(client, json.dumps(asdict(order)), timeout_s=order.seconds + MARGIN_S)))


def as_partner(books: Books, order: Order) -> Order:
    """`order` with members named as the first partner knows them."""
    with books.database.transaction() as session:
        partner_id = fixtures.first_partner(session)
    return replace(order, partner_id=str(partner_id), root_key=books.keyring.root.hex())


def sign_in(books: Books, port: int) -> str:
    """An access token of the first partner, got as partners get theirs."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Authorization": f"Basic {credentials(books)}", "Content-Type": "application/x-www-form-urlencoded"}
    try:
        connection.request("POST", "/oauth/token", "grant_type=client_credentials", headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise BenchmarkError(f"the token endpoint answered {answer.status}")
        return str(json.load(answer)["access_token"])
    finally:
        connection.close()


def credentials(books: Books) -> str:
    """Those of a new client of the first partner, as HTTP Basic writes them."""
    with books.database.transaction() as session:
        partner_id = fixtures.first_partner(session)
        client, secret = clients.create(session, fixtures.act(books, clock.now()), partner_id=partner_id, scopes=None)
    return base64.b64encode(f"{client.client_id}:{secret}".encode()).decode()


def _postings(books: Books) -> int:
    with books.owner() as owner:
        row = owner.execute("SELECT count(*) FROM coalition.txn WHERE reference NOT LIKE 'fixtures-%'").fetchone()
    return int(row[0]) if row else 0


def _forget_jobs(books: Books) -> None:
    """Take what the workers left in Redis away again: it may be a server that stays."""
    with books.database.transaction() as session:
        prefix = key_prefix(str(programme.get(session).programme_id))
    with redis.Redis.from_url(str(books.settings.redis_url), socket_timeout=5) as client:
        for key in client.scan_iter(match=f"{prefix}*"):
            client.delete(key)
