"""The Python client against the service: what it returns and raises, and that a lost answer posts nothing twice."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from coalition_client import NULL, CoalitionWithToken, NoAnswer, Problem, RetryPolicy, SignInRefused, problems
from coalition_client.errors import Conflict, Invalid, Unauthorized
from coalition_client.models import Amount, Returned, Transaction

from api import batch_files
from api.v1 import batches
from kit import clock
from kit.db import Session
from tests.clients.conftest import SHORT, Service
from tests.clients.wire import Wire
from tests.conftest import CARD
from tests.service import take_turns

TOKEN_REQUEST = b"POST /oauth/token "


def test_a_purchase_a_payment_and_a_return(service: Service) -> None:
    with service.client() as grocer:
        member = grocer.members.enrol(card=CARD)
        earned = grocer.earns.create(card=CARD, points=500, reference="R-1")
        burned = grocer.burns.create(member_id=member.member_id, points=120, reference="B-1")
        bought = [
            Returned(transaction_id=burned.transaction_id, points=20),
            Returned(transaction_id=earned.transaction_id),
        ]
        returned = grocer.returns.create(reference="V-1", transactions=bought)
        balance = grocer.members.balance(member.member_id)
    assert (earned.kind, earned.points, earned.available_after) == ("earn", 500, 500)
    assert earned.booked_at.tzinfo is not None
    assert [(one.kind, one.points, one.shortfall) for one in returned.transactions] == [
        ("reversal", 20, 0),
        ("reversal", 400, 100),
    ]
    assert (balance.available, balance.held) == (returned.available_after, 0) == (0, 0)
    assert earned.meta.request_id.startswith("req_")
    assert not earned.meta.replayed


def test_a_hold_is_captured(service: Service) -> None:
    with service.client() as grocer:
        grocer.members.enrol(card=CARD)
        grocer.earns.create(card=CARD, points=500, reference="R-1")
        until = datetime.now(UTC) + timedelta(hours=1)
        held = grocer.holds.create(card=CARD, points=300, expires_at=until, reference="H-1")
        assert held.hold_id is not None
        taken = grocer.holds.capture(held.hold_id, points=200, reference="C-1")
        hold = grocer.holds.get(held.hold_id)
    assert (taken.available_after, hold.status, hold.captured) == (300, "captured", 200)


def test_an_answer_that_was_lost_is_asked_for_again_and_posted_once(service: Service, wire: Wire) -> None:
    with service.client(wire=wire) as grocer:
        member = grocer.members.enrol(card=CARD)
        wire.lose(2)
        earned = grocer.earns.create(card=CARD, points=500, reference="R-1")
        history = list(grocer.members.history(member.member_id))
    assert wire.lost == 2
    keys = re.findall(rb"Idempotency-Key: (\S+)", wire.sent, re.IGNORECASE)
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert [one.transaction_id for one in history] == [earned.transaction_id]
    assert earned.meta.replayed
    assert service.world.count("coalition.txn") == 1


def test_one_that_is_given_up_is_taken_up_again_under_its_key(service: Service, wire: Wire) -> None:
    with service.client(wire=wire) as grocer:
        grocer.members.enrol(card=CARD)
        wire.lose(SHORT.attempts)
        with pytest.raises(NoAnswer) as lost:
            grocer.earns.create(card=CARD, points=500, reference="R-1")
        assert lost.value.attempts == SHORT.attempts
        again = grocer.earns.create(card=CARD, points=500, reference="R-1", idempotency_key=lost.value.idempotency_key)
    assert again.meta.replayed
    assert service.world.count("coalition.txn") == 1


def test_what_could_be_done_twice_is_not_sent_again(service: Service, wire: Wire) -> None:
    with service.client(wire=wire) as grocer:
        grocer.event_types.list()
        wire.lose(1)
        with pytest.raises(NoAnswer) as lost:
            grocer.webhook_endpoints.register(url="https://hooks.example.com/x")
        assert (lost.value.attempts, lost.value.idempotency_key) == (1, None)
        assert len(grocer.webhook_endpoints.list()) == 1
        wire.lose(1)
        assert len(grocer.webhook_endpoints.list()) == 1, "what only reads is asked again"


def test_a_service_that_is_not_there_is_no_answer(service: Service) -> None:
    with Wire(to_port=1) as gone, service.client(wire=gone) as grocer, pytest.raises(NoAnswer):
        grocer.members.enrol(card=CARD)


def test_a_refusal_is_raised_as_what_it_is_and_not_repeated(service: Service, wire: Wire) -> None:
    with service.client(wire=wire) as grocer:
        grocer.members.enrol(card=CARD)
        with pytest.raises(problems.InsufficientPoints) as refused:
            grocer.burns.create(card=CARD, points=1, reference="B-1")
        assert wire.sent.count(b"POST /v1/burns") == 1
        assert isinstance(refused.value, Conflict)
        assert (refused.value.code, refused.value.status, refused.value.retryable) == (
            "insufficient_points",
            409,
            False,
        )
        assert grocer.requests.get(refused.value.request_id).code == "insufficient_points"
        with pytest.raises(problems.InvalidRequest) as wrong:
            grocer.earns.create(card=CARD, reference="no measure")
        assert wrong.value.errors
        assert isinstance(wrong.value, Invalid)
        with pytest.raises(problems.TransactionNotFound):
            grocer.transactions.get("txn_01h45ytscbebyvny4gc8cr8ma2")
        with pytest.raises(Problem, match="malformed_id"):
            grocer.holds.get("no id")


def test_threads_share_one_token(service: Service, wire: Wire) -> None:
    with service.client(wire=wire) as grocer:
        with ThreadPoolExecutor(8) as many:
            enrolled = list(many.map(lambda number: grocer.members.enrol(external_id=f"M-{number}"), range(40)))
        assert len({one.member_id for one in enrolled}) == 40
    assert wire.sent.count(TOKEN_REQUEST) == 1


def test_a_token_that_was_revoked_is_replaced(service: Service, wire: Wire) -> None:
    with service.client(wire=wire) as grocer:
        grocer.event_types.list()
        token = re.findall(rb"Bearer (\S+)", wire.sent)[-1].decode()
        own = re.findall(rb"Basic (\S+)", wire.sent)[-1].decode()
        revoked = requests.post(
            f"{wire.url}/oauth/revoke", data={"token": token}, headers={"Authorization": f"Basic {own}"}, timeout=10
        )
        assert revoked.status_code == 200
        time.sleep(0.6)  # a revocation is effective within half a second
        assert grocer.members.enrol(card=CARD).member_id
    assert wire.sent.count(TOKEN_REQUEST) == 2
    with CoalitionWithToken(wire.url, token, retry_policy=SHORT) as stale, pytest.raises(Unauthorized):
        stale.event_types.list()


def test_a_client_that_is_unknown_can_t_sign_in(service: Service) -> None:
    client_id, _ = service.credentials("greengrocer")
    with service.client() as grocer:
        grocer.event_types.list()
    service = Service(service.world, service.port, lambda code: (client_id, "wrong"))
    with service.client() as stranger, pytest.raises(SignInRefused) as refused:
        stranger.event_types.list()
    assert refused.value.code == "invalid_client"


def test_lists_are_walked_to_their_end(service: Service) -> None:
    with service.client() as grocer:
        member = grocer.members.enrol(card=CARD)
        for number in range(5):
            grocer.earns.create(card=CARD, points=number + 1, reference=f"R-{number}")
        pages = grocer.members.history(member.member_id, limit=2)
        first = pages.page()
        second = pages.page(first.next_cursor)
        everything = list(pages)
    assert (len(first.data), len(second.data), len(everything)) == (2, 2, 5)
    assert first.data + second.data == tuple(everything[:4])
    assert all(isinstance(one, Transaction) for one in everything)


def test_a_batch_and_a_file(service: Service) -> None:
    with service.client() as grocer:
        grocer.members.enrol(card=CARD)
        items = [
            {"kind": "earn", "card": CARD, "reference": "R-1", "points": 10},
            {"kind": "burn", "card": CARD, "reference": "B-1", "points": 1_000},
        ]
        answer = grocer.batches.post(items=items)
        assert (answer.posted, answer.refused) == (1, 1)
        assert answer.data[0].transaction is not None
        assert answer.data[1].problem is not None
        assert answer.data[1].problem["code"] == "insufficient_points"
        file = grocer.batches.store_file(
            content=b'{"kind": "earn", "card": "%s", "reference": "R-2", "points": 10}\n' % CARD.encode(),
            content_type="application/jsonl",
        )
        assert (file.lines, file.status) == (1, "waiting")
        assert list(grocer.batches.results(file.batch_id)) == []


def test_results_that_break_off_are_never_taken_for_whole(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "PARTS_PER_READ", 1)
    read = batch_files.answers

    def read_then_forget(session: Session, **asked: Any) -> list[tuple[int, str]]:
        found = read(session, **asked)
        with service.world.transaction() as other:
            batch_files.forget(other, now=clock.now() + timedelta(days=31))
        return found

    line = b'{"kind": "earn", "card": "%s", "points": 1}\n' % CARD.encode()
    with service.client() as grocer:
        file = grocer.batches.store_file(content=line * 600, content_type="application/jsonl")
        while take_turns(service.world):
            pass
        assert len(list(grocer.batches.results(file.batch_id))) == 600
        monkeypatch.setattr(batch_files, "answers", read_then_forget)
        with pytest.raises(NoAnswer):
            list(grocer.batches.results(file.batch_id))


def test_what_would_be_is_asked_dry(service: Service) -> None:
    with service.client() as grocer:
        grocer.members.enrol(card=CARD)
        would = grocer.earns.create(card=CARD, points=5, reference="R-1", dry_run=True)
    assert would.meta.dry_run
    assert service.world.count("coalition.txn") == 0


def test_configuration_is_changed_by_the_etag_it_was_seen_with(service: Service) -> None:
    with service.client() as grocer:
        made = grocer.webhook_endpoints.register(url="https://hooks.example.com/x", event_types=["points.*"])
        assert made.secret is not None
        seen = grocer.webhook_endpoints.get(made.endpoint_id)
        assert seen.secret is None
        assert seen.meta.etag is not None
        changed = grocer.webhook_endpoints.change(made.endpoint_id, status="disabled", if_match=seen.meta.etag)
        assert changed.status == "disabled"
        with pytest.raises(problems.PreconditionFailed):
            grocer.webhook_endpoints.change(made.endpoint_id, status="enabled", if_match=seen.meta.etag)


def test_the_admin_s_part_is_there_too(service: Service) -> None:
    with service.client(None) as coalition:
        partner = coalition.admin.partners.create(code="fuelway", name="Fuelway")
        category = coalition.admin.categories.add(code="fuel", name="Fuel")
        day = datetime.now(UTC).date()
        over = day + timedelta(days=1)
        placement = coalition.admin.placements.add(
            partner.partner_id, category_id=category.category_id, territory="GB", since=day, until=over, clause="7.2"
        )
        kept = coalition.admin.placements.change(placement.placement_id, if_match=placement.meta.etag, clause=NULL)
    assert (placement.until, kept.clause, kept.until) == (over, None, over)


@pytest.mark.parametrize("service", [{"rate_limit_reads_per_s": 1}], indirect=True)
def test_a_limit_is_waited_for(service: Service, wire: Wire) -> None:
    with service.client(wire=wire, retry_policy=RetryPolicy(first_wait_s=0.01)) as grocer:
        for _ in range(4):
            grocer.event_types.list()
    assert 4 < wire.sent.count(b"GET /v1/event-types") < 10, "asked again when told to, and no sooner"


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_lead_elsewhere_is_no_id(service: Service, name: str) -> None:
    with service.client() as grocer, pytest.raises(ValueError, match="id"):
        grocer.holds.get(name)


def test_money_is_whole_and_times_have_an_offset(service: Service) -> None:
    with service.client() as grocer, pytest.raises(ValueError, match="offset"):
        grocer.earns.create(
            card=CARD,
            reference="R-1",
            amount=Amount(minor=1, currency="GBP"),
            effective_at=datetime(2026, 1, 1),  # noqa: DTZ001
        )
