"""Members through the API and at the terminal: several identifiers, verification, naming a member in every way."""

from __future__ import annotations

import json
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from click.testing import CliRunner

from cli import main
from coalition import identifiers, members, rotating_codes, verifications
from coalition.member_identifiers import MOST_PER_MEMBER
from coalition.verifications import TRIES, ToldBack, VerificationTooSoon, WrongVerificationCode
from kit import clock, ids
from tests.conftest import CARD, World, act
from tests.service import Caller

PHONE, EMAIL, EXTERNAL = "+447700900123", "ann@example.com", "CRM-77"
EVERYTHING = {"card": CARD, "phone": PHONE, "email": EMAIL, "external_id": EXTERNAL}
OTHER_CARD = "7001000000130470"


@pytest.fixture
def grocer(caller) -> Caller:
    return caller("greengrocer")


@pytest.fixture
def ann(grocer) -> str:
    made = grocer.post("/v1/members", EVERYTHING)
    assert made.status_code == 201, made.text
    return made.json["member_id"]


def code_of(world: World, *, card: str = CARD, new: bool = True) -> str:
    with world.transaction() as session:
        member_id = members.find(
            session, identifiers.parse("card", card, partner_id=ids.new()), world.keyring
        ).member_id
        if new:
            rotating_codes.issue(session, act(world.keyring), member_id=member_id)
        return rotating_codes.current(session, member_id=member_id, keyring=world.keyring, now=clock.now())


def remove(caller: Caller, path: str):
    return caller.post(f"{path}/removal")


def kinds(caller: Caller, member_id: str) -> list[str]:
    return [one["kind"] for one in caller.get(f"/v1/members/{member_id}/identifiers").json["data"]]


def identifier(caller: Caller, member_id: str, kind: str) -> str:
    """The path of one of the member's identifiers."""
    path = f"/v1/members/{member_id}/identifiers"
    return next(f"{path}/{one['identifier_id']}" for one in caller.get(path).json["data"] if one["kind"] == kind)


@pytest.mark.parametrize(
    "key",
    [{"card": CARD}, {"phone": "+44 7700 900123"}, {"email": "Ann@Example.com"}, {"external_id": EXTERNAL}],
)
def test_a_member_is_found_by_each_of_its_identifiers(grocer, ann, key) -> None:
    found = grocer.post("/v1/members/lookup", key)
    assert (found.status_code, found.json["member_id"]) == (200, ann)
    assert found.json["card_masked"] == "••••••••••••8503"
    posted = grocer.post("/v1/earns", {**key, "points": 5, "reference": "R1"})
    assert (posted.status_code, posted.json["member_id"]) == (201, ann)
    batch = grocer.post("/v1/batches", {"items": [{"kind": "earn", **key, "points": 5, "reference": "R2"}]})
    assert batch.json["data"][0]["transaction"]["member_id"] == ann


@pytest.mark.parametrize("key", [{"phone": PHONE}, {"email": EMAIL}, {"external_id": EXTERNAL}])
def test_a_member_needs_no_card(grocer, key) -> None:
    made = grocer.post("/v1/members", key)
    assert (made.status_code, made.json["card_masked"]) == (201, None)
    path = f"/v1/members/{made.json['member_id']}"
    assert grocer.get(path).json == made.json
    assert grocer.post("/v1/earns", {**key, "points": 5, "reference": "R1"}).status_code == 201
    assert grocer.get(f"{path}/balance").json["available"] == 5


def test_what_identifies_one_member_identifies_no_other(world: World, grocer, ann) -> None:
    for name, value in EVERYTHING.items():
        again = grocer.post("/v1/members", {name: value})
        assert (again.status_code, again.json["code"]) == (
            409, "card_in_use" if name == "card" else "identifier_in_use",
        )  # fmt: skip
        assert value not in again.text
    half = grocer.post("/v1/members", {"card": OTHER_CARD, "email": EMAIL})
    assert half.json["kind"] == "email"
    assert world.count("coalition.member") == 1
    assert grocer.post("/v1/members/lookup", {"card": OTHER_CARD}).status_code == 404


