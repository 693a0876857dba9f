"""A statement is proven from files alone, by our command and by a stranger's few lines; a changed byte is refused."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import secrets
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from psycopg import sql
from sqlalchemy import make_url, text

from cli import main
from coalition import closing, day_leaves, day_log, log_folders, witnesses
from coalition.day_log import DayNotLogged
from coalition.log_folders import LogContradicted
from coalition.tlog import notes, policies
from coalition.tlog.keys import LOG, WITNESS, SigningKey
from coalition.witnesses import State, WitnessRefuses
from kit import ids, logins
from kit.db import shown
from settlement import approvals, cycles, logged_days, nightly, offline_proof, runs, statement_form, statements, verify
from settlement.logged_days import StatementNotLogged
from settlement.offline_proof import StatementRefused
from settlement.statement_paths import StatementPath
from tests.conftest import NOW, World, act
from tests.kit.test_backup import tool
from tests.settlement.test_runs import DAY, MIDNIGHT, agree, run

LOG_KEY = SigningKey("coalition.example/days", LOG, bytes(range(32)))
W1, W2 = (SigningKey(f"witness{n}.example", WITNESS, bytes([n]) * 32) for n in (1, 2))
POLICY = f"""log {LOG_KEY.verifier}
witness W1 {W1.verifier}
witness W2 {W2.verifier}
group both all W1 W2
quorum both
"""
DAYS = 4


def extend(world: World) -> list:
    with world.transaction() as session:
        return day_log.extend(session, act(world.keyring), settled_on=logged_days.settled_on)


def leaves(world: World) -> list[bytes]:
    with world.transaction() as session:
        return [entry.leaf.encode() for entry in day_log.entries(session)]


def publish(world: World, folder: Path, key: SigningKey = LOG_KEY) -> notes.Checkpoint:
    extend(world)
    return log_folders.publish(folder, leaves(world), key)


def cosign(folder: Path, *keys: SigningKey) -> None:
    published = log_folders.read(folder)
    for key in keys:
        state = State(folder.parent / f"{key.name}.json")
        with state.locked():
            request = witnesses.request_for(published.note, published.hashes, old_size=state.seen(LOG_KEY.name).size)
            made = witnesses.cosign(
                request, policy=policies.parse(POLICY.encode()), key=key, state=state, timestamp=1_772_500_000
            )
        log_folders.add_signatures(folder, [made], to=published.note)


@dataclass(frozen=True)
class Files:
    """What a partner has: its statement, the proof, a policy; and what stays with the coalition."""

    world: World
    folder: Path
    statement: Path
    proof: Path
    policy: Path
    partner: object

    def verify(self, **changed: bytes) -> offline_proof.Proven:
        for name, content in changed.items():
            path = getattr(self, name)
            path.with_suffix(".changed").write_bytes(content)
        statement = self.statement.with_suffix(".changed") if "statement" in changed else self.statement
        policy = policies.parse(self.policy.read_bytes())
        return offline_proof.verify(statement, changed.get("proof", self.proof.read_bytes()), policy)


def statement_of(world: World, partner_id, day=DAY, cycle: str = cycles.DAILY, attempt: int = 1) -> bytes:
    """The file of a statement, of a run that may have been abandoned."""
    with world.database.reading() as session:
        found = next(
            run for run in runs.newest(session, limit=100)
            if (run.cycle, run.last_day, run.attempt) == (cycle, day, attempt)
        )  # fmt: skip
        content = statements.content(session, found)
        return "".join(statements.as_json(session, content, partner_id)).encode()


def settled(world: World, days: int = DAYS) -> list:
    """Three brands, and so many settled days, on the first of which points crossed, both ways."""
    brands = [world.partner(code) for code in ("greengrocer", "fuelway", "pagebound")]
    for brand in brands:
        agree(world, brand, "0.95")
    trade(world, brands)
    for n in range(days):
        run(world, DAY + timedelta(days=n), MIDNIGHT + timedelta(days=n))
    return brands


def trade(world: World, brands: list) -> None:
    member = world.member()
    world.earn(brands[0].partner_id, member, 101)
    for number, points in ((1, 61), (2, 40)):
        world.burn(brands[1].partner_id, member, points, reference=f"F{number}")
    world.earn(brands[1].partner_id, member, 50)
    world.burn(brands[0].partner_id, member, 10, reference="G1")


def restored(world: World, dump: Path) -> tuple[str, World]:
    """The books as they were when `dump` was taken, in a database of their own, whose name comes first."""
    live = make_url(str(world.settings.database_url))
    name = f"coalition_older_{secrets.token_hex(4)}"
    elsewhere = shown(live.set(database=name))
    with psycopg.connect(shown(live), autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    tool("pg_restore", "--exit-on-error", "--dbname", elsewhere, str(dump))
    settings = replace(world.settings, database_url=elsewhere)
    logins.prepare(settings, migrate=True)
    return name, replace(world, settings=settings, database=logins.service_database(settings))


def test_books_from_an_older_backup_can_neither_publish_nor_be_witnessed(world: World, tmp_path: Path) -> None:
    """The drill of docs/how-to/back-up.md."""
    settled(world, days=2)
    folder, dump = tmp_path / "days", tmp_path / "coalition.dump"
    publish(world, folder)
    tool(
        "pg_dump",
        "--format",
        "custom",
        "--file",
        str(dump),
        "--dbname",
        shown(make_url(str(world.settings.database_url))),
    )
    for n in (2, 3):
        run(world, DAY + timedelta(days=n), MIDNIGHT + timedelta(days=n))
    publish(world, folder)
    cosign(folder, W1)
    name, older = restored(world, dump)
    try:
        with pytest.raises(LogContradicted, match="holds 4 days and these books have 2: they were restored"):
            publish(older, folder)
        for n in (2, 3, 4):  # the nights run again, a minute later than they did
            late = MIDNIGHT + timedelta(days=n, minutes=1)
            run(older, DAY + timedelta(days=n), late)
        with pytest.raises(LogContradicted, match=r"the 4 days in .* are not the first 4 of these books"):
            publish(older, folder)
        anew = tmp_path / "anew"
        assert publish(older, anew).size == 5
        with pytest.raises(WitnessRefuses, match=r"forked: .* the 4 leaves that we saw are not the first"):
            cosign(anew, W1)
    finally:
        older.database.close()
        with psycopg.connect(str(world.settings.database_url), autocommit=True) as owner:
            owner.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def files(world: World, tmp_path: Path) -> Files:
    brands = settled(world)
    folder = tmp_path / "days"
    publish(world, folder)
    cosign(folder, W1, W2)
    with world.transaction() as session:
        made = logged_days.prove(
            session, log_folders.read(folder), day=DAY, partner_id=brands[1].partner_id, cycle=cycles.DAILY
        )
    paths = [tmp_path / name for name in ("fuelway.json", "fuelway.json.tlog-proof", "policy")]
    contents = (statement_of(world, brands[1].partner_id), str(made).encode(), POLICY.encode())
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return Files(world, folder, *paths, brands[1])


def test_a_statement_is_proven_by_its_files_plain_and_packed(files: Files) -> None:
    plain = files.statement.read_bytes()
    for content in (plain, gzip.compress(plain), gzip.compress(plain[:99]) + gzip.compress(plain[99:])):
        found = files.verify(statement=content)
        assert (found.partner_id, found.cycle, found.leaf.day, found.index, found.checkpoint.size) == (
            files.partner.partner_id, cycles.DAILY, DAY, 0, DAYS,
        )  # fmt: skip
        assert found.cosigned_by == ("W1", "W2")


def command(files: Files, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a partner runs it: no database, no Redis, a home of its own."""
    nowhere = {
        "COALITION_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "COALITION_REDIS_URL": "redis://127.0.0.1:1/0",
        "PATH": os.environ["PATH"],
    }
    words = ["settlement", "verify", str(files.statement), "--policy", str(files.policy), *more]
    return subprocess.run(
        [sys.executable, "-m", "cli", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**nowhere, **environment},
    )


