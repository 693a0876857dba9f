"""Point-in-time recovery as docs/how-to/back-up.md says: the books are as they were before the damage."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from sqlalchemy import make_url

from cli import main
from coalition import closing
from kit import embedded, ids, logins
from kit.settings import Settings
from tests.conftest import NOW, World, act, found
from tests.e2e.conftest import ROOT, wait_for
from tests.kit.test_backup import tool

CARDS = ("7001000000178503", "7001000000178511")
CLUSTER = Path("engines/postgres")
pytestmark = pytest.mark.skipif("COALITION_DATABASE_URL" in os.environ, reason="restarts a server of its own")


@contextmanager
def server(folder: Path) -> Iterator[Settings]:
    """The embedded PostgreSQL of the data folder `folder`, up for the time of the block."""
    with embedded.running(Settings(data_dir=folder, redis_url="redis://unused", secret_key="5e" * 32)) as chosen:
        yield chosen


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    made = tmp_path / "archive"
    made.mkdir()
    embedded._give_to_server_user(made)
    return made


def settings_of(block: int, archive: Path) -> list[tuple[str, str]]:
    """The settings that the guide's `block`-th piece of PostgreSQL's configuration has, for this archive."""
    guide = (ROOT / "docs" / "how-to" / "back-up.md").read_text("utf-8")
    text = re.findall(r"```ini\n(.*?)```", guide, re.S)[block].replace("/srv/wal", str(archive))
    return re.findall(r"^ *(\w+) = '?(.*?)'?(?: *#.*)?$", text, re.M)


def configure(url: object, settings: list[tuple[str, str]]) -> None:
    with psycopg.connect(str(url), autocommit=True) as owner:
        for name, value in settings:
            owner.execute(f"ALTER SYSTEM SET {name} = '{value}'")


def archived(url: object, archive: Path) -> None:
    """Hand over the segment that is being written, as `archive_timeout` does in a minute."""
    with psycopg.connect(str(url), autocommit=True) as owner:
        [name] = owner.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
    wait_for(lambda: (archive / name).exists(), within_s=30)


def base_backup(url: object, folder: Path) -> None:
    where = make_url(str(url))
    tool("pg_basebackup", "--pgdata", str(folder), "--host", str(where.query["host"]), "--username", "postgres",
         "--checkpoint", "fast", "--no-sync")  # fmt: skip


def recover(backup: Path, folder: Path, archive: Path, *, until: str) -> None:
    """Lay the backup out as the data folder of a server that reads the archive up to `until`."""
    shutil.copytree(backup, folder / CLUSTER)
    lines = [f"{name} = '{until if name == 'recovery_target_time' else value}'\n"
             for name, value in settings_of(1, archive)]  # fmt: skip
    with (folder / CLUSTER / "postgresql.auto.conf").open("a") as configuration:
        configuration.writelines(lines)
    (folder / CLUSTER / "recovery.signal").touch()
    for path in (folder / CLUSTER, *(folder / CLUSTER).rglob("*")):
        embedded._give_to_server_user(path)


def verify(settings: Settings, *expected: str) -> str:
    """What `coalition ledger verify` says of the books."""
    environ = {
        "COALITION_DATABASE_URL": str(settings.database_url),
        "COALITION_REDIS_URL": "redis://127.0.0.1:1",
        "COALITION_SECRET_KEY": str(settings.secret_key),
    }
    words = [word for seal in expected for word in ("--expect", seal)]
    return CliRunner().invoke(main, ["ledger", "verify", *words], env=environ).output


def seal(world: World, *, days: int) -> str:
    """Close the day so many days after NOW; its seal, as it is published."""
    day = NOW.date() + timedelta(days=days)
    made = closing.close_day(world.database, act(world.keyring, now=NOW + timedelta(days=days + 1)), day=day)
    return f"{day}:{made.chain.hex()}"


def test_what_was_booked_before_the_damage_is_there_and_the_damage_is_not(tmp_path: Path, archive: Path) -> None:
    grocer, station = ids.new(), ids.new()
    with server(tmp_path / "first") as engines:
        configure(engines.database_url, settings_of(0, archive))
    with server(tmp_path / "first") as engines:  # archive_mode takes a restart
        logins.prepare(engines, migrate=True)
        world = found(engines, str(engines.database_url), tmp_path / "first")
        ann, ben = map(world.member, CARDS)
        world.earn(grocer, ann, 500)
        base_backup(engines.database_url, tmp_path / "base")
        world.burn(station, ann, 120)
        world.earn(station, ben, 70)
        kept = seal(world, days=0)
        with psycopg.connect(str(engines.database_url)) as owner:
            [until] = owner.execute("SELECT clock_timestamp()::text").fetchone()
        time.sleep(0.01)

        world.burn(station, ann, 80)
        lost = seal(world, days=1)
        with psycopg.connect(str(engines.database_url)) as owner:
            owner.execute("SET session_replication_role = replica")
            owner.execute("DELETE FROM coalition.posting")
            owner.execute("UPDATE coalition.wallet SET available = available + 1000000")
        archived(engines.database_url, archive)
        settings = world.settings
        assert "broken" in verify(settings)
        world.database.close()

    recover(tmp_path / "base", tmp_path / "second", archive, until=until)
    began = time.monotonic()
    with server(tmp_path / "second") as engines:
        settings = replace(settings, database_url=engines.database_url)
        wait_for(lambda: _is_recovered(engines), within_s=30)
        assert time.monotonic() - began < 30
        logins.prepare(settings, migrate=True)
        restored = replace(world, settings=settings, database=logins.service_database(settings))
        assert (restored.available(ann), restored.available(ben)) == (380, 70)
        assert "the ledger is clean" in verify(settings, kept)
        assert "FAIL" in verify(settings, lost), "a seal of the time that is gone is not one of these books"
        restored.burn(station, ann, 80)
        assert restored.available(ann) == 300
        restored.database.close()


def _is_recovered(engines: Settings) -> bool:
    with psycopg.connect(str(engines.database_url)) as connection:
        return connection.execute("SELECT NOT pg_is_in_recovery()").fetchone() == (True,)