def test_an_external_id_is_its_partners_own(grocer, caller, ann) -> None:
    station = caller("fuelway")
    assert station.post("/v1/members/lookup", {"external_id": EXTERNAL}).json["code"] == "member_not_found"
    seen = station.shown(grocer.inner(ann))
    assert "external" not in kinds(station, seen)
    refused = remove(station, identifier(grocer, ann, "external").replace(ann, seen))
    assert (refused.status_code, refused.json["code"]) == (404, "identifier_not_found")
    theirs = station.post("/v1/members", {"external_id": EXTERNAL}).json["member_id"]
    assert station.post("/v1/members/lookup", {"external_id": EXTERNAL}).json["member_id"] == theirs != seen


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/members", {}),
        ("/v1/members", {"card": None}),
        ("/v1/members", {"phone": 447700900123}),
        ("/v1/members", {"name": "Ann"}),
        ("/v1/members", {"code": "12345678"}),
        ("/v1/members/lookup", {}),
        ("/v1/members/lookup", {"card": CARD, "phone": PHONE}),
        ("/v1/members/lookup", {"member_id": "mbr_01h45ytscbebyvny4gc8cr8ma2"}),
        ("/v1/members/lookup", {"code": "12345678"}),
        ("/v1/members/lookup", {"code": "co1.x.1"}),
        ("/v1/earns", {"points": 5, "reference": "R"}),
        ("/v1/earns", {"points": 5, "reference": "R", "card": CARD, "email": EMAIL}),
        ("/v1/earns", {"points": 5, "reference": "R", "card": CARD, "pin": "8305"}),
        ("/v1/burns", {"points": 5, "reference": "R", "card": CARD, "pin": "83"}),
        ("/v1/burns", {"points": 5, "reference": "R", "pin": "8305"}),
        ("/v1/burns", {"points": 5, "reference": "R", "code": "12345678"}),
    ],
)
def test_a_body_that_names_nobody_or_two_is_refused(grocer, path, body) -> None:
    answer = grocer.post(path, body)
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"phone": "07700"}, "malformed_phone"),
        ({"email": "ann"}, "malformed_email"),
        ({"external_id": "a b"}, "malformed_external_id"),
        ({"card": "1" * 16}, "malformed_card"),
    ],
)
def test_malformed_identifiers_are_refused_by_name_everywhere(grocer, ann, body, code) -> None:
    earn = {**body, "points": 5, "reference": "R"}
    for path, content in (
        ("/v1/members", body),
        ("/v1/members/lookup", body),
        (f"/v1/members/{ann}/identifiers", body),
        ("/v1/earns", earn),
    ):
        answer = grocer.post(path, content)
        assert (answer.status_code, answer.json["code"]) == (422, code), path
    batch = grocer.post("/v1/batches", {"items": [{"kind": "earn", **earn}]}).json
    assert batch["data"][0]["problem"]["code"] == code


def test_identifiers_are_added_listed_masked_and_taken_away(grocer) -> None:
    ann = grocer.post("/v1/members", {"card": CARD}).json["member_id"]
    path = f"/v1/members/{ann}/identifiers"
    added = grocer.post(path, {"email": EMAIL})
    assert (added.status_code, added.json["kind"], added.json["masked"]) == (201, "email", "a•••@e•••.com")
    assert added.json["verified_at"] is None
    assert grocer.post(path, {"email": EMAIL}).json == added.json
    assert kinds(grocer, ann) == ["card", "email"]
    assert EMAIL not in grocer.get(path).text
    assert remove(grocer, identifier(grocer, ann, "card")).status_code == 204
    assert grocer.post("/v1/members/lookup", {"card": CARD}).status_code == 404
    assert grocer.get(f"/v1/members/{ann}").json["card_masked"] is None
    last = remove(grocer, identifier(grocer, ann, "email"))
    assert (last.status_code, last.json["code"]) == (409, "last_identifier")
    assert grocer.post("/v1/members", {"card": CARD}).status_code == 201


def test_the_last_two_identifiers_taken_away_at_once_leave_one(app, grocer) -> None:
    ann = grocer.post("/v1/members", {"card": CARD, "email": EMAIL}).json["member_id"]
    paths = [identifier(grocer, ann, kind) for kind in ("card", "email")]
    with ThreadPoolExecutor(2) as pool:
        clients = [Caller(app.test_client(), grocer.token, grocer.partner_id) for _ in paths]
        done = sorted(pool.map(lambda pair: remove(*pair).status_code, zip(clients, paths, strict=True)))
    assert done == [204, 409]


