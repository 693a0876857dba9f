"""Every command that changes something leaves its entry in the audit; a new one can't be forgotten."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from joserfc.jwk import ECKey

from api import batch_files
from cli import main
from coalition.tlog.keys import LOG, SigningKey
from identity import clients
from identity.clients import Principal
from kit import clock, ids
from tests.conftest import CARD, World, act, audited
from tests.settlement.test_bank_import import booking, statement
from tests.settlement.test_instructions import COALITION_IBAN

OTHER_CARD = "7001000000130470"
ENTITY = ("--legal-name", "Corner Ltd", "--registration-no", "1", "--country", "GB")
SAID = ("--reason", "so", "--by", "anna")
BOOKED = ("--reference", "A1", "--reason", "x", "--by", "anna")
SOON = f"{clock.now().year + 1}-12-31T00:00Z"
TIMES = ("--earns-until", SOON, "--burns-until", SOON, "--leaves-at", SOON)
# In an order that works: the words of each command, {names} filled in from what was answered before, and its entry.
CHANGES: list[tuple[str, str]] = [
    ("partner create grocer --rate 1 --price 1", "partner.onboarded rate.set agreement.made partner.vouched_for"),
    ("partner create corner --onboarding", "partner.onboarded"),
    (f"partner update corner {' '.join(ENTITY)}".replace("Corner Ltd", "Corner"), "partner.changed"),
    ("partner brand add corner Corner", "brand.added"),
    ("partner brand end {brand_id}", "brand.ended"),
    ("partner brand add corner Corner", "brand.added"),
    (f"partner brand correct {{brand_id}} --name Corners {' '.join(SAID)}", "brand.corrected"),
    ("partner category add food", "category.added"),
    (f"partner category correct {{category_id}} --name Food {' '.join(SAID)}", "category.renamed"),
    ("partner placement add corner food GB --since 2026-01-01", "placement.added"),
    (f"partner placement correct {{placement_id}} --since 2026-02-01 {' '.join(SAID)}", "placement.changed"),
    ("partner placement end {placement_id} 2099-01-01", "placement.changed"),
    ("partner placement withdraw {placement_id}", "placement.withdrawn"),
    ("partner placement add corner food GB --since 2026-01-01", "placement.added"),
    ("partner contact add corner legal --name Leo --email leo@corner.example", "contact.added"),
    (f"partner contact correct {{contact_id}} --email leo@corner.example {' '.join(SAID)}", "contact.corrected"),
    ("partner contact end {contact_id}", "contact.ended"),
    ("partner contact add corner legal --name Leo --email leo@corner.example", "contact.added"),
    ("partner location add corner S1 --name Shop --territory GB --address Here", "location.added"),
    (f"partner location correct {{location_id}} --territory GB-SCT {' '.join(SAID)}", "location.changed"),
    ("partner till add corner S1 1", "till.added"),
    ("partner till set {till_id} blocked", "till.changed"),
    ("partner location set corner S1 closed", "location.changed"),
    ("partner staff add corner --email anna@corner.example --name Anna --role manager", "staff.added"),
    (f"partner staff correct {{staff_id}} --role cashier {' '.join(SAID)}", "staff.changed"),
    ("partner staff end {staff_id}", "staff.ended"),
    (
        "partner sign corner {file} --partner-signatory Pat --coalition-signatory Cora --on 2026-03-01",
        "agreement.signed",
    ),
    (f"partner award-permission give corner grocer --most 500 {' '.join(SAID)}", "award_permission.given"),
    (f"partner award-permission withdraw {{permission_id}} {' '.join(SAID)}", "award_permission.withdrawn"),
    ("rate set corner 2", "rate.set"),
    (f"rate correct {{rate_id}} --points-per-unit 3 {' '.join(SAID)}", "rate.corrected"),
    (f"rate withdraw {{rate_id}} {' '.join(SAID)}", "rate.withdrawn"),
    ("rate set corner 2", "rate.set"),
    ("agreement create corner 0.9", "agreement.made"),
    (f"agreement correct {{agreement_id}} --redemption-price 0.8 {' '.join(SAID)}", "agreement.corrected"),
    (f"agreement withdraw {{agreement_id}} {' '.join(SAID)}", "agreement.withdrawn"),
    ("agreement create corner 0.95", "agreement.made"),
    (f"agreement change corner --since 2099-01-01 --redemption-price 0.9 --yes {' '.join(SAID)}", "agreement.made"),
    (f"partner activate corner {' '.join(SAID)}", "partner.activated"),
    (f"partner suspend corner {' '.join(SAID)}", "partner.suspended"),
    (f"partner resume corner {' '.join(SAID)}", "partner.resumed"),
    ("client create corner", "client.created"),
    ("client add-secret {client_id}", "client.secret_added"),
    ("client limit {client_id} 250", "client.limited"),
    (f"client correct {{client_id}} --scopes earn:write {' '.join(SAID)}", "client.corrected"),
    ("client revoke {client_id}", "client.revoked"),
    ("client create-app corner --name App --redirect-uri https://corner.example/back", "client.created"),
    ("client create-tills corner --name Tills", "client.created"),
    ("client create-with-keys corner {file}", "client.created"),
    ("oauth rotate-key", "signing_key.rotated"),
    ("member block {member}", "member.blocked"),
    ("member unblock {member}", "member.unblocked"),
    ("member pin {member} --pin 482915", "member.pin_set"),
    ("member code {member} --new", "member.code_issued"),
    ("member code {member}", "member.code_shown"),
    ("member unlock {member}", "member.unlocked"),
    (f"member adjust {{member}} corner 5 {' '.join(BOOKED)}", "member.adjusted"),
    ("member merge {other} {member} --reference M1 --reason twice --by ann", "member.merged"),
    ("member export {member}", "member.exported"),
    ("member erase {member} --forfeit --yes", "member.erased"),
    ("programme --warn-days 20", "programme.changed"),
    (f"batch cancel {{batch}} {' '.join(SAID)}", "batch.cancelled"),
    ("ledger close-day 2026-03-02", "day.closed"),
    ("ledger sign", "books.adopted"),
    (f"settlement entry add promotion corner grocer 500 --reference P1 {' '.join(SAID)}", "settlement.entry_made"),
    ("settlement policy --approvals 1", "settlement.policy_changed"),
    ("settlement run 2026-03-03", "day.closed day.settled settlement.calculated"),
    ("seal publish {file}.days --key {log_key} --without-settlement", "log.extended"),
    (f"partner suspend corner {' '.join(SAID)}", "partner.suspended"),
    (f"partner default corner {' '.join(SAID)}", "partner.defaulted"),
    (f"partner leave corner {' '.join(TIMES)} {' '.join(SAID)}", "partner.leaving"),
    ("partner create third --onboarding", "partner.onboarded"),
    (f"partner abandon third {' '.join(SAID)}", "partner.abandoned"),
    (f"key rotate --new-key {{file}}.key {' '.join(SAID)}", "secret_key.added"),
    (f"key retire {{key_id}} {' '.join(SAID)}", "secret_key.retired"),
]
# Of a run that has something to pay.
DECIDED: list[tuple[str, str]] = [
    (f"settlement abandon {{run_id}} {' '.join(SAID)}", "settlement.abandoned"),
    ("settlement run 2026-03-02", "settlement.calculated"),
    ("settlement approve {run_id}", "settlement.approved"),
    ("settlement approve {run_id} --reason so --by ben", "settlement.approved"),
    ("settlement instruct {run_id}", "settlement.instructed"),
    ("settlement import-bank {statement}", "settlement.bank_file_imported"),
]
# Of a line of an obligation.
DISPUTED: list[tuple[str, str]] = [
    (
        f"settlement dispute raise {{obligation_id}} --line 1 --partner grocer {' '.join(SAID)}",
        "settlement.dispute_raised",
    ),
    ("settlement dispute answer {dispute_id} so --partner fuel", "settlement.dispute_answered"),
    (
        f"settlement dispute resolve {{dispute_id}} --outcome upheld --approved-by ben {' '.join(SAID)}",
        "settlement.dispute_resolved",
    ),
]
# The same, once the bank's entry is there.
MATCHED: list[tuple[str, str]] = [
    ("settlement match {bank_entry_id} {payment_id}", "settlement.matched"),
    ("settlement unmatch {bank_entry_id} {payment_id}", "settlement.unmatched"),
    ("settlement write-off {bank_entry_id}", "settlement.written_off"),
    ("settlement settle {run_id}", "settlement.settled"),
]
# Of a partner that has posted something else than its file says.
RECONCILED: list[tuple[str, str]] = [
    (f"settlement mapping set grocer {{mapping}} {' '.join(SAID)}", "settlement.mapping_set"),
    ("settlement reconcile grocer {theirs} --first-day 2026-03-02 --last-day 2026-03-02", "settlement.reconciled"),
]
# The same, once its breaks are there.
BROKEN: list[tuple[str, str]] = [
    ("settlement break assign {break_id} --to Leo", "settlement.break_assigned"),
    (f"settlement break resolve {{break_id}} {' '.join(SAID)}", "settlement.break_resolved"),
]
# They show or try, run or prepare the machine itself, or leave their entry in the sandbox's own audit.
OTHERS = {
    "partner list", "partner show", "partner brand list", "partner category list", "partner placement list",
    "partner contact list", "partner location list", "partner till list", "partner staff list",
    "partner brand show", "partner category show", "partner placement show", "partner location show",
    "partner till show", "partner contact show", "partner staff show", "client list", "client show",
    "partner signature list", "partner signature show", "partner award-permission list",
    "partner award-permission show", "rate list", "rate show", "agreement list", "agreement show",
    "audit list", "audit verify", "ledger verify", "ledger seal", "settlement report", "settlement status",
    "settlement runs", "settlement show", "settlement statement", "settlement obligations", "settlement lines",
    "settlement open-items", "settlement journal", "settlement movements", "settlement breakage",
    "settlement exposure", "settlement liability", "settlement matrix",
    "batch list", "member find", "member show", "member explain", "certify", "sandbox partner",
    "key list", "up", "db migrate", "db distribute", "replay", "demo", "listen", "webhooks check-receiver",
    "webhooks status", "seal new-key", "seal witness", "seal gather", "settlement proof", "settlement verify",
    "settlement what-if", "settlement claims", "settlement disputes", "settlement dispute show",
    "settlement mapping show", "settlement breaks",
}  # fmt: skip


def commands(group: click.Group, *path: str) -> dict[str, click.Command]:
    found = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= commands(command, *path, name)
        else:
            found[" ".join((*path, name))] = command
    return found


def options(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


@pytest.fixture
def run(world: World, monkeypatch) -> Callable[..., str]:
    """Run `coalition …` on the world's database."""
    for name in ("database_url", "redis_url", "data_dir", "secret_key"):
        monkeypatch.setenv(f"COALITION_{name.upper()}", str(getattr(world.settings, name)))
    monkeypatch.setenv("COALITION_SANDBOX", "none")

    def command(*words: str) -> str:
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, (words, done.output)
        return done.stdout

    return command