def test_the_command_needs_no_database_and_says_proven_refused_or_unreadable(files: Files) -> None:
    done = command(files)
    assert (done.returncode, done.stderr) == (0, "")
    shown = ids.show(ids.PARTNER, files.partner.partner_id)
    assert done.stdout.startswith(
        f"proven: {files.statement} is the statement of {shown} of the daily run that ends on 2026-03-02\n"
    )
    said = json.loads(command(files, "--json").stdout)
    assert (said["verdict"], said["day"], said["size"], said["cosigned_by"]) == (
        "proven",
        "2026-03-02",
        4,
        ["W1", "W2"],
    )
    content = files.statement.read_bytes()
    files.statement.write_bytes(content.replace(b'"net_minor":86', b'"net_minor":87'))
    done = command(files)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("refused: the first line of the file was changed")
    assert json.loads(command(files, "--json").stdout)["verdict"] == "refused"
    for gone in ("--proof", "--policy"):
        done = command(files, gone, "/no/such/file")
        assert (done.returncode, done.stderr) == (2, "unreadable: /no/such/file: No such file or directory\n")
    files.policy.write_text("quorum me\n")
    assert command(files).returncode == 2
    assert json.loads(command(files, "--json").stdout) == {
        "verdict": "unreadable", "detail": "line 1: me is not defined before",
    }  # fmt: skip


