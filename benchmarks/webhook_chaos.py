"""Webhooks under chaos: `python -m benchmarks.webhook_chaos` counts what an outside receiver lacks of the ledger's ids.

The receiver drops, delays, refuses, closes and cuts at random, pumps are killed at random, while events are committed.
When nothing is pending any more, what the receiver took is compared with the events in the ledger's database. The
exit code is 0 if nothing is lost, nothing came that never happened or is not signed as it should be, and no more came
twice than was in flight.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID

import click

from benchmarks import fixtures
from benchmarks.chaos_receiver import Moods, Trusted, as_keys, as_question
from benchmarks.harness import BenchmarkError, Books, answer_of, child, prepared, report
from kit import clock, ids, logins, outbox
from kit.db import Database
from kit.settings import Settings
from kit.terminal import one_line_errors
from webhooks import endpoint_settings, endpoints, signing
from webhooks.addresses import LOOPBACK

Settle = endpoint_settings.Settings
# What each partner's endpoint asks for. Retries come soon, or the end would take days.
SOON: Settle = {"retry_delays_s": [1] * endpoint_settings.MOST_RETRIES, "timeout_s": 2}
ASKS: tuple[Settle, ...] = (
    {}, {}, {}, {"body": "thin", "signatures": ["v1", "v1a"]}, {"ordering": "member"},
    {"ordering": "strict", "batch_size": 50}, {"ordering": "strict", "batch_size": 10}, {"rate_per_s": 1_000},
)  # fmt: skip
MEMBERS = 2_000
EVENTS_PER_COMMIT = 50
ROLLED_BACK = 0.05  # of the transactions
POLL_S = 0.1
TYPE = "points.earned"


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Events of the ledger beside those that a receiver took.

    `lost` are those it never took and nobody will send any more, `unheard_of` those it took that never happened.
    """

    events: int
    taken: int
    twice_by_cut_answers: int
    twice_by_kills: int
    lost: int
    unheard_of: int
    pending: int


@dataclass(frozen=True, kw_only=True)
class Outcome(Compared):
    """What was found; `given_up` are deliveries that used up their retries, `unsigned` messages that do not verify."""

    seconds: float
    kills: int
    in_flight_at_kills: int
    receiver_did: dict[str, int]
    attempts: int
    given_up: int
    unsigned: int

    @property
    def is_good(self) -> bool:
        """Whether every promise was kept."""
        broken = self.lost or self.unheard_of or self.pending or self.given_up or self.unsigned
        return not broken and self.twice_by_kills <= self.in_flight_at_kills


def compare(*, told: set[str], pending: set[str], taken: Mapping[str, int], cut: Mapping[str, int]) -> Compared:
    """Compare the ledger's events `told` with how often each was taken; `cut` how often its sender saw a failure.

    `pending` are events that are still to be sent.
    """
    again = {one: times - 1 for one, times in taken.items() if times > 1}
    by_kills = sum(max(times - cut.get(one, 0), 0) for one, times in again.items())
    return Compared(
        events=len(told),
        taken=sum(taken.values()),
        twice_by_cut_answers=sum(again.values()) - by_kills,
        twice_by_kills=by_kills,
        lost=len(told - pending - taken.keys()),
        unheard_of=len(taken.keys() - told),
        pending=len(pending),
    )


class Pumps:
    """Pumps that are killed and started again."""

    def __init__(self, stack: ExitStack, settings: Settings, database: Database, *, number: int) -> None:
        self._stack, self._settings, self._database = stack, settings, database
        self._running: list[subprocess.Popen[str]] = []
        self.kills = self.in_flight = 0
        for _ in range(number):
            self._start()

    def kill_one(self) -> None:
        """Kill -9; another takes its place."""
        victim = self._running.pop(random.randrange(len(self._running)))
        victim.kill()
        victim.wait()
        self.kills += 1
        with self._database.transaction() as session:
            self.in_flight += session.exec_driver_sql(
                "SELECT count(*) FROM webhooks.delivery WHERE state = 'pending' AND claim_id IS NOT NULL"
            ).scalar_one()
        self._start()

    def revive(self) -> None:
        """A pump ends after some minutes; another takes its place, as a worker would see to it."""
        for ended in [one for one in self._running if one.poll() is not None]:
            self._running.remove(ended)
            self._start()

    def _start(self) -> None:
        self._running.append(self._stack.enter_context(child("benchmarks.pump_process", settings=self._settings)))


