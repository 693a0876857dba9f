"""Settlement through the admin API: every report as data and as a file, runs with their people, and what if."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from api.v1.admin import settlement_reports
from kit import ids
from kit.db import DatabaseUnavailable, allow_long_statements
from kit.statement_limits import limit_statements, took_too_long
from settlement import figures, policies, runs
from settlement.cycles import Span
from settlement.files import reports
from settlement.files.formats import MEDIA_TYPES
from tests.conftest import World, act, audited
from tests.service import Caller
from tests.settlement.small_coalition import DAY, trade
from tests.settlement.test_figures import as_workbook, read, sheets

ROOT = "/v1/admin/settlement"
LAST = DAY + timedelta(days=2)
SPAN = {"first_day": str(DAY), "last_day": str(LAST)}
ASKED: dict[str, dict[str, str]] = {
    "period": SPAN, "matrix": SPAN, "breakage": SPAN, "movements": SPAN, "liability": {}, "exposure": {}, "claims": {},
    f"days/{DAY}": {},
}  # fmt: skip


@pytest.fixture
def boss(admin) -> Caller:
    return admin()


@pytest.fixture
def traded(world: World) -> World:
    trade(world)
    return world


def run_id(world: World, n: int) -> str:
    with world.transaction() as session:
        return ids.show(ids.SETTLEMENT_RUN, runs.of_day(session, DAY + timedelta(days=n)).run_id)


def test_every_report_is_answered_as_data_and_as_files_with_the_same_figures(traded: World, boss: Caller) -> None:
    with traded.database.reading() as session:
        days = Span(DAY, LAST)
        by_command = {
            "matrix": figures.matrix(session, days), "breakage": figures.breakage(session, days),
            "movements": figures.movements(session, days), "liability": figures.liability(session),
            "exposure": figures.exposure(session), "period": figures.of_period(session, days),
            f"days/{DAY}": figures.of_day(session, DAY), "claims": figures.claims(session),
        }  # fmt: skip
    for name, query in ASKED.items():
        answer = boss.get(f"{ROOT}/{name}", **query)
        assert answer.status_code == 200, answer.text
        said = json.loads(by_command[name].texts["json"]())
        assert {key: answer.json[key] for key in said} == said
        for form in reports.FILES:
            sent = boss.get(f"{ROOT}/{name}/file", format=form, **query)
            assert (sent.status_code, sent.content_type) == (200, MEDIA_TYPES[form])
            assert sent.headers["Content-Disposition"].endswith(f'.{form}"')
            out = io.BytesIO()
            reports.write(by_command[name], form, out)
            assert sent.data == out.getvalue()
        assert boss.get(f"{ROOT}/{name}/file", **query).content_type.startswith("text/csv")
    book = sheets(boss.get(f"{ROOT}/liability/file", format="xlsx").data)
    assert [read(row) for row in book["liability"]] == [
        as_workbook(row) for row in boss.get(f"{ROOT}/liability").json["data"]
    ]


def test_a_period_may_be_named_and_be_of_two_parties(traded: World, boss: Caller) -> None:
    whole = boss.get(f"{ROOT}/period", **SPAN).json
    assert "by_location" not in whole
    by_store = boss.get(f"{ROOT}/period", by="store", **SPAN).json
    sums = [sum(one["amount_minor"] for one in by_store[of]) for of in ("obligations", "by_location")]
    assert sums[0] == sums[1] != 0
    assert boss.get(f"{ROOT}/period/file", by="store", format="csv", **SPAN).text.count("obligation_at") > 0
    assert boss.get(f"{ROOT}/period", by="moon", **SPAN).json["code"] == "invalid_request"
    between = boss.get(f"{ROOT}/period", partner="fuelway", counterparty="coalition", **SPAN).json
    assert 0 < len(between["obligations"]) < len(whole["obligations"])
    assert sum(one["amount_minor"] for one in between["net_positions"]) == 0
    assert boss.get(f"{ROOT}/exposure", partner="yenmart").json["data"][0]["partner"] == "yenmart"
    unsettled = boss.get(f"{ROOT}/period", week="2026-W10")
    assert (unsettled.status_code, unsettled.json["code"]) == (404, "day_not_settled")


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("period", {"first_day": str(LAST), "last_day": str(DAY)}, "malformed_period"),
        ("matrix", {"first_day": str(LAST), "last_day": str(DAY)}, "span_refused"),
        ("movements", {"first_day": "1990-01-01", "last_day": str(LAST)}, "span_refused"),
        ("breakage", {"first_day": str(DAY), "last_day": "2026-03-09"}, "day_not_settled"),
        ("breakage", {"first_day": str(DAY)}, "malformed_period"),
        ("matrix", {}, "malformed_period"), ("matrix", {"month": "2026-13"}, "malformed_period"),
        ("matrix", {"month": "2026-03", **SPAN}, "malformed_period"),
        ("matrix", {"month": "x" * 11}, "invalid_request"),
        ("period", {"partner": "nobody", **SPAN}, "partner_not_found"), ("liability", {"on": "x"}, "invalid_request"),
        ("liability", {"on": "2030-01-01"}, "day_not_settled"), ("days/yesterday", {}, "malformed_period"),
        ("days/2026-03-09", {}, "day_not_settled"), ("exposure", {"partner": "nobody"}, "partner_not_found"),
        ("claims", {"day": "2026-03-02"}, "invalid_request"),
    ],
)  # fmt: skip
def test_what_is_asked_wrongly_is_one_clear_error_for_data_and_for_files(world: World, boss: Caller, path, query, code):
    for more in ("", "/file"):
        refused = boss.get(f"{ROOT}/{path}{more}", **query)
        assert refused.json["code"] == code, refused.text


def test_nobody_but_the_admin_gets_there(world: World, caller, admin) -> None:
    grocer, reads = caller("greengrocer"), admin(scopes=["admin:read"])
    for path in (*ASKED, "runs", "open-items"):
        for more in ("", "/file") if path in ASKED else ("",):
            refused = grocer.get(f"{ROOT}/{path}{more}")
            assert (refused.status_code, refused.json["code"]) == (403, "insufficient_scope"), path
    assert grocer.post(f"{ROOT}/what-if", SPAN).json["code"] == "insufficient_scope"
    for step in ("approve", "instruct", "abandon"):
        run = f"{ROOT}/runs/{ids.show(ids.SETTLEMENT_RUN, ids.new())}"
        assert reads.post(f"{run}/{step}", {"decided_by": "Ann"}).json["code"] == "insufficient_scope"


def test_runs_are_listed_newest_first_and_shown_with_their_people(traded: World, boss: Caller) -> None:
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = boss.get(f"{ROOT}/runs", limit=2, **cursor).json
        found += answer["data"]
        if answer["next_cursor"] is None:
            break
        cursor = {"cursor": answer["next_cursor"]}
    with traded.transaction() as session:
        there = [ids.show(ids.SETTLEMENT_RUN, one.run_id) for one in runs.newest(session, limit=99)]
    assert sorted(one["run_id"] for one in found) == sorted(there)
    assert [one["run_id"] for one in found] == sorted(there, reverse=True)
    settled = boss.get(f"{ROOT}/runs", state="settled").json["data"]
    assert {one["state"] for one in settled} == {"settled"}
    assert boss.get(f"{ROOT}/runs", state="settled", cursor=cursor["cursor"]).json["code"] == "invalid_cursor"
    shown = boss.get(f"{ROOT}/runs/{run_id(traded, 1)}").json
    assert [one["state"] for one in shown["changes"]][-2:] == ["approved", "instructed"]
    assert sum(one["net_minor"] for one in shown["positions"] if one["currency"] == "GBP") == 0
    assert {one["status"] for one in shown["payments"]} == {"due"}
    missing = boss.get(f"{ROOT}/runs/{ids.show(ids.SETTLEMENT_RUN, ids.new())}")
    assert (missing.status_code, missing.json["code"]) == (404, "run_not_found")


def test_a_run_is_decided_by_two_people_whom_the_client_names(traded: World, boss: Caller) -> None:
    with traded.transaction() as session:
        policies.put(session, act(), policies.Policy(approvals=2))
    run = f"{ROOT}/runs/{run_id(traded, 2)}"

    def step(name: str, **body: str) -> tuple[int, str]:
        answer = boss.post(f"{run}/{name}", body)
        return answer.status_code, answer.json.get("code") or answer.json["state"]

    assert step("approve")[1] == "invalid_request"
    assert step("approve", decided_by=" ")[1] in ("malformed_text", "invalid_request")
    assert step("instruct", decided_by="Ann") == (409, "run_state")
    assert step("approve?dry_run=true", decided_by="Ann") == (200, "calculated")
    assert step("approve", decided_by="Ann") == (200, "calculated")
    assert step("approve", decided_by="ＡＮＮ ") == (403, "same_person")
    assert step("approve", decided_by="Ben", reason="as counted") == (200, "approved")
    assert step("approve", decided_by="Ben") == (409, "run_state")
    assert step("instruct", decided_by="Cid") == (200, "instructed")
    assert step("abandon", decided_by="Cid", reason="late") == (409, "run_state")
    assert step("abandon", decided_by="Cid")[1] == "invalid_request"
    entries = audited(traded.database)[::-1]
    assert [one["action"] for one in entries] == ["settlement.approved"] * 2 + ["settlement.instructed"]
    assert [one["facts"]["by"] for one in entries] == ["Ann", "Ben", "Cid"]
    assert {one["kind"] for one in entries} == {"client"}
    changes = boss.get(run).json["changes"][-3:]
    assert [(one["by"], one["reason"]) for one in changes] == [("Ann", None), ("Ben", "as counted"), ("Cid", None)]


def test_an_abandoned_run_is_answered_with_its_next_attempt(traded: World, boss: Caller) -> None:
    run = f"{ROOT}/runs/{run_id(traded, 2)}"
    again = boss.post(f"{run}/abandon", {"decided_by": "Ann", "reason": "a price was wrong"})
    assert (again.status_code, again.json["attempt"], again.json["state"]) == (200, 2, "closed")
    assert boss.get(run).json["state"] == "abandoned"
    assert boss.post(f"{run}/abandon", {"decided_by": "Ann", "reason": "again"}).json["code"] == "run_state"


def test_open_items_are_paged(traded: World, boss: Caller) -> None:
    with psycopg.connect(str(traded.settings.database_url)) as owner:
        for n in range(3):
            owner.execute(
                "INSERT INTO settlement.bank_entry (bank_entry_id, account, statement_id, entry_number, "
                "transaction_number, is_notice, owner_id, amount_minor, booked_minor, currency, is_credit, booked_on, "
                "is_return, imported_at, open_minor, counterparty_name) SELECT %(id)s, 'A', 'S', %(n)s, 1, false, "
                "partner_id, 500, 500, 'GBP', true, '2026-03-02', false, now(), 500, '=cmd' FROM partners.partner "
                "WHERE code = 'fuelway'", {"id": ids.new(), "n": n},
            )  # fmt: skip
    first = boss.get(f"{ROOT}/open-items", limit=2).json
    second = boss.get(f"{ROOT}/open-items", limit=2, cursor=first["next_cursor"]).json
    found = [*first["data"], *second["data"]]
    assert (len(found), second["next_cursor"]) == (3, None)
    assert {(one["account_of"], one["direction"], one["open_minor"]) for one in found} == {("fuelway", "in", 500)}


def test_a_what_if_is_the_commands_and_writes_nothing(traded: World, boss: Caller) -> None:
    before = audited(traded.database)
    asked = {**SPAN, "redemption_price_minor": "0.5", "partners": ["greengrocer"]}
    answer = boss.post(f"{ROOT}/what-if", asked)
    assert answer.status_code == 200, answer.text
    nets = {one["partner"]: one for one in answer.json["data"] if (one["kind"], one["currency"]) == ("net", "GBP")}
    assert nets["greengrocer"]["difference_minor"] > 0
    assert sum(one["difference_minor"] for one in nets.values()) == 0
    everybody = boss.post(f"{ROOT}/what-if", {**SPAN, "fee_percent": "0"}).json["data"]
    assert not [one for one in everybody if one["kind"] == "fee_percent"]
    for body, code in (
        ({**asked, "last_day": "2030-01-01"}, "span_refused"), ({**asked, "partners": ["nobody"]}, "partner_not_found"),
        ({**asked, "partners": []}, "invalid_request"), ({**asked, "iban": "x"}, "invalid_request"),
        ({**asked, "redemption_price_minor": "-1"}, "malformed_price"),
        ({**asked, "last_day": str(LAST + timedelta(days=1))}, "day_not_settled"),
    ):  # fmt: skip
        assert boss.post(f"{ROOT}/what-if", body).json["code"] == code
    assert audited(traded.database) == before


def test_a_report_that_takes_too_long_is_stopped_and_says_so(
    traded: World, boss: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement_reports, "LONGEST_STATEMENT_MS", 50)
    with psycopg.connect(str(traded.settings.database_url)) as owner:
        owner.execute("LOCK TABLE settlement.obligation IN ACCESS EXCLUSIVE MODE")
        refused = boss.get(f"{ROOT}/matrix", **SPAN)
    assert (refused.status_code, refused.json["code"]) == (503, "report_too_slow")
    assert refused.headers["Retry-After"]
    assert boss.get(f"{ROOT}/matrix", **SPAN).status_code == 200


def test_a_limit_of_statements_stays_whoever_would_lift_it(world: World) -> None:
    def sleep() -> None:
        with world.database.reading() as session:
            limit_statements(session, 50)
            allow_long_statements(session)
            session.execute(text("SELECT pg_sleep(5)"))

    with pytest.raises(DatabaseUnavailable) as caught:
        sleep()
    assert took_too_long(caught.value)
    with world.database.reading() as session:
        allow_long_statements(session)
        assert session.scalar(text("SHOW statement_timeout")) == "0"


def test_a_report_of_too_many_rows_is_refused_as_data_and_not_as_a_file(
    traded: World, boss: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement_reports, "MOST_ROWS", 1)
    assert boss.get(f"{ROOT}/matrix", **SPAN).json["code"] == "report_too_long"
    assert boss.get(f"{ROOT}/matrix/file", **SPAN).status_code == 200
