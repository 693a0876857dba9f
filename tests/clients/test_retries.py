"""What is sent again, and when: the rules, and the client against a service that answers what a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from coalition_client import CoalitionWithToken, NoAnswer, RetryPolicy, UnexpectedAnswer, problems, retries
from coalition_client.errors import Problem
from hypothesis import given
from hypothesis import strategies as st

from tests.clients.conftest import SHORT

EARN = {"card": "7001000000178503", "points": 1, "reference": "R-1"}
TRANSACTION = json.loads(
    '{"transaction_id": "txn_1", "kind": "earn", "member_id": "mbr_1", "partner_id": "prt_1", "points": 1,'
    ' "debt_repaid": 0, "shortfall": 0, "available_after": 1, "held_after": 0, "pending_after": 0, "debt_after": 0,'
    ' "hold_id": null, "due_at": null, "reference": "R-1", "reverses_transaction_id": null,'
    ' "amount_minor": null, "currency": null,'
    ' "points_per_unit": null, "minor_per_unit": null, "expires_on": null, "effective_at": "2026-03-02T12:00:00Z",'
    ' "booked_at": "2026-03-02T12:00:00Z", "business_date": "2026-03-02", "original_business_date": "2026-03-02",'
    ' "member_seq": 1, "location": null, "unfunded": 0}'
)


@dataclass
class Scripted:
    """Answers (status, content type, body) in turn, the last for ever; keeps what it was asked."""

    url: str = ""
    answers: list[tuple[int, str, bytes]] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def problem(self, status: int, code: str, *, retryable: bool) -> None:
        body = {"status": status, "code": code, "detail": "no", "retryable": retryable, "request_id": "req_1"}
        self.answers.append((status, "application/problem+json", json.dumps(body).encode()))

    def transaction(self) -> None:
        self.answers.append((201, "application/json", json.dumps(TRANSACTION).encode()))

    @property
    def keys(self) -> set[str]:
        return {headers["Idempotency-Key"] for _, headers, _ in self.asked}


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    script = Scripted()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            script.asked.append((self.path, dict(self.headers), body))
            answer = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
            self.send_response(answer[0])
            self.send_header("Content-Type", answer[1])
            self.send_header("Content-Length", str(len(answer[2])))
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(answer[2])

        do_GET = do_POST  # noqa: N815 -- called by its name

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        script.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield script
        server.shutdown()


@pytest.fixture
def till(scripted: Scripted) -> Iterator[CoalitionWithToken]:
    with CoalitionWithToken(scripted.url, "a-token", retry_policy=SHORT) as made:
        yield made


@pytest.mark.parametrize(
    ("status", "code"),
    [(409, "concurrent_request"), (429, "rate_limited"), (500, "internal_error"), (503, "database_unavailable")],
)
def test_what_may_be_sent_again_is_with_the_same_key_and_bytes(
    scripted: Scripted, till: CoalitionWithToken, status: int, code: str
) -> None:
    scripted.problem(status, code, retryable=True)
    scripted.transaction()
    assert till.earns.create(**EARN).points == 1
    assert len(scripted.asked) == 2
    assert len(scripted.keys) == 1
    assert scripted.asked[0][2] == scripted.asked[1][2]


@pytest.mark.parametrize("status", [502, 504])
def test_a_proxy_s_silence_is_taken_for_a_lost_answer(
    scripted: Scripted, till: CoalitionWithToken, status: int
) -> None:
    scripted.answers.append((status, "text/html", b"<h1>Bad gateway</h1>"))
    scripted.transaction()
    assert till.earns.create(**EARN).points == 1


@pytest.mark.parametrize("status", [400, 403, 404, 409, 412, 413, 415, 422])
def test_any_other_refusal_stands(scripted: Scripted, till: CoalitionWithToken, status: int) -> None:
    scripted.problem(status, "a_code_of_tomorrow", retryable=False)
    with pytest.raises(Problem) as refused:
        till.earns.create(**EARN)
    assert (refused.value.status, refused.value.code) == (status, "a_code_of_tomorrow")
    assert len(scripted.asked) == 1


def test_it_ends_with_the_last_word_that_was_said(scripted: Scripted, till: CoalitionWithToken) -> None:
    scripted.problem(503, "database_unavailable", retryable=True)
    with pytest.raises(problems.DatabaseUnavailable):
        till.earns.create(**EARN)
    assert len(scripted.asked) == SHORT.attempts


def test_an_answer_of_somebody_else_is_unexpected(scripted: Scripted, till: CoalitionWithToken) -> None:
    for status, body in ((200, b"<html>"), (404, b"<html>"), (302, b""), (201, b'{"points": 1}')):
        scripted.answers = [(status, "text/html", body)]
        with pytest.raises(UnexpectedAnswer):
            till.earns.create(**EARN)


def test_half_an_answer_is_none(scripted: Scripted, till: CoalitionWithToken) -> None:
    scripted.answers = [(200, "application/jsonl", b'{"item": 1}\n{"item": 2}')]
    assert list(till.batches.results("bat_1")) == [{"item": 1}, {"item": 2}]
    with CoalitionWithToken("http://127.0.0.1:9", "a-token", retry_policy=SHORT) as nobody, pytest.raises(NoAnswer):
        list(nobody.batches.results("bat_1"))


@pytest.mark.parametrize(
    ("repeatable", "status", "said", "was_sent", "again"),
    [
        (True, None, False, True, True),  # lost, and safe
        (False, None, False, True, False),  # lost, and perhaps done
        (False, None, False, False, True),  # never left
        (False, 429, True, True, True),  # refused before anything began
        (False, 503, True, True, False),  # perhaps done
        (True, 503, False, True, True),  # a gateway's own word
        (True, 409, True, True, True),  # the same key is at work
        (True, 409, False, True, False),
        (True, 422, False, True, False),
        (True, 500, True, True, True),
        (True, 500, False, True, False),
    ],
)
def test_the_rules(repeatable: bool, status: int | None, said: bool, was_sent: bool, again: bool) -> None:
    found = retries.may_send_again(repeatable=repeatable, status=status, said_retryable=said, was_sent=was_sent)
    assert found is again


@given(attempts=st.integers(1, 10_000), asked=st.floats(0, 1e9), chance=st.floats(0, 1))
def test_waits_are_bounded_and_never_shorter_than_was_asked(attempts: int, asked: float, chance: float) -> None:
    retry_policy = RetryPolicy()
    waited = retries.wait_s(retry_policy, attempts_made=attempts, retry_after_s=asked, chance=chance)
    assert min(asked, retries.LONGEST_RETRY_AFTER_S) <= waited
    assert waited <= max(retry_policy.longest_wait_s, retries.LONGEST_RETRY_AFTER_S)
    assert waited >= retry_policy.first_wait_s / 2


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 0), ("3", 3), ("0.5", 0.5), ("-1", 0), ("nan", 0), ("1e999", 0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0)],
)
def test_a_retry_after_is_read_or_left(header: str | None, seconds: float) -> None:
    assert retries.retry_after_s(header) == seconds


@pytest.mark.parametrize("url", ["coalition.example.com", "ftp://x", "https://u:p@x", "https://x?y", "https://"])
def test_a_base_url_that_is_none_is_refused(url: str) -> None:
    make: Callable[[], Any] = lambda: CoalitionWithToken(url, "t")  # noqa: E731
    with pytest.raises(ValueError, match="base URL"):
        make()