@click.command(
    help="Deliver events to a receiver that fails at random, by pumps that are killed, and count the losses."
)
@click.option("--events", type=click.IntRange(1, 10_000_000), default=50_000, show_default=True)
@click.option("--pumps", type=click.IntRange(1, 16), default=2, show_default=True)
@click.option("--kill-every", type=click.FloatRange(0.1), default=4.0, show_default=True, help="Seconds, on average.")
@click.option("--seconds", type=click.IntRange(1), default=1_800, show_default=True, help="How long to wait at most.")
@click.option("--seed", type=int, help="Of the receiver's moods; a new one each time without it.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@one_line_errors
def main(events: int, pumps: int, kill_every: float, seconds: int, seed: int | None, as_json: bool) -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    moods = Moods(seed=random.randrange(2**32) if seed is None else seed)
    report(f"the receiver's seed is {moods.seed}")
    try:
        with (
            prepared(os.environ, seconds=seconds, runs=1) as harness,
            harness.new_books("chaos", now=clock.now()) as books,
        ):
            found = _run(books, moods, events=events, pumps=pumps, kill_every_s=kill_every, seconds=seconds)
    except BenchmarkError as error:
        raise click.ClickException(str(error)) from error
    click.echo(json.dumps(asdict(found)) if as_json else _shown(found))
    sys.exit(0 if found.is_good else 1)


def _run(books: Books, moods: Moods, *, events: int, pumps: int, kill_every_s: float, seconds: int) -> Outcome:
    logins.make(books.settings)
    chosen = replace(books.settings, webhook_allow_http=True, webhook_allowed_networks=LOOPBACK)
    with child("benchmarks.chaos_receiver") as receiver, ExitStack() as stack:
        receiver.stdin.write(as_question(moods))  # type: ignore[union-attr]
        receiver.stdin.flush()  # type: ignore[union-attr]
        url = f"http://127.0.0.1:{int(receiver.stdout.readline())}"  # type: ignore[union-attr]
        trusted = _subscribe(books, url)
        partners = list(trusted)
        keys = {f"/{n}": one for n, one in enumerate(trusted.values())}
        receiver.stdin.write(as_keys(keys))  # type: ignore[union-attr]
        receiver.stdin.flush()  # type: ignore[union-attr]
        began = time.monotonic()
        running = Pumps(stack, chosen, books.database, number=pumps)
        _disturb(books, running, partners, events=events, kill_every_s=kill_every_s, until=began + seconds)
        took_s = time.monotonic() - began
        stack.close()
        answer = json.loads(answer_of(receiver, "", timeout_s=60))
    return _outcome(books, answer, running, seconds=took_s)


def _subscribe(books: Books, url: str) -> dict[UUID, Trusted]:
    """An endpoint for each of some partners, at paths from 0 on, and who signs its messages."""
    now = clock.now()
    partners = fixtures.make_partners(books, count=len(ASKS), now=now)
    made = {}
    with books.database.transaction() as session:
        for n, (partner_id, settings) in enumerate(zip(partners, ASKS, strict=True)):
            _, secret = endpoints.register(
                session,
                fixtures.act(books, now),
                partner_id=partner_id,
                url=f"{url}/{n}",
                event_types=["points.*"],
                settings={**SOON, **settings},
            )
            key = books.keyring.public_key(purpose=signing.purpose(partner_id)).hex()
            made[partner_id] = Trusted(secret, key if "v1a" in settings.get("signatures", []) else None)
    return made


def _disturb(
    books: Books, pumps: Pumps, partners: list[UUID], *, events: int, kill_every_s: float, until: float
) -> None:
    """Commit events and kill pumps until all is committed and nothing is pending, or it is too late."""
    members = [ids.new() for _ in range(MEMBERS)]
    committed, kill_at, said_at = 0, time.monotonic() + kill_every_s, time.monotonic()
    while (now := time.monotonic()) < until:
        if committed < events:
            committed += _commit(books, partners, members, most=min(EVENTS_PER_COMMIT, events - committed))
        else:
            time.sleep(POLL_S)
        if committed == events and not (left := _pending(books.database)):
            return
        if now >= kill_at:
            pumps.kill_one()
            kill_at = now + random.expovariate(1 / kill_every_s)
        pumps.revive()
        if now >= said_at + 10:
            left, said_at = _pending(books.database), now
            report(f"  {committed:>9,} committed, {left:>9,} of them pending, {pumps.kills} kills")


def _commit(books: Books, partners: list[UUID], members: list[UUID], *, most: int) -> int:
    now = clock.now()
    with books.database.transaction() as session:
        for _ in range(most):
            event_id, member_id = ids.new(), random.choice(members)
            outbox.append(
                session,
                outbox.Event(
                    type=TYPE,
                    subject_id=member_id,
                    partner_id=random.choice(partners),
                    occurred_at=now,
                    event_id=event_id,
                    data={"transaction_id": event_id, "member_id": member_id, "points": 1, "kind": "earn"},
                ),
            )
        if random.random() < ROLLED_BACK:
            session.get_transaction().rollback()  # type: ignore[union-attr]
            return 0
    return most


def _pending(database: Database) -> int:
    with database.transaction() as session:
        return int(
            session.exec_driver_sql(
                "SELECT (SELECT count(*) FROM kit.event WHERE position IS NULL)"
                "     + (SELECT count(*) FROM webhooks.delivery WHERE state = 'pending')"
            ).scalar_one()
        )


def _outcome(books: Books, answer: dict[str, Any], pumps: Pumps, *, seconds: float) -> Outcome:
    with books.owner() as owner:
        told = owner.execute("SELECT event_id FROM kit.event WHERE type = %s", [TYPE]).fetchall()
        waiting = owner.execute(
            "SELECT event_id FROM kit.event WHERE position IS NULL "
            "UNION SELECT event_id FROM webhooks.delivery WHERE state = 'pending'"
        ).fetchall()
        row = owner.execute(
            "SELECT count(*) FILTER (WHERE state IN ('failed', 'held')), sum(attempts) FROM webhooks.delivery"
        ).fetchone()
    given_up, attempts = row or (0, 0)
    ledgers, pending = ({ids.show(ids.EVENT, event_id) for (event_id,) in rows} for rows in (told, waiting))
    compared = compare(told=ledgers, pending=pending, taken=answer["taken"], cut=answer["cut"])
    return Outcome(
        **vars(compared),
        seconds=round(seconds, 1),
        kills=pumps.kills,
        in_flight_at_kills=pumps.in_flight,
        receiver_did=answer["did"],
        attempts=int(attempts or 0),
        given_up=int(given_up),
        unsigned=answer["unsigned"],
    )


def _shown(found: Outcome) -> str:
    said = [f"{name.replace('_', ' '):<22} {value}" for name, value in asdict(found).items()]
    return "\n".join([*said, "good" if found.is_good else "BROKEN"])


if __name__ == "__main__":
    main()
