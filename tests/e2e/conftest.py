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
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
import pytest

from kit.settings import Settings
from ops.cli import DEMO_DAY
from ops.replay import generator
from tests.conftest import drop_logins

START_S, RUN_S = 60, 150
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Place:
    """A data folder, a port, and engines: its own embedded ones, or the real ones with a database of its own.

    `tree` is where the Python is that works there.
    """

    folder: Path
    variables: dict[str, str]
    tree: Path = ROOT

    def command(self, *words: str) -> subprocess.Popen[str]:
        return self.python("-m", "cli", *words)

    def python(self, *words: str) -> subprocess.Popen[str]:
        # The environment's own finder comes last, so `tree` goes before what is installed.
        ours = {"COALITION_DATA_DIR": str(self.folder), "PYTHONPATH": str(self.tree), "PYTHONUNBUFFERED": "1"}
        dropped = ("COALITION_",) if self.tree == ROOT else ("COALITION_", "COVERAGE_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        with (self.folder / "stderr.log").open("a") as stderr:
            return subprocess.Popen(
                [sys.executable, *words],
                cwd=self.tree,
                env=inherited | self.variables | ours,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def run(self, *words: str) -> tuple[int, str]:
        process = self.command(*words)
        out, _ = process.communicate(timeout=RUN_S)
        return process.returncode, out

    @contextmanager
    def running(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """A command that is ended behind the block, if it didn't end in it."""
        process = self.command(*words)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()

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


@dataclass(frozen=True)
class Host:
    """A machine of its own: as far as a process can see, it shares nothing with the others but what it is told."""

    place: Place

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any], Any]:
        with closing(HTTPConnection("127.0.0.1", int(self.place.variables["COALITION_HTTP_PORT"]), timeout=30)) as http:
            shown = {name.replace("_", "-"): value for name, value in headers.items()}
            shown.setdefault("Content-Type", "application/json")
            http.request(method, path, body if isinstance(body, str | None) else json.dumps(body), shown)
            answer = http.getresponse()
            return answer.status, json.loads(answer.read()), answer.headers

    def sign_in(self, client_id: str, secret: str) -> tuple[int, dict[str, Any]]:
        basic = b64encode(f"{client_id}:{secret}".encode()).decode()
        form = {"Authorization": f"Basic {basic}", "Content_Type": "application/x-www-form-urlencoded"}
        status, answer, _ = self.ask("POST", "/oauth/token", "grant_type=client_credentials", **form)
        return status, answer

    def post(self, token: str, path: str, body: dict[str, Any], key: str) -> tuple[int, dict[str, Any], Any]:
        return self.ask("POST", f"/v1/{path}", body, Authorization=f"Bearer {token}", Idempotency_Key=key)

    @contextmanager
    def up(self, part: str) -> Iterator[Any]:
        process = self.place.command("up", "--only", part)
        assert process.stdout is not None
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Callable[..., Place]]:
    """Make a place for a coalition, of the Python in `tree`."""
    made: list[Settings] = []

    def make(name: str, *, tree: Path = ROOT) -> Place:
        folder = tmp_path_factory.mktemp(name)
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
            database = "fresh_database" if tree == ROOT else "new_database"
            url, key = request.getfixturevalue(database)(), secrets.token_hex(32)
            variables |= {"COALITION_DATABASE_URL": url, "COALITION_SECRET_KEY": key}
            made.append(Settings(database_url=url, secret_key=key))
        if "COALITION_REDIS_URL" in os.environ:
            variables["COALITION_REDIS_URL"] = os.environ["COALITION_REDIS_URL"]
        return Place(folder, variables, tree)

    yield make
    for settings in made:
        drop_logins(settings)


@pytest.fixture(scope="module")
def receipts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day's receipts: enough that a replay takes a while."""
    path = tmp_path_factory.mktemp("receipts") / "receipts.csv"
    path.write_text(generator.generate(day=DEMO_DAY, members=80, receipts=700, seed=7))
    return path


@pytest.fixture(scope="module")
def expected(place: Callable[..., Place], receipts: Path) -> dict[str, Any]:
    """The books of an undisturbed replay."""
    here = place("undisturbed")
    code, out = here.run("replay", str(receipts), "--json")
    assert code == 0, out[-2000:] + here.stderr[-2000:]
    return books(out)


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