def test_every_command_is_tried_here_or_known_to_change_nothing() -> None:
    lines = CHANGES + DECIDED + DISPUTED + MATCHED + RECONCILED + BROKEN
    known = {name for name in commands(main) for line, _ in lines if f"{line} ".startswith(f"{name} ")}
    assert commands(main).keys() - known == OTHERS


def test_every_change_says_why_and_by_whom_and_answers_programs() -> None:
    lacking = {
        name: wanted - options(command)
        for name, command in commands(main).items()
        if name not in OTHERS - {"sandbox partner"} and (wanted := {"--reason", "--by", "--json"}) - options(command)
    }
    assert lacking == {"member export": {"--json"}}, "what it prints is JSON whoever asks"


def test_what_corrects_or_takes_back_master_data_needs_a_reason() -> None:
    """What adds something may do without, as at its route."""
    last = {"update", "correct", "set", "end", "withdraw", "revoke", "limit"}
    wanted = {name for name in commands(main) if name.rpartition(" ")[2] in last} - {"rate set"}
    assert len(wanted) == 23
    reasons = {name: p.required for name in wanted for p in commands(main)[name].params if "--reason" in p.opts}
    assert reasons == dict.fromkeys(wanted, True)


def stored_file(world: World) -> str:
    partner = world.partner("filer")
    with world.transaction() as session:
        client, _ = clients.create(
            session, act(world.keyring, now=clock.now()), partner_id=partner.partner_id, scopes=None
        )
        principal = Principal(
            client.client_id, partner.partner_id, frozenset(client.scopes), is_issuer=True, is_redeemer=True,
            standing=partner.standing,
        )  # fmt: skip
        file, _ = batch_files.store(
            session, principal=principal, key="k", format_="jsonl", stream=io.BytesIO(b"{}"), now=clock.now()
        )
    return ids.show(ids.BATCH, file.batch_id)


