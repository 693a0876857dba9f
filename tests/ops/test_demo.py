"""What the demo makes anew, and what it leaves alone."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from kit.settings import Settings
from ops import cli


@pytest.fixture
def name(engines: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Of the demo's database here; gone afterwards."""
    made = f"coalition_demo_{secrets.token_hex(4)}"
    monkeypatch.setattr(cli, "DEMO_DATABASE", made)
    yield made
    execute(engines, "DROP DATABASE IF EXISTS {} WITH (FORCE)", made)


def execute(engines: Settings, statement: str, name: str) -> None:
    with psycopg.connect(str(engines.database_url), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


def test_a_database_it_did_not_make_stays(engines: Settings, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    execute(engines, "CREATE DATABASE {}", name)
    with pytest.raises(SystemExit):
        cli._fresh_database(str(engines.database_url))
    assert f"didn't make the database {name}, so nothing was dropped" in capsys.readouterr().err
    execute(engines, "ALTER DATABASE {} SET timezone = 'UTC'", name)


def test_its_own_is_made_anew_unless_a_demo_runs_on_it(
    engines: Settings, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = cli._fresh_database(str(engines.database_url))
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE left_over (a int)")
        connection.commit()
        with pytest.raises(SystemExit):
            cli._fresh_database(str(engines.database_url))
    assert "is in use: another demo runs" in capsys.readouterr().err
    with psycopg.connect(cli._fresh_database(str(engines.database_url))) as connection:
        assert connection.execute("SELECT to_regclass('left_over')").fetchone() == (None,)


def test_a_folder_it_did_not_make_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "demo"
    assert cli._fresh_folder(folder).is_dir()
    (folder / "receipts.csv").touch()
    assert [path.name for path in cli._fresh_folder(folder).iterdir()] == [cli.DEMO_MARK]
    (folder / cli.DEMO_MARK).unlink()
    (folder / "my thesis").touch()
    with pytest.raises(SystemExit):
        cli._fresh_folder(folder)
    assert (folder / "my thesis").exists()
    assert "isn't marked as the demo's" in capsys.readouterr().err
