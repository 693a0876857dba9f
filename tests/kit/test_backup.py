"""A backup taken as docs/how-to/back-up.md says and restored elsewhere: its books are whole, and the service works."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from coalition import verify
from kit import ids, logins, secret_key
from kit.db import Tenant, shown
from kit.embedded import postgres_tool
from kit.root_key import WrongSecretKey
from kit.secret_key import SecretKey
from kit.settings import Settings
from ops import key_rotation
from tests.conftest import World, act, drop_logins


def tool(name: str, *words: str) -> None:
    environment = {**os.environ, "LC_ALL": "C"}
    # A dump takes the tools of the server's own version: a newer one says what an older can't hear.
    program = shutil.which(name) if "COALITION_DATABASE_URL" in os.environ else None
    done = subprocess.run(
        [program or postgres_tool(name), *words], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr


def rotate(settings: Settings, new: SecretKey) -> Settings:
    """Let `new` take the place of the secret key; the settings with it."""
    settings = replace(settings, sandbox="none")
    with key_rotation.coalition(settings, alone=True) as of:
        key_rotation.add(of, act(), new)
    after = replace(settings, secret_key=new.hex)
    with key_rotation.coalition(after, alone=True) as of:
        key_rotation.retire(of, act(), secret_key.of(settings).key_id, force=False)
    return after


def test_a_dump_restored_into_a_new_database_holds_the_books_and_serves(world: World, tmp_path: Path) -> None:
    grocer, member = ids.new(), world.member()
    world.earn(grocer, member, 500)
    world.burn(grocer, member, 120)
    live = make_url(str(world.settings.database_url))
    elsewhere = live.set(database=f"coalition_restored_{secrets.token_hex(4)}")
    dump = tmp_path / "coalition.dump"
    tool("pg_dump", "--format", "custom", "--file", str(dump), "--dbname", shown(live))
    name, new = sql.Identifier(str(elsewhere.database)), SecretKey(secrets.token_bytes(32))
    rotate(world.settings, new)
    with psycopg.connect(shown(live), autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE DATABASE {}").format(name))
        try:
            tool("pg_restore", "--exit-on-error", "--dbname", shown(elsewhere), str(dump))
            settings = replace(world.settings, database_url=shown(elsewhere))
            with pytest.raises(WrongSecretKey, match="is not one of this database's"):
                logins.prepare(replace(settings, secret_key=new.hex), migrate=True)
            # What a dump doesn't hold, the rights of the database itself, is put right here.
            logins.prepare(settings, migrate=True)
            database, tenants = logins.service_database(settings), logins.tenant_database(settings)
            restored = replace(world, settings=settings, database=database)
            assert restored.available(member) == 380
            restored.burn(grocer, member, 80)
            with database.transaction() as session:
                verify.snapshot(session)
                assert [finding for finding in verify.run(session, keyring=world.keyring) if finding.broken] == []
            with tenants.of(Tenant(grocer)).transaction() as session:
                assert session.exec_driver_sql("SELECT count(*) FROM coalition.txn").scalar_one() == 3
            database.close()
            tenants.close()
            # The key it was made under opens it; then it takes the one in use.
            assert logins.keyring(rotate(settings, new)) == world.keyring
            drop_logins(replace(settings, secret_key=new.hex))
        finally:
            owner.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