def run_of(entries: list[dict[str, Any]], action: str) -> str:
    return next(entry["subject"] for entry in entries if entry["action"] == action)


def test_what_is_decided_about_a_run_is_written_down(world: World, run, tmp_path: Path) -> None:
    issuer, redeemer = (world.partner(code).partner_id for code in ("grocer", "fuel"))
    for partner_id in (issuer, redeemer):
        world.give_terms(partner_id)
    member = world.member()
    world.earn(issuer, member, 5)
    world.burn(redeemer, member, 5)
    run("settlement", "policy", "--netting", "coalition", "--iban", COALITION_IBAN, "--dispute-days", "3650")
    known = json.loads(run("settlement", "run", "2026-03-02", "--json"))
    owed = json.loads(run("settlement", "obligations", known["run_id"], "--json"))["data"]
    lined = next(one for one in owed if one["kind"] == "redemption")
    carry_out(world, run, DISPUTED, {"obligation_id": lined["obligation_id"]})
    file = tmp_path / "statement.xml"
    file.write_bytes(statement(booking("0.05", "CRDT")).getvalue())
    found = carry_out(world, run, DECIDED, {"run_id": known["run_id"], "statement": file})
    (item,) = json.loads(run("settlement", "open-items", "--json"))["data"]
    (payment,) = [
        one
        for one in json.loads(run("settlement", "show", run_of(found, "settlement.instructed"), "--json"))["payments"]
        if one["payee"] == "The coalition"
    ]
    known = {"bank_entry_id": item["bank_entry_id"], "payment_id": payment["payment_id"]}
    carry_out(world, run, MATCHED, {**known, "run_id": run_of(found, "settlement.instructed")})