@pytest.mark.parametrize("what", ["statement", "proof"])
def test_one_changed_byte_anywhere_is_refused(files: Files, what: str) -> None:
    content = getattr(files, what).read_bytes()
    for at in range(len(content)):
        for bit in (1, 32, 128):
            changed = content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :]
            with pytest.raises(StatementRefused) as error:
                files.verify(**{what: changed})
            assert error.value.detail
    for changed in (content[:-1], content + b"\n", content[1:], b"", content * 2):
        with pytest.raises(StatementRefused):
            files.verify(**{what: changed})


def test_a_gzip_file_with_a_changed_byte_is_refused_or_holds_the_same_statement(files: Files) -> None:
    plain = files.statement.read_bytes()
    content = gzip.compress(plain)
    same = 0
    for at in range(len(content)):
        changed = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        try:
            files.verify(statement=changed)
        except StatementRefused:
            continue
        same += 1
        assert gzip.decompress(changed) == plain, "only how it is packed may differ: a time, a system"
    assert same < 50


def test_a_checkpoint_with_a_changed_byte_is_no_log_any_more(files: Files) -> None:
    path = files.folder / "checkpoint"
    content = path.read_bytes()
    policy = policies.parse(POLICY.encode())
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        try:
            published = log_folders.read(files.folder)
            signed = published.note.signed_by(policy.logs_of(published.checkpoint.origin))
            whole = bool(signed) and policy.is_met([each.name for each in policy.cosigners(published.note)])
        except (notes.MalformedLogFile, OSError):
            whole = False
        assert not whole, at


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        (POLICY.replace("quorum both", "quorum none"), None),
        (f"log {SigningKey.new(LOG_KEY.name, of=LOG).verifier}\nquorum none\n", "is not signed with the policy's key"),
        (f"log {SigningKey.new('other.example', of=LOG).verifier}\nquorum none\n", "which the policy doesn't name"),
        (f"log {LOG_KEY.verifier}\nwitness W {SigningKey.new('w', of=WITNESS).verifier}\nquorum W\n",
         "too few witnesses cosigned the checkpoint: the policy asks for W, and there is none that it names"),
    ],
    ids=["log alone", "another key", "another log", "another witness"],
)  # fmt: skip
def test_whom_to_trust_is_the_policys_to_say(files: Files, policy: str, says: str | None) -> None:
    files.policy.write_text(policy)
    if says is None:
        assert files.verify().index == 0
    else:
        with pytest.raises(StatementRefused, match=says):
            files.verify()


