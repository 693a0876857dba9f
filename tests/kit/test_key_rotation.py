"""Another secret key takes the place of the first: nothing is lost on the way, and then the first opens nothing."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from sqlalchemy import make_url

from cli import main
from coalition import closing, programme, verify
from kit import audit, ids, logins, root_key, sandbox, secret_key
from kit.db import SERVICE_ROLE, TENANT_ROLE, Database, try_lock
from kit.root_key import BooksNotOpen, WrongSecretKey
from kit.secret_key import SecretKey
from kit.settings import Settings, SettingsError
from ops import key_rotation, sandbox_setup
from tests.conftest import NOW, World, act, audited, drop_logins

WHY = ("--reason", "a laptop was lost", "--by", "Ann")
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Operator:
    """Runs `coalition key …` where the secret key stands in a file."""

    world: World
    variables: dict[str, str]

    @property
    def folder(self) -> Path:
        return self.world.settings.data_dir

    @property
    def file(self) -> Path:
        return self.folder / secret_key.FILE

    @property
    def in_place(self) -> SecretKey:
        return SecretKey(secret_key.read(self.file))

    def settings(self, key: SecretKey) -> Settings:
        return replace(self.world.settings, secret_key=key.hex)

    def run(self, *words: str, typed: str | None = None, **variables: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["key", *words], env={**self.variables, **variables}, input=typed)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.output
        return done.exit_code, done.output

    def rotate(self, *words: str, **more: str) -> SecretKey:
        code, said = self.run("rotate", *WHY, *words, **more)
        assert code == 0, said
        return self.in_place

    def refused(self, *words: str, typed: str | None = None, **variables: str) -> str:
        """The one line that it says."""
        code, said = self.run(*words, *(WHY if words[0] != "list" else ()), typed=typed, **variables)
        (line,) = said.splitlines()
        assert code == 1, said
        return line

    def states(self) -> dict[str, str]:
        code, said = self.run("list", "--json")
        assert code == 0, said
        return {row["key_id"]: row["state"] for row in json.loads(said)["data"]}

    def opens(self, key: SecretKey) -> bool:
        """Whether a process with `key` may log in and has the keys the books were opened with."""
        with suppress(WrongSecretKey):
            logins.prepare(self.settings(key), migrate=False)
            return logins.keyring(self.settings(key)) == self.world.keyring
        return False


@pytest.fixture
def operator(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    for name in [name for name in os.environ if name.startswith("COALITION_")]:
        monkeypatch.delenv(name)
    chosen = world.settings
    variables = {
        f"COALITION_{name.upper()}": str(getattr(chosen, name)) for name in ("database_url", "redis_url", "data_dir")
    }
    made = Operator(world, {**variables, "COALITION_SANDBOX": "none"})
    secret_key.make(made.file, secret_key.of(chosen).value)
    yield made
    for file in made.folder.glob(f"{secret_key.FILE}*"):
        with suppress(SettingsError):
            drop_logins(made.settings(SecretKey(secret_key.read(file))))


def login_names(key: SecretKey) -> set[str]:
    return {key.login(role)[0] for role in (SERVICE_ROLE, TENANT_ROLE)}


def logins_of(world: World, key: SecretKey) -> set[str]:
    with psycopg.connect(str(world.settings.database_url)) as owner:
        names = owner.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [list(login_names(key))])
        return {name for (name,) in names}


def change(world: World, statement: str, *values: object) -> None:
    with psycopg.connect(str(world.settings.database_url)) as owner:
        assert owner.execute(statement.encode(), values).rowcount == 1


def test_a_new_key_takes_the_place_of_the_first_and_the_first_then_opens_nothing(operator: Operator) -> None:
    world, first = operator.world, operator.in_place
    grocer, member = ids.new(), world.member()
    world.earn(grocer, member, 500)
    closing.close_day(world.database, act(world.keyring, now=NOW + timedelta(days=1)), day=NOW.date())
    kept = psycopg.connect(str(logins.resolve(world.settings).database_url))  # a process that goes on meanwhile
    second = operator.rotate()
    assert second != first
    assert operator.file.stat().st_mode & 0o777 == 0o600
    assert secret_key.read(operator.folder / f"secret.key.{first.key_id}") == first.value
    assert operator.states() == {first.key_id: "opens", second.key_id: "in use"}
    assert (operator.opens(first), operator.opens(second)) == (True, True)

    assert "1 connections are open under the secret key" in operator.refused("retire", first.key_id)
    kept.close()
    assert operator.run("retire", first.key_id, *WHY)[0] == 0
    assert operator.states() == {first.key_id: "retired", second.key_id: "in use"}
    assert (operator.opens(first), operator.opens(second)) == (False, True)
    assert logins_of(world, first) == set()
    assert logins_of(world, second) == login_names(second)

    database = logins.service_database(operator.settings(second))
    after = replace(world, settings=operator.settings(second), database=database)
    after.burn(grocer, member, 120)
    assert after.available(member) == 380
    with database.transaction() as session:
        verify.snapshot(session)
        programme.require_key(session, root_key.read(session, second))
        assert [each for each in verify.run(session, keyring=world.keyring) if each.broken] == []
        assert audit.verify(session, keyring=world.keyring).broken_seq is None
    entries = audited(database)
    database.close()
    assert [(each["action"], each["subject"]) for each in entries] == [
        ("secret_key.retired", first.key_id),
        ("secret_key.added", second.key_id),
    ]
    assert entries[0]["facts"] == {"reason": "a laptop was lost", "by": "Ann"}


def test_no_key_is_ever_said(operator: Operator) -> None:
    first = operator.in_place
    said = operator.run("rotate", *WHY)[1] + operator.run("retire", first.key_id, *WHY)[1] + operator.run("list")[1]
    said += "".join(operator.refused("rotate", "--new-key", "-", typed=first.hex))
    assert first.key_id in said
    assert first.hex not in said
    assert operator.in_place.hex not in said


def test_of_the_first_key_no_byte_is_left_in_the_tables_file(operator: Operator) -> None:
    world, first = operator.world, operator.in_place
    with psycopg.connect(str(world.settings.database_url), autocommit=True) as owner:
        ((wrapped,),) = owner.execute("SELECT wrapped FROM kit.root_key").fetchall()
        owner.execute("CHECKPOINT")
        assert holds(owner, wrapped)
        operator.rotate()
        operator.run("retire", first.key_id, *WHY)
        owner.execute("CHECKPOINT")
        assert not holds(owner, wrapped)


def test_a_retirement_killed_before_the_file_was_written_anew_goes_on(operator: Operator) -> None:
    first, url = operator.in_place, str(operator.world.settings.database_url)
    with psycopg.connect(url, autocommit=True) as owner:
        ((wrapped,),) = owner.execute("SELECT wrapped FROM kit.root_key").fetchall()
        operator.rotate()
        killed_behind(operator, "ops.key_rotation._take_away", "retire", first.key_id)
        assert operator.states()[first.key_id] == "retired"
        owner.execute("CHECKPOINT")
        assert holds(owner, wrapped)
        assert "was retired on" in operator.refused("retire", first.key_id)
        owner.execute("CHECKPOINT")
        assert not holds(owner, wrapped)


def test_a_key_that_a_transaction_may_still_see_is_said_to_be_in_the_file(operator: Operator) -> None:
    first, url = operator.in_place, str(operator.world.settings.database_url)
    with psycopg.connect(url) as reader, psycopg.connect(url, autocommit=True) as owner:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        ((wrapped,),) = owner.execute("SELECT wrapped FROM kit.root_key").fetchall()
        reader.execute("SELECT count(*) FROM kit.event")  # its snapshot is from before, and it locks no key
        operator.rotate()
        assert "still contains it" in operator.refused("retire", first.key_id, *WHY)
        owner.execute("CHECKPOINT")
        assert holds(owner, wrapped)
        reader.rollback()
        assert "was retired on" in operator.refused("retire", first.key_id)
        owner.execute("CHECKPOINT")
        assert not holds(owner, wrapped)


def holds(owner: psycopg.Connection, wrapped: bytes) -> bool:
    """Whether these bytes are in the file of the table of root keys."""
    row = owner.execute("SELECT pg_read_binary_file(pg_relation_filepath('kit.root_key'))").fetchone()
    return row is not None and wrapped in row[0]


def test_a_retired_key_gets_no_logins_again(operator: Operator) -> None:
    first = operator.in_place
    operator.rotate()
    operator.run("retire", first.key_id, *WHY)
    with pytest.raises(WrongSecretKey, match=rf"{first.key_id} was retired on .* took its place"):
        logins.prepare(operator.settings(first), migrate=True)
    assert logins_of(operator.world, first) == set()


def test_logins_of_the_version_before_go_with_their_key(operator: Operator) -> None:
    first, url = operator.in_place, str(operator.world.settings.database_url)
    with psycopg.connect(url, autocommit=True) as owner:
        for role in (SERVICE_ROLE, TENANT_ROLE):
            of_today, of_before = first.login(role)[0], first.login_of_before(role)
            owner.execute(f'ALTER ROLE "{of_today}" RENAME TO "{of_before}"')
        logins.prepare(operator.world.settings, migrate=True)
        operator.rotate()
        assert operator.run("retire", first.key_id, *WHY)[0] == 0
        names = [first.login_of_before(role) for role in (SERVICE_ROLE, TENANT_ROLE)]
        assert owner.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [names]).fetchall() == []
    assert logins_of(operator.world, first) == set()


def test_who_holds_on_with_the_first_key_is_put_out_by_force(operator: Operator) -> None:
    first = operator.in_place
    holder = psycopg.connect(str(logins.resolve(operator.world.settings).database_url), autocommit=True)
    operator.rotate()
    assert "--force" in operator.refused("retire", first.key_id)
    code, said = operator.run("retire", first.key_id, "--force", *WHY)
    assert code == 0, said
    with pytest.raises(psycopg.OperationalError):
        holder.execute("SELECT 1")
    assert logins_of(operator.world, first) == set()


@pytest.mark.parametrize(
    ("edge", "placed"),
    [
        ("kit.secret_key.make", False),
        ("kit.root_key.add", False),
        ("ops.key_rotation.add", False),
        ("kit.secret_key.put_in_place", True),
    ],
)
def test_a_rotation_killed_behind_any_step_goes_on(operator: Operator, edge: str, placed: bool) -> None:
    first = operator.in_place
    killed_behind(operator, edge, "rotate")
    left = operator.in_place
    assert (left != first) is placed
    assert operator.opens(left)
    if placed:
        second = left
        assert f"`coalition key retire {first.key_id} --reason …` ends it" in operator.refused("rotate")
    else:
        second = operator.rotate()
    assert operator.states() == {first.key_id: "opens", second.key_id: "in use"}
    assert operator.run("retire", first.key_id, *WHY)[0] == 0
    assert (operator.opens(first), operator.opens(second)) == (False, True)
    third = operator.rotate()
    assert third not in (first, second)


@pytest.mark.parametrize("edge", ["kit.logins.drop", "ops.key_rotation.retire"])
def test_a_retirement_is_whole_or_none(operator: Operator, edge: str) -> None:
    first = operator.in_place
    second = operator.rotate()
    killed_behind(operator, edge, "retire", first.key_id)
    is_done = edge.startswith("ops")
    assert operator.states() == {first.key_id: "retired" if is_done else "opens", second.key_id: "in use"}
    assert operator.opens(first) is not is_done
    assert operator.opens(second)
    if not is_done:
        assert operator.run("retire", first.key_id, *WHY)[0] == 0
    assert logins_of(operator.world, first) == set()


def killed_behind(operator: Operator, edge: str, *words: str) -> None:
    """Run the command in a process that dies as a killed one does, the moment the function `edge` has returned."""
    module, _, name = edge.rpartition(".")
    script = (
        f"import os, sys; from cli import main; import {module} as at\n"
        f"whole = at.{name}\n"
        f"def killed(*args, **kwargs):\n    whole(*args, **kwargs)\n    os._exit(9)\n"
        f"at.{name} = killed\n"
        "main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "key", *words, *WHY],
        cwd=ROOT, env={**os.environ, **operator.variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 9, done.stderr


def test_a_rotation_is_taken_back_with_the_key_that_was_not_put_in_place(operator: Operator) -> None:
    first, variables = operator.in_place, {"COALITION_SECRET_KEY": operator.in_place.hex}
    assert operator.run("rotate", "--new-key", str(operator.folder / key_rotation.DRAFT), *WHY, **variables)[0] == 0
    second = SecretKey(secret_key.read(operator.folder / key_rotation.DRAFT))
    assert operator.opens(second)
    assert operator.run("retire", second.key_id, *WHY)[0] == 0
    assert (operator.opens(first), operator.opens(second)) == (True, False)
    assert operator.rotate() not in (first, second)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE kit.root_key SET wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1)",
        "UPDATE kit.root_key SET wrapped = substr(wrapped, 1, 40)",
        "UPDATE kit.root_key SET programme_id = gen_random_uuid()",
    ],
)
def test_a_wrapping_that_was_changed_is_refused(operator: Operator, statement: str) -> None:
    change(operator.world, statement)
    assert "the row in kit.root_key was changed" in operator.refused("list")


def test_a_wrapping_of_other_books_under_the_same_key_is_refused(
    operator: Operator, fresh_database: Callable[[], str]
) -> None:
    key = operator.in_place
    other = Database(fresh_database())
    with other.transaction() as session:
        programme.ensure(session, now=NOW, currency="GBP", time_zone="UTC", key=key)
        (theirs,) = root_key.wrappings(session)
    other.close()
    change(operator.world, "UPDATE kit.root_key SET wrapped = %s", theirs.wrapped)
    assert "the row in kit.root_key was changed" in operator.refused("list")
    # With the programme's name beside it, it opens: it is another programme's, which the books say.
    change(operator.world, "UPDATE kit.root_key SET programme_id = %s", theirs.programme_id)
    with operator.world.transaction() as session, pytest.raises(WrongSecretKey, match="opened with another key"):
        programme.ensure(session, now=NOW, currency="GBP", time_zone="UTC", key=key)


def test_another_keys_wrapping_under_this_keys_name_is_refused(operator: Operator) -> None:
    first = operator.in_place
    second = operator.rotate()
    change(
        operator.world,
        "UPDATE kit.root_key SET wrapped = (SELECT wrapped FROM kit.root_key WHERE key_id = %s) WHERE key_id = %s",
        first.key_id, second.key_id,
    )  # fmt: skip
    assert "the row in kit.root_key was changed" in operator.refused("list")


def test_the_service_changes_no_wrapping_and_others_see_none(shared_world: World) -> None:
    with psycopg.connect(str(shared_world.settings.database_url)) as owner:
        may = owner.execute("""
            SELECT role, string_agg(what, ' ' ORDER BY what) FROM
                unnest(ARRAY['coalition_service', 'coalition_tenant', 'coalition_reports']) role,
                unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) what
            WHERE has_table_privilege(role, 'kit.root_key', what) OR (what IN ('SELECT', 'INSERT', 'UPDATE')
                AND has_any_column_privilege(role, 'kit.root_key', what)) GROUP BY role
        """).fetchall()
    assert may == [("coalition_service", "INSERT SELECT")]


def test_wrappings_that_were_taken_away_bring_no_new_root_key(operator: Operator) -> None:
    change(operator.world, "DELETE FROM kit.root_key")
    with pytest.raises(BooksNotOpen):
        logins.keyring(operator.world.settings)
    with operator.world.transaction() as session, pytest.raises(WrongSecretKey, match="opened with another key"):
        programme.ensure(session, now=NOW, currency="GBP", time_zone="UTC", key=operator.in_place)


def test_what_can_not_be_rotated_is_refused_in_one_line(operator: Operator) -> None:
    first, given = operator.in_place, operator.folder / "given"
    given.write_text(secrets.token_hex(31))
    assert f"{given}: expected 64 hexadecimal digits" in operator.refused("rotate", "--new-key", str(given))
    assert "is already in use" in operator.refused("rotate", "--new-key", "-", typed=first.hex + "\n")
    assert "standard input: expected" in operator.refused("rotate", "--new-key", "-", typed="")
    assert "there is no secret key 00" in operator.refused("retire", "00")
    assert "this command runs with the secret key" in operator.refused("retire", first.key_id)
    with operator.world.transaction() as session:
        assert try_lock(session, key_rotation.LOCK)
        assert "another rotation of the secret key is running" in operator.refused("rotate")
    second = operator.rotate()
    assert f"`coalition key retire {first.key_id} --reason …` ends it" in operator.refused("rotate")
    assert "in progress" in operator.refused("rotate", "--new-key", "-", typed=secrets.token_hex(32))
    operator.run("retire", first.key_id, *WHY)
    assert "was retired on" in operator.refused("retire", first.key_id)
    assert "was in use before and is retired" in operator.refused("rotate", "--new-key", "-", typed=first.hex)
    assert operator.states() == {first.key_id: "retired", second.key_id: "in use"}
    operator.file.with_name(f"{secret_key.FILE}.{second.key_id}").write_text(second.hex)
    operator.file.write_text(second.hex[:40])
    assert "secret.key: expected 64 hexadecimal digits" in operator.refused("list")
    operator.file.write_text(secrets.token_hex(32))
    assert "is not one of this database's" in operator.refused("list")


def test_with_the_key_in_a_variable_the_new_one_is_made_in_a_file_or_read_from_it(operator: Operator) -> None:
    first, made = operator.in_place, operator.folder / "new.key"
    operator.file.unlink()
    variables = {"COALITION_SECRET_KEY": first.hex}
    assert "use --new-key to name a file" in operator.refused("rotate", **variables)
    assert operator.run("rotate", "--new-key", str(made), *WHY, **variables)[0] == 0
    second = SecretKey(secret_key.read(made))
    assert made.stat().st_mode & 0o777 == 0o600
    assert not operator.file.exists()
    # The same again does nothing twice: it may have been killed before it said so.
    assert operator.run("rotate", "--new-key", str(made), *WHY, **variables)[0] == 0
    assert (operator.opens(first), operator.opens(second)) == (True, True)
    # The one to retire is the former, though it is the one this command has.
    said = operator.refused("rotate", "--new-key", "-", typed=secrets.token_hex(32), **variables)
    assert f"retire {first.key_id} --reason …` ends the rotation" in said
    assert f"retire {second.key_id} --reason …` takes it back" in said
    assert "this command runs with the secret key" in operator.refused("retire", first.key_id, **variables)
    variables = {"COALITION_SECRET_KEY": second.hex}
    assert operator.run("retire", first.key_id, *WHY, **variables)[0] == 0
    third = SecretKey(secrets.token_bytes(32))
    assert operator.run("rotate", "--new-key", "-", *WHY, typed=third.hex + "\n", **variables)[0] == 0
    assert (operator.opens(first), operator.opens(second), operator.opens(third)) == (False, True, True)
    for key in (second, third):
        drop_logins(operator.settings(key))


def test_the_sandbox_beside_live_rotates_with_it(operator: Operator, fresh_database: Callable[[], str]) -> None:
    world, first, variables = operator.world, operator.in_place, {"COALITION_SANDBOX": "beside"}
    variables["COALITION_SANDBOX_DATABASE_URL"] = fresh_database()
    live = replace(world.settings, sandbox_database_url=variables["COALITION_SANDBOX_DATABASE_URL"])
    sandbox_setup.open_books(sandbox.settings_of(live))
    keys = logins.keyring(sandbox.settings_of(live))
    assert operator.run("rotate", *WHY, **variables)[0] == 0
    second = operator.in_place
    for key in (first, second):
        assert logins.keyring(sandbox.settings_of(replace(live, secret_key=key.hex))) == keys
    assert operator.run("retire", first.key_id, *WHY, **variables)[0] == 0
    former = Database(variables["COALITION_SANDBOX_DATABASE_URL"])
    with pytest.raises(WrongSecretKey):
        root_key.keyring(former, sandbox.settings_of(live))
    former.close()
    assert logins.keyring(sandbox.settings_of(replace(live, secret_key=second.hex))) == keys
    done = CliRunner().invoke(main, ["--sandbox", "key", "list"], env={**operator.variables, **variables})
    assert "changes with it" in done.output


def test_books_of_before_there_was_a_root_key_are_opened_and_say_what_a_rotation_is_worth(operator: Operator) -> None:
    world, first = operator.world, operator.in_place
    of_before = replace(world.keyring, root=first.value)
    change(world, "DELETE FROM kit.root_key")
    change(world, "UPDATE coalition.programme SET key_check = %s", programme._key_check(of_before))
    wrong = SecretKey(secrets.token_bytes(32))
    with world.transaction() as session, pytest.raises(WrongSecretKey):
        programme.ensure(session, now=NOW, currency="GBP", time_zone="UTC", key=wrong)
    with world.transaction() as session:
        programme.ensure(session, now=NOW, currency="GBP", time_zone="UTC", key=first)
        assert root_key.read(session, first) == of_before
    code, said = operator.run("rotate", *WHY)
    assert code == 0
    assert "their first secret key is the root key" in said
    assert "their first secret key is the root key" in operator.run("retire", first.key_id, *WHY)[1]
    assert logins.keyring(operator.settings(operator.in_place)) == of_before


def test_logins_that_the_operator_named_stay_the_same(operator: Operator) -> None:
    world, first = operator.world, operator.in_place
    resolved = logins.resolve(world.settings)
    named = {
        f"COALITION_{name.upper()}": str(getattr(resolved, name)) for name in ("database_url", "database_tenant_url")
    }
    assert "set COALITION_DATABASE_OWNER_URL" in operator.refused("rotate", **named)
    # Named by the operator, a login is no key's: here it is told by what its processes call themselves.
    settings = replace(resolved, secret_key=first.hex)
    process = logins.service_database(settings)
    with process.transaction() as session, psycopg.connect(str(world.settings.database_url)) as owner:
        assert root_key.wrappings(session)
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND datname = %s"
        place = make_url(str(world.settings.database_url)).database
        assert owner.execute(query, [logins.application(first.key_id), place]).fetchone() == (1,)
    process.close()
