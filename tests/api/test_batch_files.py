"""Files of postings: handed in, worked off by a job, resumed after a crash, cancelled."""

from __future__ import annotations

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from api import batch_files, batches
from cli import main
from identity import clients
from kit import clock, ids
from tests.conftest import CARD, World, act, audited
from tests.service import Caller, take_turns

LINES = [json.dumps({"kind": "earn", "card": CARD, "points": 2, "reference": f"R{n}"}) for n in range(1, 1201)]
JSONL = "application/jsonl"


@pytest.fixture
def grocer(caller) -> Caller:
    made = caller("greengrocer")
    made.post("/v1/members", {"card": CARD})
    return made


def hand_in(caller: Caller, content: bytes | str, *, key: str = "file", mimetype: str = JSONL):
    headers = {"Authorization": f"Bearer {caller.token}", "Idempotency-Key": key, "Content-Type": mimetype}
    return caller.http.post("/v1/batches/files", data=content, headers=headers)


def fresh(caller: Caller) -> Caller:
    """The same partner's program in another thread."""
    return replace(caller, http=caller.http.application.test_client())


def work(world: World) -> int:
    parts = 0
    while posted := take_turns(world):
        parts += posted
    return parts


def results(caller: Caller, batch_id: str) -> list[dict]:
    return [json.loads(line) for line in caller.get(f"/v1/batches/{batch_id}/results").text.splitlines()]


def test_a_file_is_posted_line_by_line_and_answered_line_by_line(world: World, grocer) -> None:
    bad = ["{", '{"kind": "gift"}', '{"kind": "earn", "card": "' + CARD + '", "points": 1.5, "reference": "X"}']
    stored = hand_in(grocer, "\n".join([*LINES[:600], *bad, *LINES[600:]]))
    assert (stored.status_code, stored.json["status"], stored.json["lines"]) == (202, "waiting", 1203)
    work(world)
    shown = grocer.get(f"/v1/batches/{stored.json['batch_id']}").json
    assert (shown["status"], shown["done"], shown["posted"], shown["refused"]) == ("finished", 1203, 1200, 3)
    answers = results(grocer, stored.json["batch_id"])
    assert [answer["item"] for answer in answers] == list(range(1, 1204))
    codes = [answer["problem"]["code"] for answer in answers if "problem" in answer]
    assert codes == ["malformed_line", "unknown_kind", "invalid_request"]
    assert world.count("coalition.txn") == 1200


def test_the_same_file_loaded_three_times_posts_once(world: World, grocer) -> None:
    content = "\n".join(LINES)
    first = hand_in(grocer, content)
    again = hand_in(grocer, content)
    assert (again.json["batch_id"], again.headers["Idempotent-Replay"]) == (first.json["batch_id"], "true")
    assert hand_in(grocer, content + "\n" + LINES[0]).json["code"] == "file_key_reused"
    work(world)
    for key in ("second", "third"):
        other = hand_in(grocer, content, key=key).json["batch_id"]
        work(world)
        shown = grocer.get(f"/v1/batches/{other}").json
        assert (shown["posted"], shown["replayed"]) == (0, 1200)
    assert world.count("coalition.txn") == 1200


def test_a_job_that_dies_in_a_part_goes_on_and_posts_nothing_twice(world: World, grocer, monkeypatch) -> None:
    stored = hand_in(grocer, "\n".join(LINES)).json["batch_id"]
    real, calls = batches.post, Counter()

    def dies_after_posting(*args):
        answers = real(*args)
        calls["post"] += 1
        if calls["post"] == 2:
            raise KeyboardInterrupt
        return answers

    monkeypatch.setattr(batches, "post", dies_after_posting)
    with pytest.raises(KeyboardInterrupt):
        work(world)
    shown = grocer.get(f"/v1/batches/{stored}").json
    assert (shown["status"], shown["done"], world.count("coalition.txn")) == ("running", 500, 1000)
    work(world)
    shown = grocer.get(f"/v1/batches/{stored}").json
    assert (shown["status"], shown["posted"], shown["replayed"]) == ("finished", 700, 500)
    assert world.count("coalition.txn") == 1200