def test_the_proof_of_one_partner_is_none_for_another_nor_for_another_day(files: Files) -> None:
    world = files.world
    with world.transaction() as session:
        partner_ids = session.scalars(text("SELECT partner_id FROM partners.partner")).all()
        published = log_folders.read(files.folder)
        for partner_id in partner_ids:
            for n in range(DAYS):
                day = DAY + timedelta(days=n)
                made = logged_days.prove(session, published, day=day, partner_id=partner_id, cycle=cycles.DAILY)
                if (partner_id, day) == (files.partner.partner_id, DAY):
                    assert files.verify(proof=str(made).encode()).index == 0
                else:
                    with pytest.raises(StatementRefused, match="the file is not the statement"):
                        files.verify(proof=str(made).encode())


def test_there_is_no_proof_of_what_is_not_published(files: Files) -> None:
    run(files.world, DAY + timedelta(days=DAYS), MIDNIGHT + timedelta(days=DAYS))
    published, late = log_folders.read(files.folder), DAY + timedelta(days=DAYS)
    with files.world.transaction() as session, pytest.raises(DayNotLogged):
        logged_days.prove(session, published, day=late, partner_id=files.partner.partner_id, cycle=cycles.DAILY)
    assert extend(files.world) == [late]
    with files.world.transaction() as session:
        for day, partner_id in ((late, files.partner.partner_id), (DAY, ids.new())):
            with pytest.raises(StatementNotLogged):
                logged_days.prove(session, published, day=day, partner_id=partner_id, cycle=cycles.DAILY)


@pytest.mark.parametrize(
    ("name", "lie", "says"),
    [
        ("last_day", "2026-03-01", "the last day '2026-03-01'"),
        ("cycle", "weekly", "the cycle 'weekly'"),
        ("partner_id", "prt_01h45ytscbebyvny4gc8cr8ma2", "the partner 'prt_01h45ytscbebyvny4gc8cr8ma2'"),
        ("statement", "coalition.settlement/1", "the form 'coalition.settlement/1'"),
        ("seals", [], "the chain of the last day None"),
        ("seals", [{"chain": "00" * 32}], "the chain of the last day '0000"),
    ],
)
def test_a_statement_that_says_something_else_than_its_leaf_is_refused(
    files: Files, tmp_path: Path, name: str, lie: object, says: str
) -> None:
    """That a coalition signs: the log holds the file, and the file says something else of whose and when it is."""
    leaf = day_leaves.DayLeaf.parse(leaves(files.world)[0].decode())
    terms = json.loads(files.statement.read_bytes())
    del terms["lines"], terms["content_hash"]
    terms[name] = lie
    head = "".join(statement_form.written(terms, [])).encode().partition(b"\n")[0]
    content = head + b"\n" + files.statement.read_bytes().partition(b"\n")[2]
    partner_id, cycle = files.partner.partner_id, cycles.DAILY
    settled = day_leaves.Settled(bytes(32), [(partner_id, cycle, statement_form.content_hash(terms))])
    signed = day_leaves.DayLeaf(**{**vars(leaf), "settled": day_leaves.root_of(settled, bytes(32))})
    blind = day_leaves.blind(bytes(32), partner_id, cycle)
    path = StatementPath(partner_id, cycle, blind, 0, [], str(signed))
    log_folders.publish(tmp_path / "lies", [str(signed).encode()], LOG_KEY)
    made = offline_proof.Proof(str(path).encode(), 0, (), log_folders.read(tmp_path / "lies").note)
    files.policy.write_text(POLICY.replace("quorum both", "quorum none"))
    with pytest.raises(StatementRefused, match=f"the statement says {says}"):
        files.verify(statement=content, proof=str(made).encode())


