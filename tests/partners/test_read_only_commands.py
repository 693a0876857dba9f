"""Commands that only show can't write: each is run, and PostgreSQL says how its transactions stood."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import main
from coalition import log_folders
from coalition.tlog.keys import LOG, SigningKey
from kit import ids
from tests.conftest import CARD, World
from tests.partners.test_audited_commands import OTHERS, commands, run
from tests.transactions import watched

__all__ = ["run"]

# They run or prepare the machine, fill a sandbox, ask others' servers, or need files; who looks at a member is written
# down.
NOT_HERE = {"up", "db migrate", "db distribute", "replay", "demo", "sandbox partner", "certify", "member find",
            "member show", "member explain", "listen", "webhooks check-receiver", "seal new-key", "seal witness",
            "seal gather", "settlement proof", "settlement verify"}  # fmt: skip
# What a show command is asked for, where that isn't an id: one of nobody's is looked for all the same.
ASKED = {
    "partner show": ["grocer"],
    "partner till list": ["grocer", "S1"],
    "client show": ["cli_nobody"],
    "settlement report": ["2026-03-02"],
    "settlement statement": [ids.show(ids.SETTLEMENT_RUN, ids.new()), "grocer"],
    "settlement obligations": [ids.show(ids.SETTLEMENT_RUN, ids.new())],
    "settlement lines": [ids.show(ids.OBLIGATION, ids.new())],
    **{
        f"settlement {name}": ["--from", "2026-03-02", "--until", "2026-03-02"]
        for name in ("breakage", "journal", "matrix", "movements")
    },
    "settlement what-if": [
        *("--from", "2026-03-02", "--until", "2026-03-02"),
        *("--partner", "grocer", "--redemption-price", "0.8"),
    ],
    "settlement mapping show": ["grocer"],
    "audit verify": [],
    "ledger seal": [],
}
PREFIX = {"brand": ids.BRAND, "category": ids.CATEGORY, "placement": ids.PLACEMENT, "location": ids.LOCATION,
          "till": ids.TILL, "contact": ids.CONTACT, "staff": ids.STAFF, "signature": ids.SIGNATURE, "rate": ids.RATE,
          "agreement": ids.AGREEMENT, "settlement": ids.SETTLEMENT_RUN,
          "award-permission": ids.AWARD_PERMISSION, "dispute": ids.DISPUTE}  # fmt: skip


def words_of(name: str) -> list[str]:
    noun, verb = name.split()[-2:]
    if name in ASKED:
        return ASKED[name]
    if verb == "show":
        return [ids.show(PREFIX[noun], ids.new())]
    takes_partner = any(param.param_type_name == "argument" and param.required for param in commands(main)[name].params)
    return ["grocer"] if takes_partner else []


@pytest.mark.parametrize("name", sorted(OTHERS - NOT_HERE))
def test_a_command_that_shows_is_in_transactions_that_can_only_read(world: World, run, name: str) -> None:
    world.earn(world.partner("grocer").partner_id, world.member(CARD), 5)
    with watched() as ended:
        done = CliRunner().invoke(main, [*name.split(), *words_of(name)])
    assert done.exit_code != 2, done.output
    assert set(ended) == {"on"}, done.output


def test_a_proof_is_made_in_transactions_that_can_only_read(world: World, run, tmp_path: Path) -> None:
    world.partner("grocer")
    log_folders.publish(tmp_path, [], SigningKey("coalition.example/days", LOG, bytes(32)))
    with watched() as ended:
        done = CliRunner().invoke(main, ["settlement", "proof", "2026-03-02", "grocer", str(tmp_path)])
    assert "2026-03-02 is not in the log" in done.output
    assert set(ended) == {"on"}


def test_a_look_at_a_member_is_written_down_and_then_read_in_a_transaction_that_can_only_read(world, run) -> None:
    shown = ids.show_our_own(world.member(CARD))
    with watched() as ended:
        run("member", "show", shown)
    assert (ended.count("off"), ended[-1]) == (1, "on")
