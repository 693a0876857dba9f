"""The certification: its rules by themselves, receivers that are right and wrong, and the command on real requests."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from coalition_client import RetryPolicy, WebhookRejected, webhooks
from coalition_client.models import Returned
from hypothesis import given
from hypothesis import strategies as st

from cli import main
from kit.secrets import signature_holds
from kit.settings import to_environment
from ops.certify import client_checks, receiver
from ops.certify.client_checks import LOST_ON_PURPOSE, ClientHistory, HandedIn, RecordedRequest
from ops.certify.report import Part, Report
from ops.certify.results import MOST_EVIDENCE, Outcome, Result, failed
from tests.clients.conftest import SHORT, Service
from tests.clients.wire import Wire
from tests.conftest import CARD, World, act
from tests.receiving import Received, Receiver
from tests.service import take_turns
from webhooks import endpoints, signing
from webhooks.addresses import LOOPBACK
from webhooks.sender import Sender

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECRET = signing.new_secret()
REFUSED = {"status": 409, "code": "insufficient_points", "answer": {"retryable": False}}
BUSY = {"status": 503, "code": "database_unavailable", "answer": {"retryable": True}}


def made(seconds: float = 0, path: str = "/v1/earns", **more: Any) -> RecordedRequest:
    usual = {
        "request_id": "req_1", "at": AT + timedelta(seconds=seconds), "method": "POST", "path": path, "status": 201,
        "code": None, "key": "k1", "body": {"reference": "R-1"}, "answer": {},
    }  # fmt: skip
    return RecordedRequest(**{**usual, **more})


def outcome(code: str, *requests: RecordedRequest, tokens: dict[str, list[datetime]] | None = None) -> Outcome:
    [found] = [one for one in client_checks.run(ClientHistory(requests, tokens or {})) if one.code == code]
    return found.result.outcome


BATCH = {"kind": "earn", "effective_at": (AT - timedelta(hours=2)).isoformat()}
LOST = {"reference": f"{LOST_ON_PURPOSE}:1"}
REVERSAL = "/v1/transactions/txn_01h45ytscbebyvny4gc8cr8ma2/reversals"
OTHER_REVERSAL = REVERSAL.replace("ma2", "ma3")


@pytest.mark.parametrize(
    ("code", "requests", "expected"),
    [
        ("keys", [made(), made(key="k2")], Outcome.PASSED),
        ("keys", [made(), made(key=None, status=400, code="idempotency_key_missing")], Outcome.FAILED),
        ("keys", [made(), made(status=422, code="idempotency_key_reused")], Outcome.FAILED),
        ("keys", [made(path="/v1/members", key=None)], Outcome.NOT_SEEN),
        ("lost_answers", [made(), made(1)], Outcome.PASSED),
        ("lost_answers", [made(), made(1, key="k2")], Outcome.FAILED),
        ("lost_answers", [made(), made(1, key="k2", body={"reference": "R-2"})], Outcome.NOT_SEEN),
        ("lost_answers", [made(body=LOST)], Outcome.FAILED),
        ("lost_answers", [made(body=LOST), made(2, body=LOST)], Outcome.PASSED),
        ("returns", [made(path="/v1/returns")], Outcome.PASSED),
        ("returns", [made(path="/v1/returns", **REFUSED)], Outcome.NOT_SEEN),
        (
            "returns",
            [made(path="/v1/batches", status=200, body={"items": [{"kind": "return"}, 5]})],
            Outcome.PASSED,
        ),
        ("returns", [made(path="/v1/batches", status=200, body={"items": [BATCH]})], Outcome.NOT_SEEN),
        ("returns", [made(path=REVERSAL)], Outcome.PASSED),
        ("returns", [made(path=REVERSAL), made(path=REVERSAL), made(path="/v1/returns")], Outcome.PASSED),
        ("returns", [made(path=REVERSAL), made(path=OTHER_REVERSAL)], Outcome.FAILED),
        (
            "returns",
            [made(path=REVERSAL), made(path=OTHER_REVERSAL, body={"reference": "R-2"})],
            Outcome.PASSED,
        ),
        ("lost_answers", [made(path="/v1/returns"), made(1, "/v1/returns", key="k2")], Outcome.FAILED),
        ("returns", [made(path=REVERSAL, **REFUSED)], Outcome.NOT_SEEN),
        ("returns", [made(path="/v1/clawbacks")], Outcome.FAILED),
        ("returns", [made(path="/v1/clawbacks"), made(path=REVERSAL)], Outcome.PASSED),
        ("offline", [made(path="/v1/batches", status=200, body={"items": [BATCH]})], Outcome.PASSED),
        ("offline", [made(path="/v1/batches", status=200, body={"items": [{"kind": "earn"}]})], Outcome.FAILED),
        ("offline", [made(path="/v1/batches", status=200, body={"omitted": "9000 bytes"})], Outcome.NOT_SEEN),
        ("offline", [made()], Outcome.NOT_SEEN),
        ("refusals", [made(n, **REFUSED) for n in range(3)], Outcome.PASSED),
        ("refusals", [made(n, **REFUSED) for n in range(4)], Outcome.FAILED),
        ("refusals", [made(n, **REFUSED, body={"reference": f"R-{n}"}) for n in range(9)], Outcome.PASSED),
        ("refusals", [made(n, **BUSY) for n in range(9)], Outcome.NOT_SEEN),
        ("refusals", [made(n, "/v1/members/lookup", **REFUSED) for n in range(9)], Outcome.NOT_SEEN),
        ("waits", [made(**BUSY), made(1.0)], Outcome.PASSED),
        ("waits", [made(**BUSY), made(0.1)], Outcome.FAILED),
        (
            "waits",
            [made(**{**BUSY, "answer": {"retryable": True, "retry_after_s": 9}}), made(2)],
            Outcome.FAILED,
        ),
        ("waits", [made(**BUSY), made(0.1, key="k2")], Outcome.NOT_SEEN),
    ],
)
def test_what_a_client_did_is_judged(code: str, requests: list[RecordedRequest], expected: Outcome) -> None:
    assert outcome(code, *requests) == expected


def test_a_file_tells_as_well_as_a_batch_what_was_sold_without_us() -> None:
    def checked(*latest_s: float, requests: tuple[RecordedRequest, ...] = ()) -> Outcome:
        files = [HandedIn(f"bat_{n}", seconds) for n, seconds in enumerate(latest_s)]
        found = {one.code: one.result.outcome for one in client_checks.run(ClientHistory(requests, {}, files))}
        return found["offline"]

    assert checked() == Outcome.NOT_SEEN
    assert checked(7200.0) == Outcome.PASSED
    assert checked(0.0) == Outcome.FAILED
    assert checked(0.0, 60.0) == Outcome.PASSED
    dated = made(path="/v1/batches", status=200, body={"items": [BATCH]})
    assert checked(0.0, requests=(dated,)) == Outcome.PASSED


def test_tokens_may_be_asked_for_now_and_then() -> None:
    hourly = [AT + timedelta(hours=n) for n in range(24)]
    each = [AT + timedelta(seconds=n) for n in range(11)]
    assert outcome("tokens", tokens={"c": hourly}) == Outcome.PASSED
    assert outcome("tokens", tokens={"c": hourly, "d": each}) == Outcome.FAILED
    assert outcome("tokens", tokens={"c": each[:10]}) == Outcome.PASSED
    assert outcome("tokens") == Outcome.NOT_SEEN


def test_every_scenario_says_what_it_is_for() -> None:
    every = [*client_checks.SCENARIOS, *receiver.SCENARIOS]
    assert len({one.code for one in every}) == len(every) == 18
    assert all(one.title and one.proves.endswith(".") and one.remedy.endswith(".") for one in every)


ANY_REQUEST = st.builds(
    made,
    st.floats(0, 100),
    st.sampled_from(["/v1/earns", "/v1/batches", "/v1/clawbacks", REVERSAL, "/v1/members", "/v1/earns/x"]),
    method=st.sampled_from(["GET", "POST"]),
    status=st.sampled_from([200, 201, 400, 404, 409, 422, 500, 503]),
    key=st.sampled_from([None, "k1", "k2"]),
    body=st.dictionaries(
        st.sampled_from(["reference", "items"]), st.none() | st.text(max_size=3) | st.lists(st.none() | st.integers())
    ).map(lambda body: {**body, "items": body.get("items") or []}),
    answer=st.sampled_from([{}, {"retryable": True}, {"retryable": False}]),
)


@given(st.lists(ANY_REQUEST, max_size=12))
def test_nothing_that_was_sent_upsets_the_rules_and_more_of_it_mends_no_key(requests: list[RecordedRequest]) -> None:
    assert {one.result.outcome for one in client_checks.run(ClientHistory(requests, {}))} <= set(Outcome)
    wrong = [*requests, made(status=400, code="idempotency_key_missing", key=None)]
    assert outcome("keys", *wrong) == Outcome.FAILED


def test_evidence_is_bounded() -> None:
    assert len(failed([str(number) for number in range(100)]).evidence) == MOST_EVIDENCE + 1


@pytest.fixture
def partner(receiver: Receiver, received: Received) -> Receiver:
    """A partner's receiver, which gets wrong messages too, on purpose; a test says how it answers."""
    received.expect_wrong(receiver.url)
    return receiver