def test_a_weekly_statement_is_in_the_leaf_of_the_last_day_of_its_week(world: World, tmp_path: Path) -> None:
    brands = [world.partner(code) for code in ("greengrocer", "fuelway", "pagebound")]
    for brand in brands:
        agree(world, brand, "0.95")
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute("UPDATE settlement.agreement SET cycle = 'weekly' WHERE partner_id = %s", [brands[1].partner_id])
    trade(world, brands)
    for n in range(7):
        run(world, DAY + timedelta(days=n), MIDNIGHT + timedelta(days=n))
    publish(world, tmp_path / "days")
    published, sunday = log_folders.read(tmp_path / "days"), DAY + timedelta(days=6)
    policy = policies.parse(POLICY.replace("quorum both", "quorum none").encode())

    def prove(brand, cycle: str, day=sunday) -> bytes:
        with world.database.reading() as session:
            made = logged_days.prove(session, published, day=day, partner_id=brand.partner_id, cycle=cycle)
        return str(made).encode()

    both_ways = {(brand.code, cycle): prove(brand, cycle) for brand, cycle in (
        (brands[0], cycles.DAILY), (brands[0], cycles.WEEKLY), (brands[1], cycles.WEEKLY), (brands[2], cycles.DAILY),
    )}  # fmt: skip
    for brand in brands:
        for cycle in (cycles.DAILY, cycles.WEEKLY):
            file = tmp_path / "statement.json"
            file.write_bytes(statement_of(world, brand.partner_id, sunday, cycle))
            for of, proof in both_ways.items():
                if of == (brand.code, cycle):
                    found = offline_proof.verify(file, proof, policy)
                    assert (found.partner_id, found.cycle, found.leaf.day) == (brand.partner_id, cycle, sunday)
                else:
                    with pytest.raises(StatementRefused, match="the file is not the statement"):
                        offline_proof.verify(file, proof, policy)
    for brand, cycle, day in (
        (brands[1], cycles.DAILY, sunday), (brands[2], cycles.WEEKLY, sunday), (brands[1], cycles.WEEKLY, DAY),
        (brands[1], cycles.MONTHLY, sunday),
    ):  # fmt: skip
        with pytest.raises(StatementNotLogged):
            prove(brand, cycle, day)


def test_a_day_has_its_leaf_once_all_runs_that_end_with_it_are_calculated(world: World) -> None:
    settled(world, days=7)
    sunday = DAY + timedelta(days=6)
    with world.database.transaction() as session:
        whole = logged_days.settled_on(session, sunday)
        assert whole is not None
        assert logged_days.settled_on(session, sunday + timedelta(days=1)) is None
        for cycle in (cycles.WEEKLY, cycles.DAILY):
            session.execute(text("SAVEPOINT here"))
            session.execute(text("SET LOCAL ROLE NONE"))
            change = "UPDATE settlement.run SET state = 'open', content_hash = NULL WHERE last_day = :d AND cycle = :c"
            session.execute(text(change), {"d": sunday, "c": cycle})
            assert logged_days.settled_on(session, sunday) is None
            session.execute(text("ROLLBACK TO SAVEPOINT here"))
        assert logged_days.settled_on(session, sunday) == whole


def test_an_abandoned_run_leaves_its_statements_in_the_log_and_the_next_attempt_has_none(files: Files) -> None:
    world, partner_id = files.world, files.partner.partner_id
    with world.transaction() as session:
        found = runs.of_day(session, DAY)
        approvals.abandon(session, replace(act(world.keyring), reason="a price was wrong"), run_id=found.run_id)
        assert logged_days.first_broken(session) is None
    nightly.run(world.database, act(world.keyring, now=NOW + timedelta(days=9)), day=DAY)
    with world.transaction() as session:
        again = runs.of_day(session, DAY)
        assert (again.attempt, again.content_hash is not None) == (2, True)
        assert logged_days.first_broken(session) is None
        made = logged_days.prove(
            session, log_folders.read(files.folder), day=DAY, partner_id=partner_id, cycle=cycles.DAILY
        )
    assert str(made) == files.proof.read_text()
    assert statement_of(world, partner_id) == files.statement.read_bytes()
    assert files.verify().index == 0
    with pytest.raises(StatementRefused, match="The log holds first attempts of runs only"):
        files.verify(statement=statement_of(world, partner_id, attempt=2))


