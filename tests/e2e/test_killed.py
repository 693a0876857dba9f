"""kill -9 of anything in the middle of a replay: nothing lost, nothing twice, every event delivered."""

from __future__ import annotations

import contextlib
import os
import signal
import time

import psutil

from tests.e2e.conftest import RUN_S, books, wait_for

ENGINES = [] if "COALITION_DATABASE_URL" in os.environ else ["redis-server", "backend", "bin/postgres"]
VICTIMS = ["pump", "granian", *ENGINES, "granian-worker", "ops.worker webhooks", "rq.cli cron"]


def find(up: psutil.Process, victim: str) -> psutil.Process | None:
    """The process to kill: a child of the supervisor, or the child of such a child (a web worker, a running pump)."""
    inner = {"granian-worker": "granian", "pump": "ops.worker webhooks", "backend": "bin/postgres"}
    for child in up.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if inner.get(victim, victim) in " ".join(child.cmdline()):
                if victim not in inner:
                    return child
                return next(iter(child.children()), None)
    return None


def kill(up: psutil.Process, victim: str) -> bool:
    process = find(up, victim)
    if process is None:
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
        return True
    return False


def test_killing_any_part_changes_nothing_in_the_result(place, receipts, expected) -> None:
    here = place("disturbed")
    with here.up() as up:
        replay = here.command("replay", str(receipts), "--json", "--concurrency", "4")
        # Only once it posts: while it starts, a web server that is away would mean there is no coalition.
        wait_for(lambda: any(kept.stat().st_size for kept in here.folder.glob("replay/*.received")))
        killed = []
        for victim in VICTIMS * 2:
            if replay.poll() is not None:
                break
            # What was killed before may be coming up again just now.
            for _ in range(60):
                if kill(up, victim):
                    killed.append(victim)
                    break
                time.sleep(0.05)
            time.sleep(0.4)
        out, _ = replay.communicate(timeout=RUN_S)
        assert replay.returncode == 0, here.stderr[-3000:]
        assert set(killed) >= set(VICTIMS), f"the replay was over before all were killed: {killed}"
        assert books(out) == expected
        again, out = here.run("replay", str(receipts), "--json")
        assert again == 0
        assert books(out) == expected, "run again it changes nothing"


def test_a_replay_killed_with_its_whole_coalition_goes_on_where_it_was(place, receipts, expected) -> None:
    here = place("interrupted")
    for pause_s in (5.0, 6.0):
        replay = here.command("replay", str(receipts), "--json")
        time.sleep(pause_s)
        replay.send_signal(signal.SIGKILL)
        replay.communicate()
    code, out = here.run("replay", str(receipts), "--json")
    assert code == 0, here.stderr[-3000:]
    assert books(out) == expected
    assert "clean" in here.run("ledger", "verify")[1]