def careful(body: bytes, headers: dict[str, str]) -> int:
    try:
        webhooks.verify(body, headers, SECRET)
    except WebhookRejected:
        return 400
    return 204


class Once:
    """Refuses what it has seen."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def __call__(self, body: bytes, headers: dict[str, str]) -> int:
        if (status := careful(body, headers)) != 204:
            return status
        event = json.loads(body)
        if event["id"] in self.seen:
            return 409
        self.seen.add(event["id"])
        return 204


def only_known(body: bytes, headers: dict[str, str]) -> int:
    status = careful(body, headers)
    return 422 if status == 204 and json.loads(body)["type"] != "points.earned" else status


def no_clock(body: bytes, headers: dict[str, str]) -> int:
    there = {name.lower(): value for name, value in headers.items()}
    try:
        webhooks.verify(body, headers, SECRET, now=float(there.get("webhook-timestamp", "0")))
    except WebhookRejected:
        return 400
    return 204


def small(body: bytes, headers: dict[str, str]) -> int:
    return 413 if len(body) > 100_000 else careful(body, headers)


def one_signature(body: bytes, headers: dict[str, str]) -> int:
    there = {name.lower(): value.split(" ")[0] for name, value in headers.items()}
    return careful(body, there)


def by_key(key: bytes) -> Any:
    """Who checks v1a alone, under `key`."""

    def answer(body: bytes, headers: dict[str, str]) -> int:
        there = {name.lower(): value for name, value in headers.items()}
        given = [one[4:] for one in there.get("webhook-signature", "").split(" ") if one.startswith("v1a,")]
        stamp = there.get("webhook-timestamp", "0")
        said = f"{there.get('webhook-id')}.{stamp}.".encode() + body
        holds = any(signature_holds(said, base64.b64decode(one), public_key=key) for one in given)
        return 204 if holds and abs(time.time() - int(stamp)) < 300 else 400

    return answer


CLOCKS = {"rejects_old_messages", "rejects_messages_from_the_future"}
ACCEPTS = {one.code for one in receiver.SCENARIOS if one.code.startswith("takes")}
REJECTS = {"rejects_foreign_signatures", "rejects_changed_bodies", "rejects_unsigned", *CLOCKS}


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (careful, set()),
        (lambda *_: 204, REJECTS),
        (lambda *_: 500, {one.code for one in receiver.SCENARIOS}),
        (lambda *_: 302, {one.code for one in receiver.SCENARIOS}),
        (Once(), {"takes_twice"}),
        (only_known, {"takes_unknown_types"}),
        (no_clock, CLOCKS),
        (small, {"takes_new_fields"}),
        (one_signature, {"takes_while_secrets_change"}),
    ],
)
def test_a_receiver_is_tried(world: World, partner: Receiver, answer: Any, wrong: set[str]) -> None:
    assert tried(world, partner, answer) == wrong


@pytest.mark.parametrize(("whose", "wrong"), [(1, set()), (2, ACCEPTS)])
def test_a_receiver_that_checks_v1a_alone_is_tried(
    world: World, partner: Receiver, whose: int, wrong: set[str]
) -> None:
    signer = partial(world.keyring.sign, purpose=signing.purpose(UUID(int=1)))
    key = world.keyring.public_key(purpose=signing.purpose(UUID(int=whose)))
    assert tried(world, partner, by_key(key), signer) == wrong


def tried(world: World, partner: Receiver, answer: Any, signer: signing.Signer | None = None) -> set[str]:
    """The scenarios that a receiver fails."""
    partner.answer = answer

    async def try_out() -> list[Any]:
        async with Sender(keyring=world.keyring, timeout_s=5, allowed=lambda: LOOPBACK) as sender:
            return await receiver.try_out(receiver.Endpoint(partner.url, SECRET, sender, signer))

    found = asyncio.run(try_out())
    assert {one.result.outcome for one in found} <= {Outcome.PASSED, Outcome.FAILED}
    return {one.code for one in found if one.result.outcome == Outcome.FAILED}


def test_only_what_was_all_seen_and_right_is_certified() -> None:
    def report(*outcomes: Outcome) -> Report:
        findings = [
            replace(one, result=Result(outcome))
            for one, outcome in zip(client_checks.run(ClientHistory([], {})), outcomes, strict=False)
        ]
        return Report("Greengrocer", AT, AT, 0, [Part("Its clients", findings)])

    assert report(Outcome.PASSED, Outcome.PASSED).is_certified
    assert not report(Outcome.PASSED, Outcome.NOT_SEEN).is_certified
    assert not report(Outcome.PASSED, Outcome.FAILED).is_certified


@pytest.fixture
def command(world: World, monkeypatch: pytest.MonkeyPatch):
    """Run `coalition certify` on the world's database; its exit code and what it printed."""
    settings = replace(
        world.settings, webhook_allow_http=True, webhook_allowed_networks=LOOPBACK, secret_key=world.settings.secret_key
    )
    for name, value in to_environment(settings).items():
        monkeypatch.setenv(name, value)

    def run(*words: str, text: str | None = None) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["certify", *words], input=text)
        return result.exit_code, result.output

    return run