def test_a_csv_has_a_header_and_says_the_same(world: World, grocer) -> None:
    content = (
        f"\ufeffkind,card,reference,points,amount_minor,currency\r\nearn,{CARD},R1,10,,\r\nearn,{CARD},R2,ten,,\r\n"
    )
    content += f'burn,{CARD},"R,3",4,,\r\nburn,{CARD},R4,4,,\r\nearn,{CARD},R5,,1000,GBP\r\nearn,{CARD}\r\n'
    stored = hand_in(grocer, content, mimetype="text/csv").json["batch_id"]
    work(world)
    codes = [answer.get("problem", {}).get("code") for answer in results(grocer, stored)]
    assert codes == [None, "invalid_request", "invalid_request", None, "no_earning_rate", "malformed_line"]


@pytest.mark.parametrize("begins", ["", "\ufeff"])
def test_a_csv_may_be_quoted_throughout_and_any_file_begin_with_a_mark(world: World, grocer, begins: str) -> None:
    csv = f'{begins}"kind","card","reference","points"\r\n"earn","{CARD}","C1","10"\r\n'
    jsonl = begins + LINES[0] + "\n" + LINES[1]
    for key, content, mimetype in (("csv", csv, "text/csv; charset=UTF-8"), ("lines", jsonl, f"{JSONL}; charset=utf8")):
        stored = hand_in(grocer, content, key=key, mimetype=mimetype)
        assert stored.status_code == 202, stored.json
        work(world)
        assert {answer["status"] for answer in results(grocer, stored.json["batch_id"])} == {201}


def test_a_line_break_in_a_cell_is_one_clear_refusal(grocer) -> None:
    content = f'kind,card,reference,points\nearn,{CARD},R1,10\nearn,{CARD},"R\n2",10\n'
    refused = hand_in(grocer, content, mimetype="text/csv")
    assert (refused.status_code, refused.json["code"]) == (422, "malformed_file")
    assert "line 2 ends inside quotes" in refused.json["detail"]
    assert hand_in(grocer, content.replace("\n2", "2"), mimetype="text/csv").status_code == 202


