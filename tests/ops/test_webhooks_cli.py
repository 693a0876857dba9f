"""What a developer tries a receiver with: `coalition webhooks check-receiver`, and `coalition listen`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from coalition_client import webhooks

from cli import main
from kit import clock
from ops.certify import receiver
from ops.certify.results import Outcome, Result, found
from tests.clients.conftest import Service, service
from tests.conftest import CARD
from tests.ops.test_certify import SECRET, Once, careful, no_clock, only_known, partner
from tests.receiving import Received, Receiver
from tests.tidy.test_tidy import ROOT
from webhooks.fan_out import fan_out

__all__ = ["partner", "service"]


def check(*words: str, secret: str | None = SECRET, text: str | None = None) -> tuple[int, str]:
    done = CliRunner(env={"WEBHOOK_SECRET": secret}).invoke(main, ["webhooks", "check-receiver", *words], input=text)
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("answer", "grade", "wrong"),
    [
        (careful, "A", set()),
        (Once(), "B", {"takes_twice"}),
        (no_clock, "D", receiver.CLOCKS),
        (lambda *_: 204, "F", receiver.CLOCKS | receiver.FORGERIES),
    ],
)
def test_a_receiver_is_tried_and_graded(partner: Receiver, answer: Any, grade: str, wrong: set[str]) -> None:
    partner.answer = answer
    code, text = check(partner.url, "--json")
    told = json.loads(text)
    assert (code, told["grade"]) == (0 if grade == "A" else 1, grade)
    assert {one["code"] for one in told["findings"] if one["outcome"] == "failed"} == wrong
    assert len(told["findings"]) == len(receiver.SCENARIOS)
    assert SECRET not in text


def test_the_report_for_people_says_what_is_wrong_and_what_to_do(partner: Receiver, tmp_path: Path) -> None:
    partner.answer = only_known
    kept = tmp_path / "secret"
    kept.write_text(SECRET + "\n", "utf-8")
    code, text = check(partner.url, "--secret-file", str(kept), secret=None)
    assert (code, text.splitlines()[0]) == (1, f"Grade B: {partner.url}")
    assert "✗ **The endpoint accepts an event of an unknown type** (failed)" in text
    assert "What to do: Answer 2xx to types you do not know, and ignore them." in text
    assert check(partner.url, "--secret-file", "-", secret=None, text=SECRET)[0] == 1


def test_nobody_there_is_the_worst_grade_and_half_a_question_is_refused() -> None:
    code, text = check("http://127.0.0.1:9/", "--json")
    assert (code, json.loads(text)["grade"]) == (1, "F")
    for words, secret, said in (
        (["http://x.example"], None, "WEBHOOK_SECRET"),
        (["http://x.example"], "whsec_", "base64"),
        (["http://x.example"], "hush", "base64"),
    ):
        code, text = check(*words, secret=secret)
        assert (code, said in text) == (2, True), text
    assert check("ftp://x.example") == (1, "coalition: the URL must begin with https:// (endpoint_url_refused)\n")


def test_a_grade_is_as_good_as_the_worst_that_was_found() -> None:
    def graded(*wrong: str) -> str:
        outcomes = {True: Outcome.FAILED, False: Outcome.PASSED}
        return receiver.grade([found(one, Result(outcomes[one.code in wrong])) for one in receiver.SCENARIOS])

    assert graded() == "A"
    assert graded("takes_twice") == "B"
    assert graded("takes_twice", "takes_new_fields") == "C"
    assert graded("takes_twice", "rejects_messages_from_the_future") == "D"
    assert graded("rejects_old_messages", "rejects_unsigned") == graded("takes") == "F"
    assert receiver.grade(receiver.unseen()) == "F"


def test_listen_brings_a_partners_events_to_a_receiver_until_it_is_ended(
    service: Service, receiver: Receiver, received: Received
) -> None:
    client_id, client_secret = service.credentials("greengrocer")
    world, bodies = service.world, []

    def after_a_fault(body: bytes, headers: dict[str, str]) -> int:
        webhooks.verify(body, headers, told["secret"])
        bodies.append(body)
        return 500 if len(bodies) == 1 else 204

    receiver.answer = after_a_fault
    words = ["listen", "--forward", receiver.url, "--event-types", "points.*", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from cli import main; main()", *words],
        cwd=ROOT,
        env={
            **os.environ, "PARTNER_API_URL": f"http://127.0.0.1:{service.port}", "PARTNER_CLIENT_ID": client_id,
            "PARTNER_CLIENT_SECRET": client_secret,
        },
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        told = json.loads(process.stdout.readline())
        assert told["forward"] == receiver.url
        received.trust(receiver.url, told["secret"])
        with service.client() as grocer:
            grocer.members.enrol(card=CARD)
            grocer.earns.create(card=CARD, points=100, reference="R-1")
            grocer.burns.create(card=CARD, points=10, reference="B-1")
        with world.transaction() as session:
            fan_out(session, now=clock.now(), keyring=world.keyring)
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
    finally:
        process.terminate()  # what runs in the background ignores SIGINT
        code = process.wait(timeout=30)
        process.stdout.close()
    assert code == 0
    assert [(one["type"], one["status"], one["tries"]) for one in lines] == [
        ("points.earned", 204, 2), ("points.burned", 204, 1),
    ]  # fmt: skip
    assert [json.loads(body)["id"] for body in bodies] == [lines[0]["event_id"]] * 2 + [lines[1]["event_id"]]


def test_listen_says_who_is_refused(service: Service) -> None:
    words = ["listen", "--forward", "http://127.0.0.1:9/", "--api", f"http://127.0.0.1:{service.port}"]
    done = CliRunner(env={"PARTNER_CLIENT_SECRET": "wrong"}).invoke(main, [*words, "--client-id", "cli_nobody"])
    assert done.exit_code == 1
    assert "invalid_client" in done.output or "api_refused" in done.output, done.output
    assert CliRunner(env={"PARTNER_CLIENT_SECRET": None}).invoke(main, [*words, "--client-id", "x"]).exit_code == 2
