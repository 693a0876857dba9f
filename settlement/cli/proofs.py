"""`coalition settlement proof | verify`: a statement's proof for its partner, who needs nothing of ours to check it."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path

import click

from coalition import log_folders
from coalition.tlog import policies, proofs
from coalition.tlog.policies import MalformedPolicy, Policy
from kit import ids
from kit.terminal import answer, desk, json_option, one_line_errors, say
from partners.cli.records import DAY, owner
from settlement import cycles, logged_days, offline_proof
from settlement.offline_proof import Proven, StatementRefused

UNREADABLE = 2  # the exit code: nothing could be judged
FILE = click.Path(path_type=Path)
policy_option = click.option(
    "--policy",
    "policy_file",
    type=FILE,
    required=True,
    help="The file that says which log and witnesses to trust (c2sp.org/tlog-policy).",
)


def read_policy(path: Path) -> Policy:
    """The policy in a file; raises MalformedPolicy, OSError."""
    with path.open("rb") as file:
        return policies.parse(file.read(policies.LONGEST_POLICY_BYTES + 1))


@click.command(
    help=(
        "Write the proof that the statement of PARTNER_CODE for the run that ends with DAY is in the log published in "
        "FOLDER, with the signatures that its checkpoint has now."
    )
)
@click.argument("day", type=DAY)
@click.argument("partner_code")
@click.argument("folder", type=FILE)
@click.option("--cycle", type=click.Choice(cycles.CYCLES), default=cycles.DAILY, show_default=True, help="Of the run.")
@click.option(
    "--out", type=FILE, help="The file to write. If you leave it out: DAY-PARTNER_CODE-CYCLE.json.tlog-proof."
)
@json_option
@one_line_errors
def proof(*, day: datetime, partner_code: str, folder: Path, cycle: str, out: Path | None, as_json: bool) -> None:
    published = log_folders.read(folder)
    with desk() as ctx, ctx.database.reading() as session:
        partner_id = owner(session, partner_code)
        made = logged_days.prove(session, published, day=day.date(), partner_id=partner_id, cycle=cycle)
    file = out or Path(f"{day:%Y-%m-%d}-{partner_code}-{cycle}.json{proofs.SUFFIX}")
    file.write_bytes(str(made).encode())
    answer(
        {
            "file": str(file),
            "day": f"{day:%Y-%m-%d}",
            "partner": partner_code,
            "cycle": cycle,
            "size": made.checkpoint.size,
        },
        f"{file}: the proof of {partner_code}'s statement of the {cycle} run that ends on {day:%Y-%m-%d}",
        as_json=as_json,
    )


@click.command(
    help=(
        "Verify the statement in FILE (as it was given out, JSON or gzip) by its proof: that the log of the coalition "
        "holds it, and witnesses cosigned that log. It needs these files only, no network and no database.\n\n"
        "Exit code: 0 it is proven, 1 it is refused, 2 a file can't be read."
    )
)
@click.argument("file", type=FILE)
@click.option("--proof", "proof_file", type=FILE, help=f"The proof. If you leave it out: FILE{proofs.SUFFIX}.")
@policy_option
@json_option
def verify(*, file: Path, proof_file: Path | None, policy_file: Path, as_json: bool) -> None:
    proof_file = proof_file or file.with_name(file.name + proofs.SUFFIX)
    try:
        policy = read_policy(policy_file)
        with proof_file.open("rb") as opened:
            found = offline_proof.verify(file, opened.read(proofs.LONGEST_PROOF_BYTES + 1), policy)
    except StatementRefused as error:
        _say_no("refused", error.detail, as_json=as_json)
        sys.exit(1)
    except (MalformedPolicy, OSError) as error:
        detail = error.detail if isinstance(error, MalformedPolicy) else f"{error.filename}: {error.strerror}"
        _say_no("unreadable", detail, as_json=as_json)
        sys.exit(UNREADABLE)
    answer(_data(found), _told(file, found), as_json=as_json)


def _say_no(verdict: str, detail: str, *, as_json: bool) -> None:
    if as_json:
        say(json.dumps({"verdict": verdict, "detail": detail}, ensure_ascii=False))
    else:
        click.echo(f"{verdict}: {detail}", err=True)


def _data(found: Proven) -> dict[str, object]:
    return {
        "verdict": "proven",
        "day": str(found.leaf.day),
        "partner_id": ids.show(ids.PARTNER, found.partner_id),
        "cycle": found.cycle,
        "programme_id": str(found.leaf.programme_id),
        "content_hash": found.content_hash.hex(),
        "chain": found.leaf.chain.hex(),
        "origin": found.checkpoint.origin,
        "index": found.index,
        "size": found.checkpoint.size,
        "cosigned_by": list(found.cosigned_by),
    }


def _told(file: Path, found: Proven) -> str:
    witnessed = ", ".join(found.cosigned_by) or "no witness that the policy names"
    return (
        f"proven: {file} is the statement of {ids.show(ids.PARTNER, found.partner_id)} of the {found.cycle} run that "
        f"ends on {found.leaf.day}\n"
        f"log          {found.checkpoint.origin}, day {found.index + 1} of {found.checkpoint.size}\n"
        f"cosigned by  {witnessed}\n"
        f"seal         {found.leaf.day}:{found.leaf.chain.hex()}\n"
        f"content      {found.content_hash.hex()}"
    )