@pytest.mark.parametrize("service", [{"sandbox": "only"}], indirect=True)
def test_one_that_does_it_all_is_certified_and_one_that_was_not_seen_to_wait_is_not(
    service: Service,
    partner: Receiver,
    command,
    tmp_path: Path,
) -> None:
    partner.answer = careful
    with Wire(to_port=service.port) as wire, service.client(wire=wire, retry_policy=SHORT) as grocer:
        grocer.members.enrol(card=CARD)
        wire.lose(1)
        earned = grocer.earns.create(card=CARD, points=100, reference="R-1")
        bought = [Returned(transaction_id=earned.transaction_id, points=10)]
        grocer.returns.create(reference="V-1", transactions=bought)
        ago = datetime.now(UTC) - timedelta(hours=3)
        line = {"kind": "earn", "card": CARD, "points": 5, "reference": "R-2", "effective_at": ago.isoformat()}
        grocer.batches.store_file(content=json.dumps(line).encode(), content_type="application/jsonl")
        take_turns(service.world)
        with pytest.raises(Exception, match="insufficient_points"):
            grocer.burns.create(card=CARD, points=10_000, reference="B-1")
    kept = tmp_path / "report.md"
    options = ["--endpoint", partner.url, "--secret-file", "-", "--output", str(kept)]
    code, text = _until_written(command, "greengrocer", *options)
    assert code == 1, "whoever was not seen doing all of it is not certified"
    assert kept.read_text() in text
    assert "17 passed, 0 failed, 1 not seen" in text, text
    assert "– **The client waits for Retry-After**" in text, "nothing was refused for a while"
    assert text.startswith("# Certification of Greengrocer: not certified\n")
    assert "POST /v1/batches/files (bat_" in text
    assert SECRET not in text
    assert CARD not in text

    with service.client(retry_policy=RetryPolicy(attempts=4)) as grocer:
        grocer.burns.create(card=CARD, points=1, reference="sandbox:database_unavailable:1")
    code, text = _until_written(command, "greengrocer", *options)
    assert text.startswith("# Certification of Greengrocer: certified\n"), text
    assert code == 0


