"""The certification: its rules by themselves, receivers that are right and wrong, and the command on real requests."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from coalition_client import Patience, WebhookRejected, webhooks
from hypothesis import given
from hypothesis import strategies as st

from cli import main
from console.certify import conduct, receiver
from console.certify.conduct import LOST_ON_PURPOSE, Asked, Conduct, HandedIn
from console.certify.report import Part, Report
from console.certify.verdicts import MOST_EVIDENCE, Outcome, Verdict, failed
from kit import clock
from kit.settings import to_environment
from partners import batch_turns
from tests.clients.conftest import SHORT, Service
from tests.clients.wire import Wire
from tests.conftest import CARD, World
from webhooks import signing
from webhooks.addresses import LOOPBACK
from webhooks.sender import Sender

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECRET = signing.new_secret()
REFUSED = {"status": 409, "code": "insufficient_points", "answer": {"retryable": False}}
BUSY = {"status": 503, "code": "database_unavailable", "answer": {"retryable": True}}


def asked(seconds: float = 0, path: str = "/v1/earns", **more: Any) -> Asked:
    usual = {
        "request_id": "req_1", "at": AT + timedelta(seconds=seconds), "method": "POST", "path": path, "status": 201,
        "code": None, "key": "k1", "body": {"reference": "R-1"}, "answer": {},
    }  # fmt: skip
    return Asked(**{**usual, **more})


def outcome(code: str, *requests: Asked, tokens: dict[str, list[datetime]] | None = None) -> Outcome:
    [found] = [one for one in conduct.judge(Conduct(requests, tokens or {})) if one.code == code]
    return found.verdict.outcome


BATCH = {"kind": "earn", "effective_at": (AT - timedelta(hours=2)).isoformat()}
LOST = {"reference": f"{LOST_ON_PURPOSE}:1"}
REVERSAL = "/v1/transactions/txn_01h45ytscbebyvny4gc8cr8ma2/reversals"


@pytest.mark.parametrize(
    ("code", "requests", "expected"),
    [
        ("keys", [asked(), asked(key="k2")], Outcome.PASSED),
        ("keys", [asked(), asked(key=None, status=400, code="idempotency_key_missing")], Outcome.FAILED),
        ("keys", [asked(), asked(status=422, code="idempotency_key_reused")], Outcome.FAILED),
        ("keys", [asked(path="/v1/members", key=None)], Outcome.NOT_SEEN),
        ("lost_answers", [asked(), asked(1)], Outcome.PASSED),
        ("lost_answers", [asked(), asked(1, key="k2")], Outcome.FAILED),
        ("lost_answers", [asked(), asked(1, key="k2", body={"reference": "R-2"})], Outcome.NOT_SEEN),
        ("lost_answers", [asked(body=LOST)], Outcome.FAILED),
        ("lost_answers", [asked(body=LOST), asked(2, body=LOST)], Outcome.PASSED),
        ("returns", [asked(path=REVERSAL)], Outcome.PASSED),
        ("returns", [asked(path=REVERSAL, **REFUSED)], Outcome.NOT_SEEN),
        ("returns", [asked(path="/v1/clawbacks")], Outcome.FAILED),
        ("returns", [asked(path="/v1/clawbacks"), asked(path=REVERSAL)], Outcome.PASSED),
        ("offline", [asked(path="/v1/batches", status=200, body={"items": [BATCH]})], Outcome.PASSED),
        ("offline", [asked(path="/v1/batches", status=200, body={"items": [{"kind": "earn"}]})], Outcome.FAILED),
        ("offline", [asked(path="/v1/batches", status=200, body={"omitted": "9000 bytes"})], Outcome.NOT_SEEN),
        ("offline", [asked()], Outcome.NOT_SEEN),
        ("refusals", [asked(n, **REFUSED) for n in range(3)], Outcome.PASSED),
        ("refusals", [asked(n, **REFUSED) for n in range(4)], Outcome.FAILED),
        ("refusals", [asked(n, **REFUSED, body={"reference": f"R-{n}"}) for n in range(9)], Outcome.PASSED),
        ("refusals", [asked(n, **BUSY) for n in range(9)], Outcome.NOT_SEEN),
        ("refusals", [asked(n, "/v1/members/lookup", **REFUSED) for n in range(9)], Outcome.NOT_SEEN),
        ("waits", [asked(**BUSY), asked(1.0)], Outcome.PASSED),
        ("waits", [asked(**BUSY), asked(0.1)], Outcome.FAILED),
        ("waits", [asked(**{**BUSY, "answer": {"retryable": True, "retry_after_s": 9}}), asked(2)], Outcome.FAILED),
        ("waits", [asked(**BUSY), asked(0.1, key="k2")], Outcome.NOT_SEEN),
    ],
)
def test_what_a_client_did_is_judged(code: str, requests: list[Asked], expected: Outcome) -> None:
    assert outcome(code, *requests) == expected


def test_a_file_tells_as_well_as_a_batch_what_was_sold_without_us() -> None:
    def judged(*latest_s: float, requests: tuple[Asked, ...] = ()) -> Outcome:
        files = [HandedIn(f"bat_{n}", seconds) for n, seconds in enumerate(latest_s)]
        found = {one.code: one.verdict.outcome for one in conduct.judge(Conduct(requests, {}, files))}
        return found["offline"]

    assert judged() == Outcome.NOT_SEEN
    assert judged(7200.0) == Outcome.PASSED
    assert judged(0.0) == Outcome.FAILED
    assert judged(0.0, 60.0) == Outcome.PASSED
    dated = asked(path="/v1/batches", status=200, body={"items": [BATCH]})
    assert judged(0.0, requests=(dated,)) == Outcome.PASSED


def test_tokens_may_be_asked_for_now_and_then() -> None:
    hourly = [AT + timedelta(hours=n) for n in range(24)]
    each = [AT + timedelta(seconds=n) for n in range(11)]
    assert outcome("tokens", tokens={"c": hourly}) == Outcome.PASSED
    assert outcome("tokens", tokens={"c": hourly, "d": each}) == Outcome.FAILED
    assert outcome("tokens", tokens={"c": each[:10]}) == Outcome.PASSED
    assert outcome("tokens") == Outcome.NOT_SEEN


def test_every_scenario_says_what_it_is_for() -> None:
    every = [*conduct.SCENARIOS, *receiver.SCENARIOS]
    assert len({one.code for one in every}) == len(every) == 17
    assert all(one.title and one.proves.endswith(".") and one.remedy.endswith(".") for one in every)


ANY_REQUEST = st.builds(
    asked,
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
def test_nothing_that_was_sent_upsets_the_rules_and_more_of_it_mends_no_key(requests: list[Asked]) -> None:
    assert {one.verdict.outcome for one in conduct.judge(Conduct(requests, {}))} <= set(Outcome)
    wrong = [*requests, asked(status=400, code="idempotency_key_missing", key=None)]
    assert outcome("keys", *wrong) == Outcome.FAILED


def test_evidence_is_bounded() -> None:
    assert len(failed([str(number) for number in range(100)]).evidence) == MOST_EVIDENCE + 1


@dataclass
class Receiver:
    """A partner's receiver; a test says how it answers."""

    url: str = ""
    answer: Any = None