# A stranger's verifier: nothing of ours, only what docs/seals.md says.


def stranger_root(hashed: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    if size == 1:
        return hashed
    split = 1
    while split * 2 < size:
        split *= 2
    if index < split:
        return hashlib.sha256(b"\x01" + stranger_root(hashed, index, split, path[:-1]) + path[-1]).digest()
    return hashlib.sha256(b"\x01" + path[-1] + stranger_root(hashed, index - split, size - split, path[:-1])).digest()


def uuid_of(shown: str) -> str:
    """The id in a TypeID: 26 digits of 5 bits."""
    number = 0
    for digit in shown.rpartition("_")[2]:
        number = number * 32 + "0123456789abcdefghjkmnpqrstvwxyz".index(digit)
    return str(UUID(int=number))


def stranger_content(statement: bytes) -> str:
    """The hash of the terms, which name the hashes of the lines."""
    terms = statement.partition(b"\n")[0].rpartition(b',"content_hash":')[0] + b"}"
    said = json.loads(statement)
    digests = [hashlib.sha256() for _ in said["obligations"]]
    for line in said["lines"]:
        hashed = [uuid_of(line["transaction_id"])] + [str(line[name]) for name in (
            "seq", "posted_on", "issued_on", "concerns", "points", "amount_minor", "reference")]  # fmt: skip
        digests[line["obligation"]].update(("|".join(hashed) + "\n").encode())
    assert [one["lines_digest"] for one in json.loads(terms)["obligations"]] == [one.hexdigest() for one in digests]
    assert said["content_hash"] == hashlib.sha256(terms).hexdigest()
    return said["content_hash"]


def stranger(statement: bytes, proof: str, log_key: str, witness_keys: list[str]) -> dict[str, str]:
    """The leaf's fields, where all holds."""
    head, _, note = proof.partition("\n\n")
    form, extra, index, *path = head.split("\n")
    assert form == "c2sp.org/tlog-proof@v1"
    body, _, signatures = note.rpartition("\n\n")
    body += "\n"
    origin, size, root = body.split("\n")[:3]
    for vkey in (log_key, *witness_keys):
        name, key_id, encoded = vkey.split("+", 2)
        kind, public = base64.b64decode(encoded)[0], base64.b64decode(encoded)[1:]
        assert hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4].hex() == key_id
        (line,) = [each for each in signatures.splitlines() if each.startswith(f"— {name} ")]
        data = base64.b64decode(line.rpartition(" ")[2])
        assert data[:4].hex() == key_id
        message, signature = body.encode(), data[4:]
        if kind == 4:
            time, signature = int.from_bytes(signature[:8], "big"), signature[8:]
            message = f"cosignature/v1\ntime {time}\n".encode() + message
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    assert origin == log_key.partition("+")[0]
    own, _, leaf = base64.b64decode(extra.removeprefix("extra ")).decode().partition("\n\n")
    hashed = hashlib.sha256(b"\x00" + leaf.encode()).digest()
    place = int(index.removeprefix("index "))
    assert stranger_root(hashed, place, int(size), list(map(base64.b64decode, path))) == base64.b64decode(root)
    fields = dict(line.split(" ", 1) for line in leaf.splitlines() if " " in line)
    form, partner, cycle, blind, index, *path = own.split("\n")
    assert form == "coalition.statement-proof/1"
    own_leaf = f"coalition.statement/1\n{partner}\n{cycle}\n{blind}\ncontent {stranger_content(statement)}\n"
    hashed = hashlib.sha256(b"\x00" + own_leaf.encode()).digest()
    count, root = fields["statements"].split()
    place = int(index.removeprefix("index "))
    assert stranger_root(hashed, place, int(count), list(map(base64.b64decode, path))).hex() == root
    return fields


