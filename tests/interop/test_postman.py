"""The Postman collection, run from top to bottom by Postman's own runner, as a partner of the sandbox."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clients.generator import postman
from coalition import programme
from kit import clock
from ops import onboarding
from ops.onboarding import Desk, Onboarded
from tests.clients.conftest import Service
from tests.clients.conftest import service as service
from tests.conftest import World, act
from tests.interop import npm
from tests.service import take_turns
from webhooks.pump import Pump

TIMEOUT_S = 120
ITEMS = sum(len(folder["item"]) for folder in json.loads(postman.PLACE.read_text("utf-8"))["item"])
Newman = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def made(service: Service) -> Onboarded:
    with service.world.transaction() as session:
        founded = programme.get(session)
        at = Desk(session, founded, act(service.world.keyring, now=founded.time(clock.now()), reason="a trial"))
        return onboarding.onboard(at, name="Corner Grocer", code="corner-grocer")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = npm.install(Path(__file__).parent / "newman", tmp_path_factory.mktemp("newman"))
    return folder / "node_modules" / "newman" / "bin" / "newman.js"


@pytest.fixture
def newman(program: Path, service: Service, made: Onboarded, tmp_path: Path) -> Newman:
    """Run a collection as the new partner: how newman ended, and its report."""

    def run(collection: Path = postman.PLACE, *words: str) -> tuple[int, dict[str, Any]]:
        report = tmp_path / "report.json"
        variables = {
            "baseUrl": f"http://127.0.0.1:{service.port}",
            "clientId": made.client_id,
            "clientSecret": made.client_secret,
        }
        done = subprocess.run(
            ["node", str(program), "run", str(collection), *words, "--reporters", "cli,json",
             "--reporter-json-export", str(report),
             *(word for name, value in variables.items() for word in ("--env-var", f"{name}={value}"))],
            capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        print(done.stdout, done.stderr)  # noqa: T201 -- shown where a test fails
        return done.returncode, json.loads(report.read_text("utf-8"))["run"]

    return run


@contextmanager
def working(world: World) -> Iterator[None]:
    """The jobs that a coalition has running: the pump and the files of postings."""
    over = threading.Event()
    # Nothing of a test goes to the internet: a receiver that can't be reached is one that doesn't answer.
    settings = replace(world.settings, webhook_timeout_s=1)
    pump = Pump(settings, world.database, world.keyring, redis_url=str(settings.redis_url))

    def post_files() -> None:
        while not over.wait(0.5):
            take_turns(world)

    threads = [threading.Thread(target=pump.run), threading.Thread(target=post_files)]
    for each in threads:
        each.start()
    try:
        yield
    finally:
        over.set()
        pump.stop()
        for each in threads:
            each.join()


@pytest.mark.parametrize("service", [{"sandbox": "only"}], indirect=True)
def test_it_runs_from_top_to_bottom_and_again(service: Service, newman: Newman) -> None:
    with working(service.world):
        for _ in range(2):
            code, ran = newman()
            assert ran["failures"] == []
            assert code == 0
            assert ran["stats"]["assertions"] == {"total": ITEMS, "pending": 0, "failed": 0}, "one for each request"
    assert service.world.count("coalition.txn WHERE kind = 'burn'") >= 2
    assert service.world.count("coalition.txn WHERE kind = 'void'") == 2


@pytest.mark.parametrize("service", [{"sandbox": "only"}], indirect=True)
def test_a_call_that_fails_fails_the_run(newman: Newman, tmp_path: Path) -> None:
    collection = json.loads(postman.PLACE.read_text("utf-8"))
    # Without what is earned first there is nothing to burn.
    collection["item"] = [folder for folder in collection["item"] if folder["name"] in ("Members", "Burns")]
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(collection), "utf-8")
    code, ran = newman(broken)
    assert code == 1
    [failure] = ran["failures"]
    assert failure["source"]["name"] == "Create"
    assert "409" in failure["error"]["message"]
