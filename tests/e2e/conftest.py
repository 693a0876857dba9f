"""A whole coalition in processes of its own, as an operator runs it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from console.cli import DEMO_DAY
from console.replay import generator
from kit.settings import Settings
from tests.conftest import drop_logins

START_S, RUN_S = 60, 150
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Place:
    """A data folder, a port, and engines: its own embedded ones, or the real ones with a database of its own."""

    folder: Path
    variables: dict[str, str]

    def command(self, *words: str) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COALITION_")}
        with (self.folder / "stderr.log").open("a") as stderr:
            return subprocess.Popen(
                [sys.executable, "-m", "cli", *words],
                cwd=ROOT,
                env={
                    **environment,
                    **self.variables,
                    "COALITION_DATA_DIR": str(self.folder),
                    "PYTHONUNBUFFERED": "1",
                },
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def run(self, *words: str) -> tuple[int, str]:
        process = self.command(*words)
        out, _ = process.communicate(timeout=RUN_S)
        return process.returncode, out

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr.log").read_text()

    @contextmanager
    def up(self) -> Iterator[psutil.Process]:
        """`coalition up` until the end of the block; nothing of it is left behind."""
        process = self.command("up")
        try:
            assert process.stdout is not None
            assert "Coalition is up" in process.stdout.readline(), self.stderr
            yield psutil.Process(process.pid)
        finally:
            family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
        assert process.returncode == 0, self.stderr
        # What a killed worker leaves behind notices within half a second.
        wait_for(lambda: not [one for one in family if is_alive(one)], within_s=5)


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[str], Place]]:
    """Make a place for a coalition."""
    made: list[Settings] = []

    def make(name: str) -> Place:
        folder = tmp_path / name
        folder.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            # More web processes, a second coalition or metrics would cost every test seconds; those about it ask.
            variables = {
                "COALITION_HTTP_PORT": str(probe.getsockname()[1]),
                "COALITION_WEB_PROCESSES": "1",
                "COALITION_SANDBOX": "none",
                "COALITION_METRICS_ADDRESS": "none",
            }
        if "COALITION_DATABASE_URL" in os.environ:
            url, key = request.getfixturevalue("fresh_database")(), secrets.token_hex(32)
            variables |= {"COALITION_DATABASE_URL": url, "COALITION_SECRET_KEY": key}
            made.append(Settings(database_url=url, secret_key=key))
        if "COALITION_REDIS_URL" in os.environ:
            variables["COALITION_REDIS_URL"] = os.environ["COALITION_REDIS_URL"]
        return Place(folder, variables)

    yield make
    for settings in made:
        drop_logins(settings)


@pytest.fixture
def receipts(tmp_path: Path) -> Path:
    """A day's receipts: enough that a replay takes a while."""
    path = tmp_path / "receipts.csv"
    path.write_text(generator.generate(day=DEMO_DAY, members=80, receipts=700, seed=7))
    return path


def is_alive(process: psutil.Process) -> bool:
    """Whether `process` still runs; a dead one nobody has reaped yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def books(output: str) -> dict[str, Any]:
    """What a replay's result says that has to come out the same however it went."""
    result = json.loads(output)
    assert result["faults"] == []
    assert result["events"] == result["verified"], "every event is delivered and verified"
    assert result["refused"] == 0
    for day in result["days"]:
        # These hang on ids, which are new in every database.
        del day["content_hash"], day["payments"]
    kept = ("lines", "receipts", "problems", "members", "brands", "days", "matrix", "total_burn", "events")
    return {name: result[name] for name in kept}


def wait_for(condition: Callable[[], Any], *, within_s: float = START_S) -> Any:
    """Until `condition` holds; its value."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError("it did not come about")
