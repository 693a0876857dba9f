"""docs/quickstart.md, followed word for word on a coalition of its own: every block run, every shown output compared.

Two things are put in: the port, since 8000 may be somebody else's here, and midnight, by a test clock.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ROOT, Place, wait_for

DOCUMENT = ROOT / "docs" / "quickstart.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
SAVED_AS = re.compile(r"Save this as `([^`]+)`:\s*\Z")
# It is 2 March until the document comes to the next morning; then the coalition is given the time to settle the day.
CLOCK = "PYTHONPATH=. .venv/bin/python var/clock.py"
SET_CLOCK = """
import sys
import time
from datetime import datetime

from coalition import programme
from kit.terminal import desk
from settlement import settled_days

to = datetime.fromisoformat(sys.argv[1])
with desk() as ctx:
    with ctx.database.transaction() as session:
        programme.set_test_clock(session, to=to)
    due = to.hour == 0
    for _ in range(600):
        with ctx.database.transaction() as session:
            if len(settled_days.all_of_them(session)) == due:
                break
        time.sleep(0.1)
    else:
        sys.exit("the night did not settle the day")
"""
MARK = "--- the next block ---"


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and, of a program, the file it is to be saved as."""

    language: str
    text: str
    saved_as: str | None


def blocks(text: str) -> list[Block]:
    found = []
    for match in BLOCK.finditer(text):
        saved = SAVED_AS.search(text[: match.start()])
        found.append(Block(match[1], match[2], saved[1] if saved else None))
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The repository as somebody has it who has just cloned it and let `make` install: no data, no port of ours."""
    subprocess.run(["make", ".venv/.ready"], cwd=ROOT, check=True, timeout=600, capture_output=True)
    here = tmp_path / "repository"
    here.mkdir()
    for path in ROOT.iterdir():
        if path.name not in ("var", "clients", ".git"):
            (here / path.name).symlink_to(path)
    ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    shutil.copytree(ROOT / "clients", here / "clients", ignore=ignored)
    (here / "var").mkdir()
    return here


@pytest.fixture
def environment(place) -> dict[str, str]:
    here: Place = place("variables")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COALITION_")}
    return {**kept, **here.variables, "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def running(folder: Path, environment: dict[str, str]) -> Iterator[list[Block]]:
    """The first block, in a terminal of its own until the end; the blocks that follow."""
    first, *rest = blocks(DOCUMENT.read_text("utf-8"))
    log = folder / "var" / "run.log"
    with log.open("w") as output:
        terminal = subprocess.Popen(
            ["bash", "-e", "-c", first.text],
            cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        wait_for(lambda: "Coalition is up" in log.read_text() or terminal.poll() is not None)
        assert terminal.poll() is None, log.read_text()
        (folder / "var" / "clock.py").write_text(SET_CLOCK, "utf-8")
        evening = ["bash", "-c", f"{CLOCK} 2026-03-02T20:00+00:00"]
        subprocess.run(evening, cwd=folder, env=environment, check=True, timeout=60)
        yield rest
    finally:
        os.killpg(terminal.pid, signal.SIGINT)
        terminal.wait(timeout=60)


def test_it_can_be_followed_word_for_word(running: list[Block], folder: Path, environment: dict[str, str]) -> None:
    outputs = iter(_outputs(running, folder, environment))
    output = ""
    compared = 0
    for block in running:
        if block.language == "sh":
            output = next(outputs)
        elif block.language == "json":
            compared += _compare(json.loads(block.text), json.loads(output))
        elif block.language == "text":
            assert re.fullmatch(re.escape(block.text.strip()).replace("…", ".+"), output.strip()), output
            compared += 1
    assert compared >= 15


def _outputs(following: list[Block], folder: Path, environment: dict[str, str]) -> list[str]:
    """What each shell block prints: all of them in one shell, as at a terminal."""
    port = environment["COALITION_HTTP_PORT"]
    script = []
    for block in following:
        text = block.text.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
        if "settlement report" in text:
            script.append(f"{CLOCK} 2026-03-03T00:00+00:00\n")
        if block.language == "sh":
            script.append(f"{text}\necho\necho '{MARK}'\n")
        elif block.saved_as:
            (folder / block.saved_as).write_text(text, "utf-8")
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", "".join(script)],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split(f"{MARK}\n")


def _compare(shown: dict[str, Any], came: dict[str, Any]) -> int:
    for name, value in shown.items():
        if isinstance(value, str) and "…" in value and came[name] != value:
            assert re.fullmatch(re.escape(value).replace("…", ".+"), came[name]), (name, came)
        else:
            assert came[name] == value, (name, came)
    return len(shown)