@pytest.fixture
def partner() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(made.answer(body, dict(self.headers)))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield made
        server.shutdown()


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


REJECTS = {"rejects_foreign_signatures", "rejects_changed_bodies", "rejects_old_messages", "rejects_unsigned"}


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (careful, set()),
        (lambda *_: 204, REJECTS),
        (lambda *_: 500, {one.code for one in receiver.SCENARIOS}),
        (lambda *_: 302, {one.code for one in receiver.SCENARIOS}),
        (Once(), {"takes_twice"}),
        (only_known, {"takes_unknown_types"}),
        (no_clock, {"rejects_old_messages"}),
        (small, {"takes_new_fields"}),
        (one_signature, {"takes_while_secrets_change"}),
    ],
)
def test_a_receiver_is_tried(world: World, partner: Receiver, answer: Any, wrong: set[str]) -> None:
    partner.answer = answer

    async def try_out() -> list[Any]:
        async with Sender(keyring=world.keyring, timeout_s=5, allowed=lambda: LOOPBACK) as sender:
            return await receiver.try_out(receiver.Endpoint(partner.url, SECRET, sender))

    found = asyncio.run(try_out())
    assert {one.code for one in found if one.verdict.outcome == Outcome.FAILED} == wrong
    assert {one.verdict.outcome for one in found} <= {Outcome.PASSED, Outcome.FAILED}


def test_only_what_was_all_seen_and_right_is_certified() -> None:
    def report(*outcomes: Outcome) -> Report:
        findings = [
            replace(one, verdict=Verdict(outcome))
            for one, outcome in zip(conduct.judge(Conduct([], {})), outcomes, strict=False)
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
    with Wire(to_port=service.port) as wire, service.client(wire=wire, patience=SHORT) as grocer:
        grocer.members.enrol(card=CARD)
        wire.lose(1)
        earned = grocer.earns.create(card=CARD, points=100, reference="R-1")
        grocer.reversals.reverse(earned.transaction_id, reference="V-1", points=10)
        ago = datetime.now(UTC) - timedelta(hours=3)
        line = {"kind": "earn", "card": CARD, "points": 5, "reference": "R-2", "effective_at": ago.isoformat()}
        grocer.batches.store_file(content=json.dumps(line).encode(), content_type="application/jsonl")
        batch_turns.take_turns(service.world.database, keyring=service.world.keyring, now=clock.now())
        with pytest.raises(Exception, match="insufficient_points"):
            grocer.burns.create(card=CARD, points=10_000, reference="B-1")
    kept = tmp_path / "report.md"
    options = ["--endpoint", partner.url, "--secret-file", "-", "--output", str(kept)]
    code, text = _until_written(command, "greengrocer", *options)
    assert code == 1, "whoever was not seen doing all of it is not certified"
    assert kept.read_text() in text
    assert "16 passed, 0 failed, 1 not seen" in text, text
    assert "– **Retry-After is waited for**" in text, "nothing was refused for a while"
    assert text.startswith("# Certification of Greengrocer: not certified\n")
    assert "POST /v1/batches/files (bat_" in text
    assert SECRET not in text
    assert CARD not in text

    with service.client(patience=Patience(attempts=4)) as grocer:
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


def test_a_partner_that_is_unknown_or_half_an_endpoint_is_refused(world: World, command) -> None:
    assert command("nobody") == (1, "coalition: there is no partner nobody (partner_not_found)\n")
    assert command("nobody", "--endpoint", "http://x")[0] == 2


def _until_written(command, *words: str) -> tuple[int, str]:
    """Requests are written down in the background, within a fraction of a second."""
    threading.Event().wait(0.4)
    return command(*words, text=SECRET + "\n")
