"""The commands as an operator meets them: what they say, and how they fail."""

from __future__ import annotations

import json
import os
import socket

import psutil
import pytest

from tests.e2e.conftest import is_alive, wait_for

TERMS = ("--rate", "1", "--price", "0.9")
embedded_only = pytest.mark.usefixtures("_embedded")


@pytest.fixture
def _embedded() -> None:
    if "COALITION_DATABASE_URL" in os.environ:
        pytest.skip("is about the embedded engines")


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"COALITION_NONSENSE": "1"}, "COALITION_NONSENSE is not a setting"),
        (
            {"COALITION_HTTP_PORT": "0"},
            "COALITION_HTTP_PORT: expected a whole number from 1 to 65535, got '0'",
        ),
        ({"COALITION_CURRENCY": "ABC"}, "ABC is no currency of ISO 4217; set COALITION_CURRENCY to one"),
        ({"COALITION_TIME_ZONE": "Mars"}, "COALITION_TIME_ZONE: expected a time zone"),
        ({"COALITION_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}, "can't connect to the database"),
        ({"COALITION_DATABASE_URL": "mysql://x"}, "COALITION_DATABASE_URL: expected postgresql://"),
        ({"COALITION_REDIS_URL": "redis://127.0.0.1:1"}, "Redis does not answer"),
    ],
)
def test_a_start_that_can_not_succeed_says_why_in_one_line(place, variables, says) -> None:
    here = place("here")
    here.variables.update(variables)
    code, out = here.run("up")
    mine = [line for line in here.stderr.splitlines() if line.startswith("coalition: ")]
    assert code == 1
    assert out == ""
    assert len(mine) == 1
    assert says in mine[0]
    assert "Traceback" not in here.stderr


def test_a_taken_port_is_named(place) -> None:
    here = place("here")
    with socket.create_server(("127.0.0.1", int(here.variables["COALITION_HTTP_PORT"]))):
        code, _ = here.run("up")
    assert code == 1
    assert "can't listen on 127.0.0.1:" in here.stderr


def test_partners_clients_and_prices_are_made_at_the_terminal(place) -> None:
    here = place("here")
    with here.up():
        assert here.run("partner", "create", "fuelway", *TERMS)[1].startswith("Fuelway is prt_")
        assert here.run("partner", "create", "fuelway", *TERMS)[0] == 1
        assert "partner_code_taken" in here.stderr
        client = json.loads(here.run("client", "create", "fuelway", "--scope", "earn:write", "--json")[1])
        assert client["scopes"] == ["earn:write"]
        assert here.run("rate", "set", "fuelway", "1.5", "--since", "2100-01-01")[0] == 0
        assert here.run("rate", "set", "fuelway", "many")[0] == 1
        assert "version 2" in here.run("agreement", "create", "fuelway", "0.9", "--since", "2100-01-01")[1]
        assert "oldest unsettled   -" in here.run("settlement", "status")[1]
        assert here.run("settlement", "run")[1] == "no day is due\n"
        assert here.run("settlement", "report", "2001-01-01")[0] == 1
        assert here.run("client", "revoke", client["client_id"], "--reason", "lost")[0] == 0
        assert json.loads(here.run("ledger", "verify", "--json")[1])["clean"]


@embedded_only
def test_a_second_coalition_in_the_same_folder_is_refused(place) -> None:
    here = place("here")
    with here.up():
        other = place("there")
        intruder = type(here)(here.folder, other.variables)
        code, _ = intruder.run("up")
    assert code == 1
    assert "another process runs the coalition in" in here.stderr


@embedded_only
def test_a_killed_supervisor_leaves_nothing_running_and_a_folder_that_starts_again(place) -> None:
    here = place("here")
    process = here.command("up")
    assert process.stdout is not None
    assert "Coalition is up" in process.stdout.readline()
    assert here.run("partner", "create", "fuelway", *TERMS)[0] == 0
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    wait_for(lambda: not [one for one in family if is_alive(one)], within_s=30)
    with here.up():
        assert "Fuelway" in here.run("partner", "list")[1]


def test_a_bad_line_is_named_its_receipt_held_back_and_the_rest_posted(place, receipts) -> None:
    here = place("here")
    lines = receipts.read_text().splitlines()[:40]
    victim = [cell.strip('"') for cell in lines[5].split(",")]
    lines[5] = ",".join([*victim[:5], "many", *victim[6:]])
    lines.append("too,short")
    lines.append("\udcff".encode("utf-8", "surrogateescape").decode("latin-1") * 3)
    receipts.write_text("\n".join(lines) + "\n", "latin-1")
    code, out = here.run("replay", str(receipts), "--json")
    result = json.loads(out)
    named = {problem["line"]: problem["reason"] for problem in result["problems"]}
    assert code == 0
    assert f"receipt {victim[1]} is held back" in named[6]
    assert {6, 41, 42} <= set(named)
    assert result["receipts"] > 5
    assert here.run("replay", str(receipts.with_name("absent.csv")))[0] == 1
