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

from cli import main
from kit import clock, ids
from partners import audit, batch_files, clients
from partners.clients import Principal
from tests.conftest import CARD, World

OTHER_CARD = "7001000000130470"
ENTITY = ("--legal-name", "Corner Ltd", "--registration-no", "1", "--country", "GB")
SAID = ("--reason", "so", "--by", "anna")
BOOKED = ("--reference", "A1", "--reason", "x", "--by", "anna")
SOON = f"{clock.now().year + 1}-12-31T00:00Z"
TIMES = ("--earns-until", SOON, "--burns-until", SOON, "--leaves-at", SOON)
# In an order that works: the words of each command, {names} filled in from what was answered before, and its entry.
CHANGES: list[tuple[str, str]] = [
    ("partner create grocer --rate 1 --price 1", "partner.created"),
    ("partner create corner --onboarding", "partner.onboarded"),
    (f"partner update corner {' '.join(ENTITY)}".replace("Corner Ltd", "Corner"), "partner.changed"),
    ("partner brand add corner Corner", "brand.added"),
    ("partner brand end {brand_id}", "brand.ended"),
    ("partner brand add corner Corner", "brand.added"),
    (f"partner brand correct {{brand_id}} --name Corners {' '.join(SAID)}", "brand.corrected"),
    ("partner category add food", "category.added"),
    (f"partner category correct {{category_id}} --name Food {' '.join(SAID)}", "category.corrected"),
    ("partner presence add corner food GB --since 2026-01-01", "presence.added"),
    (f"partner presence correct {{presence_id}} --since 2026-02-01 {' '.join(SAID)}", "presence.corrected"),
    ("partner presence end {presence_id} 2099-01-01", "presence.changed"),
    ("partner presence withdraw {presence_id}", "presence.withdrawn"),
    ("partner presence add corner food GB --since 2026-01-01", "presence.added"),
    ("partner contact add corner legal --name Leo --email leo@corner.example", "contact.added"),
    (f"partner contact correct {{contact_id}} --email leo@corner.example {' '.join(SAID)}", "contact.corrected"),
    ("partner contact end {contact_id}", "contact.ended"),
    ("partner contact add corner legal --name Leo --email leo@corner.example", "contact.added"),
    ("partner location add corner S1 --name Shop --territory GB --address Here", "location.added"),
    (f"partner location correct {{location_id}} --territory GB-SCT {' '.join(SAID)}", "location.corrected"),
    ("partner till add corner S1 1", "till.added"),
    ("partner till set {till_id} blocked", "till.changed"),
    ("partner location set corner S1 closed", "location.changed"),
    ("partner staff add corner --email anna@corner.example --name Anna --role manager", "staff.added"),
    (f"partner staff correct {{staff_id}} --role cashier {' '.join(SAID)}", "staff.corrected"),
    ("partner staff end {staff_id}", "staff.ended"),
    (
        "partner sign corner {file} --partner-signatory Pat --coalition-signatory Cora --on 2026-03-01",
        "agreement.signed",
    ),
    ("rate set corner 2", "rate.set"),
    (f"rate correct {{rate_id}} --points-per-unit 3 {' '.join(SAID)}", "rate.corrected"),
    (f"rate withdraw {{rate_id}} {' '.join(SAID)}", "rate.withdrawn"),
    ("rate set corner 2", "rate.set"),
    ("agreement create corner 0.9", "agreement.made"),
    (f"agreement correct {{agreement_id}} --redemption-price 0.8 {' '.join(SAID)}", "agreement.corrected"),
    (f"agreement withdraw {{agreement_id}} {' '.join(SAID)}", "agreement.withdrawn"),
    ("agreement create corner 0.95", "agreement.made"),
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
    ("ledger close-day", "day.closed"),
    ("ledger sign", "books.adopted"),
    ("settlement run 2026-03-03", "day.settled"),
    (f"partner leave corner {' '.join(TIMES)} {' '.join(SAID)}", "partner.leaving"),
    ("partner create third --onboarding", "partner.onboarded"),
    (f"partner abandon third {' '.join(SAID)}", "partner.abandoned"),
]
# They show or try, run or prepare the machine itself, or leave their entry in the sandbox's own audit.
OTHERS = {
    "partner list", "partner show", "partner brand list", "partner category list", "partner presence list",
    "partner contact list", "partner location list", "partner till list", "partner staff list",
    "partner brand show", "partner category show", "partner presence show", "partner location show",
    "partner till show", "partner contact show", "partner staff show", "client list", "client show",
    "rate list", "rate show", "agreement list", "agreement show",
    "audit list", "audit verify", "ledger verify", "ledger seal", "settlement report", "settlement status",
    "batch list", "member find", "member show", "member explain", "certify", "sandbox partner",
    "up", "db migrate", "db distribute", "replay", "demo",
}  # fmt: skip


