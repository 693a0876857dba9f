"""The replay in one process with the service: what comes of a file, however many receipts are served at once."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from coalition import members, merges, wallets
from coalition.cards import with_check_digit
from coalition.identifiers import CARD, Identifier
from coalition.programme import Programme
from kit import clock
from kit.terminal import Desk
from ops import cli
from ops.replay import receipts, report, setup, webhooks
from ops.replay.client import PartnerClient, open_http
from ops.replay.days import Days, Tick
from ops.replay.receipts import HEADER, Problem, Receipt, ReceiptFile
from ops.replay.run import Outcome, replay
from ops.replay.till import Till
from partners import accounts
from partners.accounts import Partner
from tests.clients.conftest import Service
from tests.conftest import APPROVED, Recycled, act
from webhooks import endpoints, queue
from webhooks.fan_out import fan_out
from webhooks.places import Places
from webhooks.pump import Pump
from webhooks.queue import Result

# The first two are of one member.
CARDS = [with_check_digit(f"7001{n:011d}") for n in range(4)]
BRANDS = {"bakery": "B", "cinema": "C"}
OPENING = datetime(2026, 4, 28, 9, tzinfo=UTC)

Line = tuple[str, str, datetime, str, int, str]  # brand, receipt, time, card, amount, purchase


def written(lines: list[Line]) -> ReceiptFile:
    text = [",".join(HEADER)]
    for brand, number, at, card, amount, original in lines:
        quantity = -1 if amount < 0 else 1
        text.append(f"{brand},{number},{at.isoformat()},{card},goods,{quantity},{abs(amount)},GBP,{original}")
    return receipts.parse(line.encode() for line in text)


@pytest.mark.parametrize("number", ["C17", "BC17", "GRCC17"])
def test_a_c_in_front_of_the_digits_marks_a_return(number: str) -> None:
    lines: list[Line] = [("bakery", number, OPENING, CARDS[0], -900, "17")]
    [receipt] = written(lines).receipts
    assert receipt.is_return
    [problem] = written([("bakery", number, OPENING, CARDS[0], 900, "")]).problems
    assert "a return has a negative quantity" in problem.reason


@st.composite
def files(draw: st.DrawFn) -> list[Line]:
    """Purchases and returns in any order, under any card: of what was bought before, is bought later, or never was."""
    numbers = range(1, draw(st.integers(2, 10)) + 1)
    lines: list[Line] = []
    for n in numbers:
        brand, card = draw(st.sampled_from(sorted(BRANDS))), draw(st.sampled_from(CARDS))
        at = OPENING + timedelta(hours=6 * n)
        if draw(st.booleans()):
            lines.append((brand, f"{BRANDS[brand]}X{n}", at, card, draw(st.sampled_from((900, 20_000))), ""))
            continue
        returned = draw(st.lists(st.sampled_from(numbers), min_size=1, max_size=2, unique=True))
        number, minor = f"{BRANDS[brand]}XC{n}", draw(st.integers(1, 900))
        lines += [(brand, number, at, card, -minor, f"{BRANDS[brand]}X{of}") for of in returned]
    return lines


class Uneven(Till):
    """A till that is sometimes slow, so that receipts that may overtake each other do."""

    def __init__(self, clients: dict[str, PartnerClient]) -> None:
        super().__init__(clients)
        self._chance = random.Random(7)

    async def ring_up(self, receipt: Receipt) -> None:
        await asyncio.sleep(self._chance.choice((0, 0, 0.03)))
        await super().ring_up(receipt)


def opened(desk: Desk) -> tuple[Programme, setup.State, dict[str, Partner]]:
    founded = setup.start_clock(desk, OPENING)
    state = setup.load_state(desk, founded)
    return founded, state, setup.prepare_brands(desk, state, sorted(BRANDS), since=OPENING.date() - timedelta(days=1))


def merge_the_first_two(desk: Desk, *, of: Partner) -> None:
    asked = {"partner_id": of.partner_id, "now": OPENING, "keyring": desk.keyring}
    with desk.database.transaction() as session:
        one, other = (members.enrol(session, card=card, **asked).member_id for card in CARDS[:2])
        merges.merge(session, replace(APPROVED, now=OPENING), member_id=one, into=other, reference="m").unwrap()


async def rung_up(desk: Desk, url: str, file: ReceiptFile, *, concurrency: int) -> list[Problem]:
    problems = list(file.problems)
    founded, state, brands = opened(desk)
    async with open_http(connections=concurrency) as http:
        clients = {
            code: PartnerClient(http, url=url, client_id=kept.client_id, client_secret=kept.client_secret)
            for code, kept in state.brands.items()
        }
        days = Days(
            desk, founded, Uneven(clients),
            partners={code: brand.partner_id for code, brand in brands.items()},
            concurrency=concurrency, problems=problems, tick=lambda *_: None,
        )  # fmt: skip
        await days.ring_up(file.receipts)
    return sorted(problems, key=lambda problem: problem.line)


Books = Callable[..., dict[str, Any]]


@pytest.fixture
def books(service: Service, recycled: Recycled, tmp_path: Path) -> Books:
    """What is in the books of a new coalition after these files, one after the other."""

    def after(*files: list[Line], concurrency: int) -> dict[str, Any]:
        recycled.clean()
        world = service.world
        desk = Desk(replace(world.settings, data_dir=tmp_path / secrets.token_hex(4)), world.database)
        merge_the_first_two(desk, of=opened(desk)[2]["bakery"])
        url = f"http://127.0.0.1:{service.port}"
        problems = [asyncio.run(rung_up(desk, url, written(lines), concurrency=concurrency)) for lines in files]
        found = report.read(desk)
        assert found.faults == []
        with world.transaction() as session:
            known = members.find_many(session, [Identifier(CARD, card, "") for card in CARDS], desk.keyring)
            held = {
                card.value: wallets.balance(session, member_id=member_id, partner_id=member_id).available
                for card, member_id in known.items()
            }
        nets = [(day.day, sorted((net.partner, net.amount_minor) for net in day.net_positions)) for day in found.days]
        return {"problems": problems, "brands": found.brands, "matrix": found.matrix, "nets": nets, "held": held}

    return after


def at(hour: int, day: int = 28) -> datetime:
    return OPENING.replace(day=day, hour=hour)


ANN, ANN_TOO, BEN, CID = CARDS
BACK_UNDER_ANOTHER_CARD = [
    ("bakery", "BX1", at(9), BEN, 900, ""),
    ("bakery", "BXC2", at(10), CID, -900, "BX1"),
]
TWO_CARDS_OF_ONE_MEMBER = [
    ("bakery", "BX1", at(9), ANN, 20_000, ""),
    ("cinema", "CX2", at(10), ANN_TOO, 900, ""),  # half of it spent
]
# What comes back under a third card is taken from what the buyer would spend.
FROM_THE_FILE_BEFORE = [
    ("cinema", "CXC3", at(9, 29), BEN, -900, "CX2"),
    ("bakery", "BXC4", at(10, 29), CID, -20_000, "BX1"),
    ("cinema", "CX5", at(11, 29), ANN, 900, ""),
]


@pytest.mark.parametrize(
    "lines",
    [
        [BACK_UNDER_ANOTHER_CARD],
        [TWO_CARDS_OF_ONE_MEMBER],
        [TWO_CARDS_OF_ONE_MEMBER, FROM_THE_FILE_BEFORE],
    ],
    ids=["back under another card", "two cards of one member", "bought in the file before"],
)
def test_what_moves_the_same_points_keeps_the_order_of_the_file(books: Books, lines: list[list[Line]]) -> None:
    in_turn = books(*lines, concurrency=1)
    assert in_turn["problems"] == [[] for _ in lines]
    assert books(*lines, concurrency=8) == in_turn


@settings(
    max_examples=6,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(lines=files(), concurrency=st.integers(2, 256))
def test_any_file_leaves_the_same_books_however_many_receipts_are_served_at_once(
    books: Books, lines: list[Line], concurrency: int
) -> None:
    assert books(lines, concurrency=concurrency) == books(lines, concurrency=1)


@pytest.fixture
def desk(service: Service, tmp_path: Path) -> Desk:
    return Desk(replace(service.world.settings, data_dir=tmp_path), service.world.database)


@contextmanager
def pumping(desk: Desk) -> Iterator[None]:
    pump = Pump(desk.settings, desk.database, desk.keyring, redis_url=str(desk.settings.redis_url))
    thread = threading.Thread(target=pump.run)
    thread.start()
    try:
        yield
    finally:
        pump.stop()
        thread.join()


def replayed(desk: Desk, service: Service, lines: list[Line], tick: Tick = lambda *_: None) -> Outcome:
    url = f"http://127.0.0.1:{service.port}"
    return asyncio.run(replay(desk, url=url, file=written(lines), concurrency=2, tick=tick))


def post_one_more(desk: Desk) -> None:
    with desk.database.transaction() as session:
        partner_id = accounts.by_code(session, "bakery").partner_id
        members.enrol(session, card=ANN, partner_id=partner_id, now=clock.now(), keyring=desk.keyring)
        fan_out(session, now=clock.now(), keyring=desk.keyring)


def test_an_attempt_that_fails_just_as_a_replay_begins_is_not_waited_out(desk: Desk, service: Service) -> None:
    with pumping(desk):
        assert replayed(desk, service, BACK_UNDER_ANOTHER_CARD).undelivered == 0
    post_one_more(desk)
    with desk.database.transaction() as session:
        [claim] = queue.claim(session, now=clock.now(), free=Places().free([]))
    refused = Result(
        claim=claim, succeeded=False, status_code=None, error="connection refused", duration_ms=1, response=b"",
        retry_in=timedelta(minutes=5),
    )  # fmt: skip
    under_way = [refused]
    with ExitStack() as stack:

        def fail_once(*_: object) -> None:
            # The replay has asked once for all that waits: this one was under way then.
            if under_way:
                with desk.database.transaction() as session:
                    queue.complete(session, [under_way.pop()], now=clock.now())
                stack.enter_context(pumping(desk))

        began = time.monotonic()
        outcome = replayed(desk, service, BACK_UNDER_ANOTHER_CARD, fail_once)
    assert (outcome.undelivered, outcome.events) == (0, outcome.verified)
    assert time.monotonic() - began < 60


def test_what_cannot_be_delivered_is_named_beside_the_figures(
    desk: Desk, service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(webhooks, "TIMEOUT_S", 1.0)
    with pumping(desk):
        replayed(desk, service, BACK_UNDER_ANOTHER_CARD)
        with desk.database.transaction() as session:
            partner_id = accounts.by_code(session, "bakery").partner_id
            [endpoint] = endpoints.of_partner(session, partner_id)
            endpoints.set_status(
                session,
                act(),
                endpoint_id=endpoint.endpoint_id,
                partner_id=partner_id,
                status="disabled",
                expected_version=None,
            )
        post_one_more(desk)
        url, file = f"http://127.0.0.1:{service.port}", written(BACK_UNDER_ANOTHER_CARD)
        shown = [cli._run(desk, url, None, file, concurrency=2, as_json=as_json) for as_json in (False, True)]
    assert shown == [cli.UNDELIVERED] * 2
    *text, data = capsys.readouterr().out.strip().split("\n")
    assert "NOT DELIVERED: 1; another replay tries them again" in text
    assert any(
        "bakery: member.enrolled dlv_" in line and "the delivery's endpoint is disabled" in line for line in text
    )
    assert "ledger verify: clean" in text
    found = json.loads(data)
    assert (found["undelivered"], len(found["missing"]), found["faults"]) == (1, 1, [])