_KEPT_DAYS = text("""
    SELECT d.day, chain, content_hash, digest, postings
    FROM coalition.sealed_day d JOIN settlement.settled_day USING (day)
""")
# The lines that the hash of a settled day is over, as docs/seals.md says.
_OBLIGATION_LINES = text("""
    SELECT concat_ws('|', day, payer, payee, kind, currency, agreement, points, amount_minor, cycle, digest)
    FROM (SELECT *, replace(payer_id::text, '-', '') AS payer, replace(payee_id::text, '-', '') AS payee,
                 coalesce(replace(agreement_id::text, '-', ''), '') AS agreement,
                 coalesce(encode(lines_digest, 'hex'), '') AS digest
          FROM settlement.obligation WHERE day = :day) o
    ORDER BY payer, payee, kind COLLATE "C", currency COLLATE "C", agreement
""")


def test_a_stranger_verifies_each_statement_of_each_day(files: Files) -> None:
    world, published = files.world, log_folders.read(files.folder)
    with world.transaction() as session:
        kept = {row.day: row for row in session.execute(_KEPT_DAYS)}
        owed = {day: session.scalars(_OBLIGATION_LINES, {"day": day}).all() for day in kept}
        rows = session.execute(
            text("SELECT last_day AS day, partner_id FROM settlement.run_statement JOIN settlement.run USING (run_id)")
        ).all()
        proofs = [
            logged_days.prove(session, published, day=row.day, partner_id=row.partner_id, cycle=cycles.DAILY)
            for row in rows
        ]
    assert len(rows) == 3 * DAYS
    for row, proof in zip(rows, proofs, strict=True):
        statement = statement_of(world, row.partner_id, row.day)
        fields = stranger(statement, str(proof), str(LOG_KEY.verifier), [str(W1.verifier), str(W2.verifier)])
        due = kept[row.day]
        assert (fields["day"], fields["chain"], fields["settlement"], fields["digest"], fields["postings"]) == (
            str(row.day), due.chain.hex(), due.content_hash.hex(), due.digest.hex(), str(due.postings),
        )  # fmt: skip
        before = kept.get(row.day - timedelta(days=1))
        assert fields["before"] == (before.chain if before else bytes(32)).hex()
        settlement = hashlib.sha256("".join(f"{line}\n" for line in owed[row.day]).encode())
        assert settlement.hexdigest() == fields["settlement"]


def test_the_whole_way_by_commands(world: World, tmp_path: Path, monkeypatch) -> None:
    settled(world)
    for name in ("database_url", "redis_url", "data_dir", "secret_key"):
        monkeypatch.setenv(f"COALITION_{name.upper()}", str(getattr(world.settings, name)))
    monkeypatch.setenv("COALITION_SANDBOX", "none")
    monkeypatch.chdir(tmp_path)

    def coalition(*words: str, fails: int = 0) -> str:
        done = CliRunner().invoke(main, words)
        assert done.exit_code == fails, (words, done.output)
        return done.output

    log = coalition("seal", "new-key", "coalition.example/days", "log.key").strip()
    seen = coalition("seal", "new-key", "w.example", "w.key", "--witness").strip()
    assert "already exists" in coalition("seal", "new-key", "w.example", "w.key", fails=1)
    assert oct((tmp_path / "log.key").stat().st_mode)[-3:] == "600"
    Path("policy").write_text(f"log {log}\nwitness W {seen}\nquorum W\n")
    assert "4 days of coalition.example/days, 4 of them new" in coalition("seal", "publish", "days", "--key", "log.key")
    assert ", 0 of them new" in coalition("seal", "publish", "days", "--key", "log.key")
    assert "is not met" in coalition("seal", "gather", "days", "--policy", "policy", fails=1)
    witness = ("seal", "witness", "days", "--key", "w.key", "--state", "seen.json", "--policy", "policy")
    assert coalition(*witness, "--out", "w.sig") == "w.sig: cosigned 4 days of coalition.example/days\n"
    assert "cosigned by W" in coalition("seal", "gather", "days", "w.sig", "--policy", "policy")
    assert "another checkpoint" not in coalition(*witness), "it may cosign the same again"
    coalition("settlement", "proof", "2026-03-02", "fuelway", "days", "--out", "fuelway.json.tlog-proof")
    assert coalition("settlement", "proof", "2026-03-02", "fuelway", "days", "--cycle", "daily").startswith(
        "2026-03-02-fuelway-daily.json.tlog-proof: the proof of fuelway's statement of the daily run"
    )
    assert "holds no statement of this partner for the monthly run that ends on 2026-03-02" in coalition(
        "settlement", "proof", "2026-03-02", "fuelway", "days", "--cycle", "monthly", fails=1
    )
    with world.transaction() as session:
        partner_id = session.scalar(text("SELECT partner_id FROM partners.partner WHERE code = 'fuelway'"))
    Path("fuelway.json").write_bytes(statement_of(world, partner_id))
    assert "proven" in coalition("settlement", "verify", "fuelway.json", "--policy", "policy")


