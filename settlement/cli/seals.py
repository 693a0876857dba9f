"""`coalition seal …`: publish the log of closed days, and see as a witness that it only grows.

`witness` and `gather` work on files alone: a partner runs them without any coalition of its own.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from coalition import day_log, log_folders, witness_client, witnesses
from coalition.log_folders import Published
from coalition.tlog.encoding import MalformedLogFile
from coalition.tlog.keys import LOG, WITNESS, SigningKey
from coalition.tlog.notes import LONGEST_NOTE_BYTES, Signature
from coalition.tlog.policies import Policy
from coalition.witness_client import WitnessUnavailable
from coalition.witnesses import State, WitnessRefuses
from kit import clock
from kit.errors import Conflict
from kit.secret_key import KeyFileTaken
from kit.terminal import answer, desk, fail, json_option, one_line_errors
from partners.cli.records import Decision, noted
from settlement import logged_days
from settlement.cli.proofs import FILE, policy_option, read_policy

LONGEST_KEY_BYTES = 1024
key_option = click.option(
    "--key", "key_file", type=FILE, required=True, help="The file with the private key, from `seal new-key`."
)


class QuorumMissed(Conflict):
    code = "quorum_missed"
    title = "Quorum missed"
    description = "The published checkpoint lacks cosignatures that the policy asks for. Those that came are in it."
    remedy = "Look at what kept the other witnesses from it, and run `coalition seal gather` again."


@click.group(help="The public log of closed days: publish it, witness it.")
def seal() -> None:
    pass


@seal.command(
    "new-key",
    help=(
        "Make the key of a log, or with --witness of a witness, called NAME, in the new file FILE, and print its "
        "public half. NAME is best an address, such as coalition.example/days."
    ),
)
@click.argument("name")
@click.argument("file", type=FILE)
@click.option("--witness", "is_witness", is_flag=True, help="The key is a witness's.")
@json_option
@one_line_errors
def new_key(*, name: str, file: Path, is_witness: bool, as_json: bool) -> None:
    key = SigningKey.new(name, of=WITNESS if is_witness else LOG)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyFileTaken(f"{file} already exists; we did not change it") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(key.encoded + "\n")
        opened.flush()
        os.fsync(opened.fileno())
    answer({"file": str(file), "public_key": str(key.verifier)}, str(key.verifier), as_json=as_json)


@seal.command(
    "publish",
    help=(
        "Publish the log of closed days in FOLDER: static files for any web server, and a checkpoint signed with the "
        "log's key. Settled days that the log lacks are added to it first. A second run changes nothing.\n\n"
        "Refused where FOLDER holds anything that is not the beginning of the log of these books."
    ),
)
@click.argument("folder", type=FILE)
@key_option
@click.option(
    "--without-settlement",
    is_flag=True,
    help="Add days that are not settled, too, for good. Use it only if you settle elsewhere.",
)
@noted
@json_option
@one_line_errors
def publish(*, folder: Path, key_file: Path, without_settlement: bool, decision: Decision, as_json: bool) -> None:
    key = _key(key_file)
    with desk() as ctx:
        act = decision.act(ctx)
        with ctx.database.transaction() as session:  # committed before anything is published of it
            added = day_log.extend(
                session, act, settled_on=logged_days.settled_on, without_settlement=without_settlement
            )
        with ctx.database.reading() as session:
            entries = day_log.entries(session)
    made = log_folders.publish(folder, [entry.leaf.encode() for entry in entries], key)
    answer(
        {"origin": made.origin, "size": made.size, "root": made.root.hex(), "added": list(map(str, added))},
        f"{folder}: {made.size} days of {made.origin}, {len(added)} of them new, root {made.root.hex()}",
        as_json=as_json,
    )


@seal.command(
    "witness",
    help=(
        "Look at the log published in FOLDER (a copy of it will do), compare it with what was seen of it before, and "
        "cosign its checkpoint. The cosignature is printed, or written to --out; give it to whoever runs the log."
    ),
)
@click.argument("folder", type=FILE)
@key_option
@click.option(
    "--state", "state_file", type=FILE, required=True, help="The file that keeps what was seen. Don't lose it."
)
@policy_option
@click.option("--out", type=FILE, help="The file to write the cosignature to.")
@json_option
@one_line_errors
def witness(
    *, folder: Path, key_file: Path, state_file: Path, policy_file: Path, out: Path | None, as_json: bool
) -> None:
    key, policy, published = _key(key_file), read_policy(policy_file), log_folders.read(folder)
    state = State(state_file)
    with state.locked():
        seen = state.seen(published.checkpoint.origin)
        request = witnesses.request_for(published.note, published.hashes, old_size=seen.size)
        made = witnesses.cosign(request, policy=policy, key=key, state=state, timestamp=int(clock.now().timestamp()))
    if out is not None:
        out.write_text(str(made), "utf-8")
    shown = published.checkpoint
    answer(
        {"origin": shown.origin, "seen_before": seen.size, "size": shown.size, "cosignature": str(made)},
        f"{out}: cosigned {shown.size} days of {shown.origin}" if out else str(made).rstrip("\n"),
        as_json=as_json,
    )


@seal.command(
    "gather",
    help=(
        "Put the cosignatures in FILES into the checkpoint published in FOLDER. If you leave FILES out: ask each "
        "witness whose address the policy has.\n\n"
        "It fails if the checkpoint then lacks cosignatures that the policy asks for."
    ),
)
@click.argument("folder", type=FILE)
@click.argument("files", type=FILE, nargs=-1)
@policy_option
@json_option
@one_line_errors
def gather(*, folder: Path, files: tuple[Path, ...], policy_file: Path, as_json: bool) -> None:
    policy, published = read_policy(policy_file), log_folders.read(folder)
    made, silent = _given(files, policy, published) if files else _asked(policy, published)
    note = log_folders.add_signatures(folder, made, to=published.note)
    named = [one.name for one in policy.cosigners(note)]
    said = f"{folder}: cosigned by {', '.join(named) or 'nobody'}"
    answer({"cosigned_by": named, "silent": silent}, "\n".join([said, *silent]), as_json=as_json)
    if not policy.is_met(named):
        fail(f"the policy asks for {policy.quorum}, and that is not met ({QuorumMissed.code})")


def _given(files: tuple[Path, ...], policy: Policy, published: Published) -> tuple[list[Signature], list[str]]:
    """The signatures in files, each of a witness of the policy's; raises MalformedLogFile, SignatureBroken."""
    made = []
    for file in files:
        with file.open("rb") as opened:
            lines = opened.read(LONGEST_NOTE_BYTES).decode("utf-8", "replace").splitlines()
        for signature in map(Signature.parse, lines):
            known = [each for each in policy.witnesses.values() if signature.is_by(each.key)]
            if not known:
                raise MalformedLogFile(f"{file}: {signature.name} is no witness of the policy's")
            made.append(witness_client.cosignature(known[0], published.note, str(signature)))
    return made, []


def _asked(policy: Policy, published: Published) -> tuple[list[Signature], list[str]]:
    """What the policy's witnesses answer, and why the others give none: one that is silent keeps none waiting."""
    made, silent = [], []
    for each in policy.witnesses.values():
        if each.url is not None:
            try:
                made.append(witness_client.ask(each, published.note, published.hashes))
            except (WitnessRefuses, WitnessUnavailable, MalformedLogFile) as error:
                silent.append(error.detail)
    return made, silent


def _key(file: Path) -> SigningKey:
    with file.open("rb") as opened:
        return SigningKey.parse(opened.read(LONGEST_KEY_BYTES).decode("utf-8", "replace").strip())