def test_what_is_decided_about_a_partners_file_is_written_down(world: World, run, tmp_path: Path) -> None:
    world.earn(world.partner("grocer").partner_id, world.member(), 5)
    mapping, theirs = tmp_path / "mapping.json", tmp_path / "theirs.csv"
    mapping.write_text(
        '{"fields": {"reference": "R", "day": "D", "points": "P"}, "constants": {"kind": "earn"}}', "utf-8"
    )
    theirs.write_text("R,D,P\n", "utf-8")
    carry_out(world, run, RECONCILED, {"mapping": mapping, "theirs": theirs})
    (one,) = json.loads(run("settlement", "breaks", "--json"))["data"]
    found = carry_out(world, run, BROKEN, {"break_id": one["break_id"]})
    assert "Leo" not in json.dumps(found)


def test_every_change_is_written_down(world: World, run, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key = ECKey.generate_key("P-256", auto_kid=True).as_dict(private=False)
    file.write_text(json.dumps({"keys": [{**key, "use": "sig", "alg": "ES256"}]}), "utf-8")
    known: dict[str, Any] = {"file": file, "member": ids.show_our_own(world.member(CARD)),
                             "other": ids.show_our_own(world.member(OTHER_CARD))}  # fmt: skip
    known["batch"] = stored_file(world)
    known["log_key"] = tmp_path / "log.key"
    known["log_key"].write_text(SigningKey.new("days.example", of=LOG).encoded, "utf-8")
    found = carry_out(world, run, CHANGES, known)
    said = json.dumps(found)
    for somebody in ("Leo", "Anna", "Pat", "Cora", "corner.example", "482915", CARD):
        assert somebody not in said


def carry_out(
    world: World, run: Callable[..., str], lines: list[tuple[str, str]], known: dict[str, Any]
) -> list[dict[str, Any]]:
    """Each line in its turn, `known` filled in and added to; every entry that the audit has then."""
    found = audited(world.database)
    number = len(found)
    for line, actions in lines:
        words = [word.format(**known) for word in line.split()]
        words += SAID if "--reason" not in words else ()
        said = json.loads(run(*words, *([] if line.startswith("member export") else ["--json"])))
        known |= {name: value for name, value in said.items() if name.endswith("_id")}
        found = audited(world.database)
        made, number = found[: len(found) - number], len(found)
        assert [entry["action"] for entry in reversed(made)] == actions.split(), line
        if not actions:
            continue
        assert found[0]["kind"] == "operator"
        reason, by = words[words.index("--reason") + 1], words[words.index("--by") + 1]
        assert (found[0]["facts"]["reason"], found[0]["facts"]["by"]) == (reason, by), line
    return found