@pytest.mark.parametrize("charset", ["utf-16", "iso-8859-1", "nonsense", "a\x00b"])
def test_a_file_in_another_charset_is_refused(grocer, charset: str) -> None:
    for mimetype in ("text/csv", JSONL):
        refused = hand_in(grocer, LINES[0], mimetype=f'{mimetype}; charset="{charset}"')
        assert (refused.status_code, refused.json["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("content", "mimetype", "code"),
    [
        (b"", JSONL, "malformed_file"),
        (b"\n\n", JSONL, "malformed_file"),
        (b"x" * 5000, JSONL, "malformed_file"),
        (b"points,reference\n1,R", "text/csv", "malformed_file"),
        (b"kind,kind\nearn,earn", "text/csv", "malformed_file"),
        (b"kind,surprise\nearn,1", "text/csv", "malformed_file"),
        (b"{}", "application/json", "unsupported_media_type"),
    ],
)
def test_a_file_that_is_none_is_refused_as_a_whole(grocer, content, mimetype, code) -> None:
    assert hand_in(grocer, content, mimetype=mimetype).json["code"] == code


def test_a_line_of_other_bytes_is_named(world: World, grocer) -> None:
    stored = hand_in(grocer, b"\xff\xfe\n" + LINES[0].encode() + b'\n{"kind": "earn\x00"}\n').json["batch_id"]
    work(world)
    assert [answer["status"] for answer in results(grocer, stored)] == [422, 201, 422]


ODD = {
    "a name in half": rb'"\ud800": 1',
    "a value in half": rb'"reference": "\udfff"',
    "a NUL": rb'"reference": "\u0000"',
    "a raw NUL": b'"reference": "\x00"',
    "a name twice": b'"points": 500',
    "NaN": b'"points2": NaN',
    "no number": b'"points2": 1e999',
    "a number nobody means": b'"points2": ' + b"9" * 999,
    "a deep one": b'"points2": ' + b"[" * 1500 + b"]" * 1500,
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_line_is_refused_by_itself_and_the_file_goes_on(world: World, grocer, odd) -> None:
    line = b'{"kind": "earn", "card": "' + CARD.encode() + b'", "points": 5, ' + ODD[odd] + b"}"
    stored = hand_in(grocer, line + b"\n" + LINES[0].encode()).json["batch_id"]
    work(world)
    refused, posted = results(grocer, stored)
    assert (refused["status"], refused["problem"]["code"], posted["status"]) == (422, "malformed_line", 201)
    # Elsewhere the same is refused as well: nothing is read in one way here and in another there.
    headers = {"Authorization": f"Bearer {grocer.token}", "Idempotency-Key": "odd", "Content-Type": "application/json"}
    for path, body in (("/v1/earns", line), ("/v1/batches", b'{"items": [' + line + b"]}")):
        answer = grocer.http.post(path, data=body, headers=headers)
        assert answer.json["code"] in ("malformed_request", "invalid_request"), answer.text
    assert world.count("coalition.txn") == 1


def test_a_csv_line_with_a_nul_is_refused_by_itself(world: World, grocer) -> None:
    content = f"kind,card,reference,points\nearn,{CARD},R\x001,10\nearn,{CARD},R2,10"
    stored = hand_in(grocer, content, mimetype="text/csv")
    work(world)
    refused, posted = results(grocer, stored.json["batch_id"])
    assert (refused["problem"]["code"], posted["status"]) == ("malformed_line", 201)


def test_a_cancelled_file_stops_and_keeps_what_is_posted(world: World, grocer) -> None:
    stored = hand_in(grocer, "\n".join(LINES)).json["batch_id"]
    cancelled = grocer.post(f"/v1/batches/{stored}/cancel").json
    assert (cancelled["status"], cancelled["cancelled_because"]) == ("cancelled", "partner")
    assert work(world) == 0
    again = grocer.post(f"/v1/batches/{stored}/cancel")
    assert (again.status_code, again.json["code"]) == (409, "batch_finished")
    assert [(entry["action"], entry["kind"]) for entry in audited(world.database)] == [("batch.cancelled", "client")]


def test_another_partners_file_is_not_there(grocer, caller) -> None:
    stored = hand_in(grocer, LINES[0]).json["batch_id"]
    station = caller("fuelway")
    for answer in (
        station.get(f"/v1/batches/{stored}"),
        station.get(f"/v1/batches/{stored}/results"),
        station.post(f"/v1/batches/{stored}/cancel"),
        station.get(f"/v1/batches/{ids.show(ids.BATCH, ids.new())}"),
    ):
        assert (answer.status_code, answer.json["code"]) == (404, "batch_not_found")


def test_files_that_are_not_done_are_told_in_figures(world: World, grocer) -> None:
    def told() -> dict[str, float]:
        with world.transaction() as session:
            now = clock.now() + timedelta(minutes=5)
            return {gauge.name: gauge.read(session, now) for gauge in batch_files.GAUGES}

    assert set(told().values()) == {0}
    hand_in(grocer, "\n".join(LINES[:7]))
    found = told()
    assert (found["coalition_batch_files_open"], found["coalition_batch_lines_open"]) == (1, 7)
    assert 290 < found["coalition_batch_files_oldest_seconds"] < 360
    work(world)
    assert set(told().values()) == {0}


def test_partners_take_turns_and_a_long_file_delays_nobodys_short_one(world: World, grocer, caller) -> None:
    hand_in(grocer, "\n".join(["garbage"] * 4_000))
    hand_in(grocer, LINES[0], key="behind")
    station = caller("fuelway")
    short = hand_in(station, LINES[1], key="short").json["batch_id"]
    assert take_turns(world) == 2
    assert station.get(f"/v1/batches/{short}").json["status"] == "finished"
    assert work(world) == 8
    assert world.count("partners.batch_file WHERE status = 'finished'") == 3


def test_a_revoked_client_posts_nothing_more_by_the_file_it_handed_in(world: World, grocer) -> None:
    stored = hand_in(grocer, "\n".join(LINES)).json["batch_id"]
    take_turns(world)
    with world.transaction() as session:
        client_id = session.scalar(text("SELECT client_id FROM partners.batch_file"))
        clients.revoke(session, act(now=clock.now()), client_id=client_id)
    assert work(world) == 0
    assert world.count("coalition.txn") == 500
    with world.transaction() as session:
        found = batch_files.get(session, batch_id=ids.parse(ids.BATCH, stored), partner_id=None)
    assert (found.status, found.cancelled_because, found.done) == ("cancelled", "client_revoked", 500)
    assert work(world) == 0


def test_a_scope_that_the_client_lost_is_lost_to_its_file(world: World, grocer) -> None:
    stored = hand_in(grocer, LINES[0]).json["batch_id"]
    with world.transaction() as session:
        session.execute(text("UPDATE partners.oauth_client SET scopes = array_remove(scopes, 'earn:write')"))
    work(world)
    assert results(grocer, stored)[0]["problem"]["required_scope"] == "earn:write"


def test_a_file_that_meets_a_fault_is_set_aside_and_the_others_go_on(world: World, grocer, caller, monkeypatch) -> None:
    stored = hand_in(grocer, LINES[0]).json["batch_id"]
    station = caller("fuelway")
    other = hand_in(station, LINES[1]).json["batch_id"]
    real = batches.post

    def fails_for_the_grocer(transactions, batch, items):
        if batch.principal.partner_id == grocer.partner_id:
            raise RuntimeError("a fault of ours")
        return real(transactions, batch, items)

    monkeypatch.setattr(batches, "post", fails_for_the_grocer)
    assert work(world) == 1
    assert station.get(f"/v1/batches/{other}").json["status"] == "finished"
    paused = grocer.get(f"/v1/batches/{stored}").json
    assert (paused["status"], paused["paused_until"] > clock.now().isoformat()) == ("waiting", True)
    monkeypatch.setattr(batches, "post", real)
    assert work(world) == 0
    later = clock.now() + timedelta(seconds=6)
    assert take_turns(world, now=later) == 1
    done = grocer.get(f"/v1/batches/{stored}").json
    assert (done["status"], done["posted"], done["paused_until"]) == ("finished", 1, None)


def test_a_partner_may_have_so_many_files_open(world: World, grocer, caller) -> None:
    for n in range(batch_files.MOST_OPEN):
        assert hand_in(grocer, LINES[0], key=f"k{n}").status_code == 202
    refused = hand_in(grocer, LINES[0], key="more")
    assert (refused.status_code, refused.json["code"], refused.json["most"]) == (409, "too_many_files", 10)
    assert hand_in(grocer, LINES[0], key="k0").status_code == 202
    assert hand_in(caller("fuelway"), LINES[0]).status_code == 202
    work(world)
    assert hand_in(grocer, LINES[0], key="more").status_code == 202


def test_files_handed_in_at_once_do_not_pass_the_bound_together(world: World, grocer, monkeypatch) -> None:
    for n in range(batch_files.MOST_OPEN - 1):
        hand_in(grocer, LINES[0], key=f"k{n}")
    together, real = threading.Barrier(4, timeout=10), batch_files._parts

    def all_here_before_one_is_done(*args, **named):
        together.wait()
        yield from real(*args, **named)

    monkeypatch.setattr(batch_files, "_parts", all_here_before_one_is_done)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda n: hand_in(fresh(grocer), LINES[0], key=f"at-once-{n}"), range(4)))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    assert {answer.json.get("code") for answer in answers} == {None, "too_many_files"}
    assert world.count("partners.batch_file") == batch_files.MOST_OPEN


def test_the_operator_lists_and_cancels_anybodys_file(world: World, grocer, monkeypatch) -> None:
    for name in ("database_url", "redis_url", "data_dir", "secret_key"):
        monkeypatch.setenv(f"COALITION_{name.upper()}", str(getattr(world.settings, name)))
    stored = hand_in(grocer, LINES[0]).json["batch_id"]
    listed = json.loads(CliRunner().invoke(main, ["batch", "list", "--json"]).stdout)["data"]
    assert [(one["partner"], one["batch_id"], one["status"]) for one in listed] == [("greengrocer", stored, "waiting")]
    command = ["batch", "cancel", stored, "--reason", "garbage", "--by", "anna"]
    assert CliRunner().invoke(main, command).exit_code == 0
    shown = grocer.get(f"/v1/batches/{stored}").json
    assert (shown["status"], shown["cancelled_because"]) == ("cancelled", "operator")
    assert work(world) == 0
    again = CliRunner().invoke(main, command)
    assert (again.exit_code, "batch_finished" in again.stderr) == (1, True)