def commands(group: click.Group, *path: str) -> set[str]:
    found = set()
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= commands(command, *path, name)
        else:
            found.add(" ".join((*path, name)))
    return found


@pytest.fixture
def run(world: World, monkeypatch) -> Callable[..., str]:
    """Run `coalition …` on the world's database."""
    for name in ("database_url", "redis_url", "data_dir", "secret_key"):
        monkeypatch.setenv(f"COALITION_{name.upper()}", str(getattr(world.settings, name)))

    def command(*words: str) -> str:
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, (words, done.output)
        return done.stdout

    return command


def test_every_command_is_tried_here_or_known_to_change_nothing() -> None:
    known = {name for name in commands(main) for line, _ in CHANGES if line.startswith((f"{name} ", name))}
    assert commands(main) - known == OTHERS


def stored_file(world: World) -> str:
    partner = world.partner("filer")
    with world.transaction() as session:
        client, _ = clients.create(
            session, partner_id=partner.partner_id, scopes=None, now=clock.now(), keyring=world.keyring
        )
        principal = Principal(
            client.client_id, partner.partner_id, frozenset(client.scopes), is_issuer=True, is_redeemer=True,
            standing=partner.standing,
        )  # fmt: skip
        file, _ = batch_files.store(
            session, principal=principal, key="k", format_="jsonl", stream=io.BytesIO(b"{}"), now=clock.now()
        )
    return ids.show(ids.BATCH, file.batch_id)


def test_every_change_is_written_down(world: World, run, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key = ECKey.generate_key("P-256", auto_kid=True).as_dict(private=False)
    file.write_text(json.dumps({"keys": [{**key, "use": "sig", "alg": "ES256"}]}), "utf-8")
    known: dict[str, Any] = {"file": file, "member": ids.show(ids.MEMBER, world.member(CARD)),
                             "other": ids.show(ids.MEMBER, world.member(OTHER_CARD))}  # fmt: skip
    known["batch"] = stored_file(world)
    takes_json = {name for name in commands(main) if _takes_json(name)}
    for number, (line, action) in enumerate(CHANGES, start=1):
        words = line.format(**known).split()
        as_json = any(line.startswith(name) for name in takes_json)
        said = run(*words, *(["--json"] if as_json else []))
        if as_json:
            known |= {name: value for name, value in json.loads(said).items() if name.endswith("_id")}
        with world.transaction() as session:
            found = [entry.facts for entry in audit.newest(session, limit=1_000)]
        assert (found[0]["action"], len(found)) == (action, number), line
        assert found[0]["kind"] == "operator"
    said = json.dumps(found)
    for somebody in ("Leo", "Anna", "Pat", "Cora", "corner.example", "482915", CARD):
        assert somebody not in said


def _takes_json(name: str) -> bool:
    command: Any = main
    for word in name.split():
        command = command.commands[word]
    return any(parameter.name == "as_json" for parameter in command.params)
