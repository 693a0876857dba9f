"""`coalition key …`: which secret keys open the books, another one in the place of the one in use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from kit import logins, root_key, settings
from kit.terminal import answer, fail, json_option, one_line_errors, wants_sandbox
from ops import key_rotation
from ops.key_rotation import Coalition
from partners.cli.records import Decision, decided

OF_BEFORE = (
    "these books are older than the root key, so their first secret key is the root key. Anybody with that key and a "
    "copy of the database can read what is sealed in it, whichever key is in use"
)


@click.group(help="The secret keys that open the books, and their rotation.")
def key() -> None:
    pass


@key.command(
    "list",
    help=("List the secret keys of the books by fingerprint, with their dates, the one in use, and their connections."),
)
@json_option
@one_line_errors
def list_keys(*, as_json: bool) -> None:
    with _coalition() as of, of.live.database.reading() as session:
        found = root_key.wrappings(session)
        used = [logins.sessions(session, key_id=each.key_id, logins_of=each.key_id) for each in found]
        mine, is_of_before = of.key.key_id, of.is_of_before
    data, rows = [], []
    for each, connections in zip(found, used, strict=True):
        state = "retired" if each.retired_at else "in use" if each.key_id == mine else "opens"
        facts = {"key_id": each.key_id, "state": state, "connections": connections}
        data.append({**facts, "added_at": each.added_at.isoformat(), "retired_at": each.retired_at})
        until = f" until {each.retired_at:%Y-%m-%d %H:%M}" if each.retired_at else f", {connections} connections"
        rows.append(f"{each.key_id}  {state:<8} since {each.added_at:%Y-%m-%d %H:%M}{until}")
    said = "\n".join([*rows, *([OF_BEFORE] if is_of_before else [])])
    answer({"data": data, "root_key_is_first_secret_key": is_of_before}, said, as_json=as_json)


@key.command(
    "rotate",
    help=(
        "Add a new secret key beside the one in use, and put it in place as secret.key in the data folder.\n\n"
        "Everything keeps running. Each process uses the new key from its next start. When all of them use it, retire "
        "the former key."
    ),
)
@click.option(
    "--new-key",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help=(
        "A file that holds the new key, or a new file to create it in (-: standard input). Needed only with "
        "COALITION_SECRET_KEY."
    ),
)
@decided
@json_option
@one_line_errors
def rotate(*, new_key: Path | None, decision: Decision, as_json: bool) -> None:
    with _coalition(alone=True) as of:
        former, act = of.key, decision.act(of.live)
        new = key_rotation.new_key(of, new_key)
        key_rotation.add(of, act, new)
        kept = key_rotation.put_in_place(of, new)
        left_out, is_of_before = of.left_out, of.is_of_before
    place = f"{of.file} holds it from now on" if of.file else "set COALITION_SECRET_KEY to the new key"
    lines = [
        f"the secret key {new.key_id} now opens the books beside {former.key_id}; {place}",
        f"the former one is in {kept}: it opens the backups made until now, so keep it where they are, and not here"
        if kept
        else "keep the former key with the backups made until now, because it opens them",
        f"copy the new key to every host, restart all hosts, then run: coalition key retire {former.key_id} --reason …",
        *([f"the sandbox was left out: {left_out}"] if left_out else []),
        *([OF_BEFORE] if is_of_before else []),
    ]
    data = {"key_id": new.key_id, "former_key_id": former.key_id, "former_key_file": kept and str(kept)}
    answer(data, "\n".join(lines), as_json=as_json)


@key.command(
    "retire", help="Retire the secret key with the fingerprint KEY. It opens nothing and logs in nowhere after that."
)
@click.argument("key_id", metavar="KEY")
@click.option("--force", is_flag=True, help="End the connections that are open under this key.")
@decided
@json_option
@one_line_errors
def retire(*, key_id: str, force: bool, decision: Decision, as_json: bool) -> None:
    with _coalition(alone=True) as of:
        key_rotation.retire(of, decision.act(of.live), key_id, force=force)
        is_of_before = of.is_of_before
    answer(
        {"key_id": key_id, "in_use_key_id": of.key.key_id},
        "\n".join([f"the secret key {key_id} opens nothing more", *([OF_BEFORE] if is_of_before else [])]),
        as_json=as_json,
    )


@contextmanager
def _coalition(*, alone: bool = False) -> Iterator[Coalition]:
    wanted = settings.from_environment(os.environ)
    if wants_sandbox() and not wanted.is_sandbox:
        fail("the sandbox's secret key comes from live's and changes with it; leave --sandbox out")
    with key_rotation.coalition(wanted, alone=alone) as of:
        yield of