def test_the_books_and_their_log_are_compared(files: Files) -> None:
    def broken() -> str | None:
        with files.world.transaction() as session:
            return logged_days.first_broken(session)

    verify.install()
    assert broken() is None
    of_the_fourth = (
        "WHERE run_id = (SELECT run_id FROM settlement.run WHERE cycle = 'daily' AND last_day = '2026-03-04')"
    )
    unsettled = "is in the log as settled, and not in these books"
    for statement, says in {
        "UPDATE coalition.log_leaf SET leaf = replace(leaf, 'postings 5', 'postings 6')": "says something else",
        "UPDATE coalition.log_leaf SET salt = sha256('x') WHERE index = 1": "2026-03-03: its leaf",
        "DELETE FROM coalition.log_leaf WHERE index = 1": "2026-03-04: is leaf 2 of the log, where leaf 1, 2026-03-03,",
        "UPDATE settlement.settled_day SET content_hash = sha256('x') WHERE day = '2026-03-04'": "2026-03-04: its leaf",
        f"UPDATE settlement.run_statement SET content_hash = sha256('x') {of_the_fourth}": "2026-03-04: its leaf",
        f"DELETE FROM settlement.run_statement {of_the_fourth} AND partner_id = (SELECT min(partner_id::text)::uuid "
        "FROM partners.partner)": "2026-03-04: its leaf",
        f"UPDATE settlement.run SET state = 'closed', content_hash = NULL {of_the_fourth}": unsettled,
        "DELETE FROM settlement.settled_day WHERE day = '2026-03-05'": unsettled,
        "DELETE FROM coalition.sealed_day WHERE day = '2026-03-05'": "is in the log and not sealed in these books",
    }.items():
        with files.world.database.transaction() as session:
            session.execute(text("SAVEPOINT here"))
            session.execute(text("SET LOCAL ROLE NONE"))
            session.execute(text("SET LOCAL session_replication_role = replica"))
            session.execute(text(statement))
            assert says in (logged_days.first_broken(session) or ""), statement
            session.execute(text("ROLLBACK TO SAVEPOINT here"))
    assert broken() is None


def test_the_log_waits_for_a_day_that_is_not_settled_unless_one_settles_elsewhere(world: World) -> None:
    settled(world, days=2)
    later = NOW + timedelta(days=4)
    for n in (2, 3):
        closing.close_day(world.database, act(world.keyring, now=later), day=DAY + timedelta(days=n))
    run(world, DAY + timedelta(days=3), later)
    assert extend(world) == [DAY, DAY + timedelta(days=1)]
    assert extend(world) == []
    with world.transaction() as session:
        added = day_log.extend(session, act(world.keyring), settled_on=logged_days.settled_on, without_settlement=True)
    assert added == [DAY + timedelta(days=n) for n in (2, 3)]
    assert leaves(world)[2].endswith(b"settlement none\n")
    run(world, DAY + timedelta(days=2), later)
    with world.transaction() as session:
        assert logged_days.first_broken(session) is None