@pytest.mark.parametrize("service", [{"webhook_allow_http": True, "webhook_allowed_networks": LOOPBACK}], indirect=True)
def test_one_that_does_not_ends_with_1_and_says_why(service: Service, partner: Receiver, command) -> None:
    partner.answer = lambda *_: 204
    with service.client() as grocer:
        grocer.members.enrol(card=CARD)
        for key in ("one", "another"):
            grocer.earns.create(card=CARD, points=5, reference="R-1", idempotency_key=key)
        grocer.webhook_endpoints.register(url=partner.url)
    code, text = _until_written(command, "greengrocer", "--json")
    report = json.loads(text)
    assert code == 1
    assert not report["certified"]
    wrong = {one["code"]: one for part in report["parts"] for one in part["findings"] if one["outcome"] == "failed"}
    assert set(wrong) == {"lost_answers", *REJECTS}
    assert wrong["lost_answers"]["evidence"] == ["R-1 was sent to /v1/earns under 2 keys"]
    assert wrong["rejects_unsigned"]["remedy"]


def test_an_endpoint_that_asks_for_v1a_is_tried_with_its_partners_key(world: World, partner: Receiver, command) -> None:
    partner_id = world.partner("greengrocer").partner_id
    partner.answer = by_key(world.keyring.public_key(purpose=signing.purpose(partner_id)))
    with world.transaction() as session:
        endpoints.register(
            session, act(world.keyring), partner_id=partner_id, url=partner.url, event_types=["*"],
            settings={"signatures": ["v1a"]},
        )  # fmt: skip
    report = json.loads(command("greengrocer", "--json")[1])
    found = {one["code"]: one["outcome"] for one in report["parts"][1]["findings"]}
    assert found == {one.code: "passed" for one in receiver.SCENARIOS}


def test_a_partner_that_is_unknown_or_half_an_endpoint_is_refused(world: World, command) -> None:
    assert command("nobody") == (1, "coalition: there is no partner nobody (partner_not_found)\n")
    assert command("nobody", "--endpoint", "http://x")[0] == 2


def _until_written(command, *words: str) -> tuple[int, str]:
    """Requests are written down in the background, within a fraction of a second."""
    threading.Event().wait(0.4)
    return command(*words, text=SECRET + "\n")