def test_identifiers_of_others_are_not_taken_over(grocer, ann) -> None:
    bob = grocer.post("/v1/members", {"card": OTHER_CARD}).json["member_id"]
    taken = grocer.post(f"/v1/members/{bob}/identifiers", {"email": EMAIL})
    assert (taken.status_code, taken.json["code"]) == (409, "identifier_in_use")
    wrong = remove(grocer, identifier(grocer, ann, "email").replace(ann, bob))
    assert (wrong.status_code, wrong.json["code"]) == (404, "identifier_not_found")
    stranger = ids.show_our_own(ids.new())
    assert grocer.post(f"/v1/members/{stranger}/identifiers", {"card": "7001000000178511"}).status_code == 404
    assert grocer.get(f"/v1/members/{stranger}/identifiers").json["code"] == "member_not_found"


def test_a_member_has_only_so_many(grocer, caller) -> None:
    ann, station = grocer.post("/v1/members", {"card": CARD}).json["member_id"], caller("fuelway")
    path = f"/v1/members/{ann}/identifiers"
    for answers in (
        [grocer.post(path, {"email": f"ann{n}@example.com"}) for n in range(MOST_PER_MEMBER)],
        [grocer.post(path, {"external_id": f"id-{n}"}) for n in range(MOST_PER_MEMBER + 1)],
    ):
        assert [answer.status_code for answer in answers] == [201] * (len(answers) - 1) + [409]
        assert answers[-1].json["code"] == "too_many_identifiers"
    full = station.post(path.replace(ann, station.shown(grocer.inner(ann))), {"external_id": "id-1"})
    assert full.status_code == 201, "what one partner calls its members takes no place of another"


def sent_code(caplog) -> str:
    bodies = [record.facts["body"] for record in caplog.records if record.name == "mail"]
    return re.findall(r"^ +(\d{6})$", bodies[-1], re.MULTILINE)[0]


def test_an_address_is_verified_by_the_code_it_was_sent(grocer, ann, caplog) -> None:
    caplog.set_level(logging.INFO, "mail")
    path = identifier(grocer, ann, "email")
    assert grocer.post(f"{path}/verification").status_code == 202
    code = sent_code(caplog)
    soon = grocer.post(f"{path}/verification")
    assert (soon.status_code, soon.json["code"]) == (409, "verification_too_soon")
    assert 0 < soon.json["retry_after_s"] <= 60
    wrong = grocer.post(f"{path}/verification/confirm", {"code": f"{(int(code) + 1) % 10**6:06d}"})
    assert (wrong.status_code, wrong.json["code"]) == (403, "wrong_verification_code")
    right = grocer.post(f"{path}/verification/confirm", {"code": code})
    assert (right.status_code, right.json["verified_at"] is not None) == (200, True)
    for again, body in (("verification", None), ("verification/confirm", {"code": code})):
        assert grocer.post(f"{path}/{again}", body).json["code"] == "already_verified"


def test_what_nothing_can_be_sent_to_is_not_verified(grocer, ann) -> None:
    for kind in ("phone", "card", "external"):
        answer = grocer.post(f"{identifier(grocer, ann, kind)}/verification")
        assert (answer.status_code, answer.json["code"], answer.json["kind"]) == (409, "not_verifiable", kind)
    assert grocer.post(f"{identifier(grocer, ann, 'email')}/verification/confirm", {"code": "12"}).status_code == 422


def test_a_sent_code_may_be_guessed_at_five_times_even_at_once_and_for_ten_minutes(world: World, grocer, ann) -> None:
    ours = {
        "member_id": grocer.inner(ann),
        "identifier_id": ids.parse(ids.IDENTIFIER, identifier(grocer, ann, "email").rpartition("/")[2]),
        "partner_id": grocer.partner_id,
    }
    now = clock.now()

    def start(at):
        with world.transaction() as session:
            return verifications.start(session, act(world.keyring, now=at), proved=False, **ours)

    def told(code: str) -> ToldBack:
        return ToldBack(code=code, **ours)

    def guess(code: str, at=now) -> bool:
        try:
            verifications.check(world.database, told(code), keyring=world.keyring, now=at)
        except WrongVerificationCode:
            return False
        with world.transaction() as session:
            verifications.confirm(session, act(world.keyring, now=at), told(code))
        return True

    first = start(now)
    assert not guess(first.code, now + timedelta(minutes=10))
    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(guess, [f"x{n}" for n in range(TRIES + 3)]))
    assert not guess(first.code)
    with pytest.raises(VerificationTooSoon):
        start(now + timedelta(seconds=59))
    second = start(now + timedelta(seconds=60))
    with pytest.raises(VerificationTooSoon):
        start(now + timedelta(seconds=179))
    assert second.address == EMAIL
    assert guess(second.code, now + timedelta(seconds=61))


