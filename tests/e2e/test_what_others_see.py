"""While a coalition runs, other users of its machine see no secret: not in `ps`, an environment, or a file."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis
from sqlalchemy import make_url

from benchmarks.harness import free_port
from kit import embedded, logins
from kit.settings import Settings, from_environment
from tests.e2e.conftest import Place, wait_for

PASSWORD = secrets.token_hex(16)


@pytest.fixture
def guarded_redis(tmp_path: Path) -> Iterator[str]:
    """The address of a Redis that asks for a password."""
    port = free_port()
    configuration = f"port {port}\nbind 127.0.0.1\nrequirepass {PASSWORD}\nsave ''\ndir '{tmp_path}'\n"
    server = subprocess.Popen([embedded._redis_binary(), "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert server.stdin is not None
    with server.stdin as words:
        words.write(configuration.encode())
    url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
    with redis.Redis.from_url(url) as client:
        wait_for(lambda: _answers(client))
    yield url
    server.terminate()
    server.wait(30)


def _answers(client: redis.Redis) -> bool:
    with contextlib.suppress(redis.RedisError):
        return bool(client.ping())
    return False


@pytest.fixture
def here(place: Callable[[str], Place], guarded_redis: str) -> Place:
    made = place("here")
    made.variables.update(
        COALITION_REDIS_URL=guarded_redis, COALITION_SMTP_URL=f"smtp://coalition:{PASSWORD}@127.0.0.1:1"
    )
    made.variables.setdefault("COALITION_SECRET_KEY", secrets.token_hex(32))
    return made


def secrets_of(here: Place) -> set[bytes]:
    """What nobody else may read: the key, passwords, and those of the service's logins, which follow from the key."""
    chosen = from_environment(here.variables)
    resolved = logins.resolve(
        Settings(database_url=chosen.database_url or "postgresql:///", secret_key=chosen.secret_key)
    )
    urls = (resolved.database_url, resolved.database_tenant_url, chosen.database_url)
    passwords = {str(make_url(url).password) for url in urls if url and make_url(url).password}
    return {one.encode() for one in (PASSWORD, str(chosen.secret_key), *passwords)}


def visible(*processes: psutil.Process) -> Iterator[bytes]:
    """What somebody else sees of them: command lines, and the environment of those that run as somebody else."""
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):
            yield Path(f"/proc/{one.pid}/cmdline").read_bytes()
            if one.uids().effective != os.geteuid():
                yield Path(f"/proc/{one.pid}/environ").read_bytes()


def open_files(folder: Path) -> list[Path]:
    """What others may touch in `folder`, unless a folder on the way there lets nobody in."""
    found = [path for path in sorted(folder.rglob("*")) if path.name != "stderr.log" and not path.is_symlink()]
    shut = {path for path in found if not path.lstat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)}
    return [path for path in found if path not in shut and shut.isdisjoint(path.parents)]


def test_others_see_no_secret_in_a_command_line_an_environment_or_a_file(here: Place) -> None:
    hidden = secrets_of(here)
    assert len(hidden) >= 4
    with here.up() as up:
        command = here.command("partner", "create", "greengrocer", "--rate", "1", "--price", "1")
        seen = set(visible(up, *up.children(recursive=True)))
        while command.poll() is None:
            seen.update(visible(psutil.Process(command.pid), *up.children(recursive=True)))
        command.communicate()
        assert command.returncode == 0, here.stderr
        assert open_files(here.folder) == []
    words = b" ".join(seen)
    assert [part for part in (b"granian", b"ops.worker", b"rq.cli", b"partner\0create") if part not in words] == []
    assert [line for line in seen if any(one in line for one in hidden)] == []