def test_the_wallets_code_finds_its_member_once(world: World, grocer, ann) -> None:
    code = code_of(world)
    assert grocer.post("/v1/members/lookup", {"code": code}).json["member_id"] == ann
    again = grocer.post("/v1/members/lookup", {"code": code})
    assert (again.status_code, again.json["code"]) == (403, "wrong_code")
    stranger = grocer.post("/v1/members/lookup", {"code": "co1.abcdefghijklmnop.12345678"})
    assert (stranger.status_code, stranger.json["code"]) == (403, "wrong_code")


def test_every_kind_of_event_and_row_does_without_a_card(world: World, grocer) -> None:
    grocer.post("/v1/members", {"external_id": EXTERNAL})
    with world.transaction() as session:
        data = session.exec_driver_sql("SELECT data FROM kit.event WHERE type = 'member.enrolled'").scalar_one()
    assert data["card_masked"] is None


@pytest.fixture
def coalition(world: World, monkeypatch):
    """Run the command on the world's database."""
    monkeypatch.setenv("COALITION_DATABASE_URL", str(world.settings.database_url))
    monkeypatch.setenv("COALITION_REDIS_URL", str(world.settings.redis_url))
    monkeypatch.setenv("COALITION_SECRET_KEY", str(world.settings.secret_key))

    def run(*arguments: str, **more) -> str:
        done = CliRunner().invoke(main, arguments, catch_exceptions=False, **more)
        return done.output if done.exit_code == 0 else f"{done.exit_code}: {done.output}"

    return run


def test_an_admin_sets_pins_shows_codes_exports_and_erases(grocer, coalition) -> None:
    grocer.post("/v1/members", {"card": CARD, "email": EMAIL})
    shown = grocer.post("/v1/earns", {"card": CARD, "points": 9, "reference": "R"}).json["member_id"]
    ann = ids.show_our_own(grocer.inner(shown))
    assert "has a new PIN" in coalition("member", "pin", ann, input="8305\n8305\n")
    assert "weak_pin" in coalition("member", "pin", ann, "--pin", "1234")
    assert "no_rotating_code" in coalition("member", "code", ann)
    code = json.loads(coalition("member", "code", ann, "--new", "--json"))["code"]
    assert grocer.post("/v1/members/lookup", {"code": code}).json["member_id"] == shown
    assert "can try again" in coalition("member", "unlock", ann)
    exported = json.loads(coalition("member", "export", ann))
    assert EMAIL in [one["value"] for one in exported["identifiers"]]
    assert "wallet_not_empty" in coalition("member", "erase", ann, "--yes")
    assert coalition("member", "erase", ann, "--forfeit", input="n\n").startswith("1: ")
    assert "9 points expired" in coalition("member", "erase", ann, "--forfeit", input="y\n")
    assert grocer.post("/v1/members/lookup", {"email": EMAIL}).status_code == 404
    assert grocer.get(f"/v1/members/{shown}").json["code"] == "member_not_found"
    assert "the ledger is clean" in coalition("ledger", "verify")


def test_the_pin_limits_are_on_in_a_new_programme_and_set_and_lifted_at_the_terminal(coalition) -> None:
    def limits(*options: str) -> tuple[int | None, int | None]:
        told = json.loads(coalition("programme", *options, "--json"))
        return told["pin_free_points"], told["pin_free_points_per_day"]

    assert limits() == (1000, 2000)
    assert limits("--pin-free-points", "500") == (500, 2000)
    assert limits("--pin-free-points-per-day", "700") == (500, 700)
    assert limits("--warn-days", "9") == (500, 700)
    assert limits("--no-pin-limit") == (None, None)
    assert coalition("programme", "--no-pin-limit", "--pin-free-points", "5").startswith("2: ")
    assert coalition("programme", "--no-pin-limit", "--pin-free-points-per-day", "5").startswith("2: ")
