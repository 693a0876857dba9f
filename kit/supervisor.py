"""A small supervisor: children of one foreground process, restarted with back-off, stopped in order."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

from kit import logs
from kit.settings import without_ours

BACK_OFF_FIRST_S = 0.2
BACK_OFF_MOST_S = 5.0
STEADY_AFTER_S = 10.0
POLL_S = 0.1
LONGEST_LINE = 16_384
MOST_FAILED_STARTS = 3

LogSink = Callable[[str, str], None]


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run. `stop_signal` asks it to end in good order; after `stop_timeout_s` it is killed.

    `orphan_signal` is what the kernel sends it when we are killed ourselves. It may come several times at once, once
    for each of our threads, which Granian's handler for SIGTERM does not survive (it deadlocks): so SIGKILL, but for
    the engines.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL
    stop_timeout_s: float = 10.0
    prepare: Callable[[], None] = lambda: None


def print_line(name: str, line: str) -> None:
    """The default sink: one prefixed line on standard error."""
    print(f"{name:<8} | {line}", file=sys.stderr, flush=True)  # noqa: T201 -- this is the terminal's door


def print_json(name: str, line: str) -> None:
    """The sink for machines: one JSON object a line, whatever the program wrote."""
    print(logs.relayed(name, line), file=sys.stderr, flush=True)  # noqa: T201 -- this is the terminal's door


class Supervisor:
    """Keeps its programs running until `stop`; a crash of one is its own restart and nobody else's."""

    def __init__(self, sink: LogSink = print_line) -> None:
        self._sink = sink
        self._children: list[_Child] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._lock = threading.Lock()

    def start(self, program: Program) -> None:
        """Start `program` and keep it running."""
        child = _Child(program, self._sink)
        with self._lock:
            child.launch()
            self._children.append(child)
            if not self._thread.is_alive() and not self._stopping.is_set():
                self._thread.start()

    def pids(self) -> dict[str, int]:
        """The process ids of the running children by name."""
        with self._lock:
            return {child.program.name: child.process.pid for child in self._children if child.process}

    def failing(self) -> str | None:
        """What a child that ended again and again soon after its start said last; None while there is none."""
        with self._lock:
            for child in self._children:
                if child.failed_starts >= MOST_FAILED_STARTS and not child.is_steady():
                    return f"{child.program.name} ended {child.failed_starts} times, its last words: {child.last_words}"
        return None

    def stop(self) -> None:
        """End all children, the last started first, each in good order; returns when none is left."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        for child in reversed(self._children):
            child.end()
        self._children.clear()

    def _watch(self) -> None:
        while not self._stopping.wait(POLL_S):
            with self._lock:
                for child in self._children:
                    child.revive()


class _Child:
    def __init__(self, program: Program, sink: LogSink) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self._sink = sink
        self._started_at = 0.0
        self._restart_at: float | None = None
        self._back_off_s = BACK_OFF_FIRST_S
        self.failed_starts = 0
        self.last_words = "none"

    def _say(self, line: str) -> None:
        # Where the disk is full, what is said is lost; whoever would end for it takes the child along.
        with suppress(OSError):
            self._sink(self.program.name, line)

    def launch(self) -> None:
        self.program.prepare()
        self.process = subprocess.Popen(
            [*dies_with_parent(self.program.orphan_signal), *self.program.argv],
            # Of our settings each is told its own: the engines none, and the service not the owner's address.
            env={**without_ours(os.environ), **self.program.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # A session of its own: Ctrl-C in the terminal reaches the supervisor only, which stops all in order.
            start_new_session=True,
        )
        self._started_at = time.monotonic()
        self._restart_at = None
        threading.Thread(target=self._relay, args=(self.process.stdout,), daemon=True).start()

    def revive(self) -> None:
        if self.process is None or (code := self.process.poll()) is None:
            return
        at = time.monotonic()
        if self._restart_at is None:
            if at - self._started_at >= STEADY_AFTER_S:
                self._back_off_s, self.failed_starts = BACK_OFF_FIRST_S, 0
            self.failed_starts += 1
            self._restart_at = at + self._back_off_s
            self._say(f"ended with {_describe(code)}; starting again in {self._back_off_s:.1f} s")
            self._back_off_s = min(self._back_off_s * 2, BACK_OFF_MOST_S)
        elif at >= self._restart_at:
            try:
                self.launch()
            except OSError as error:
                self._say(f"can't be started: {error}")
                self._restart_at = at + self._back_off_s

    def is_steady(self) -> bool:
        return time.monotonic() - self._started_at >= STEADY_AFTER_S

    def end(self) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(self.program.stop_signal)
            try:
                self.process.wait(self.program.stop_timeout_s)
            except subprocess.TimeoutExpired:
                self._say(f"did not stop within {self.program.stop_timeout_s:.0f} s; killed")
                self.process.kill()
                self.process.wait()
        self.process = None

    def _relay(self, stream: IO[bytes] | None) -> None:
        if stream is None:
            return
        with stream:
            for line in iter(lambda: stream.readline(LONGEST_LINE), b""):
                self.last_words = line.decode(errors="replace").rstrip()
                self._say(self.last_words)


def _describe(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def dies_with_parent(orphan_signal: signal.Signals) -> list[str]:
    """The words in front of a command that make the kernel stop it when we are gone, where the system can (Linux)."""
    setpriv = shutil.which("setpriv")
    if not sys.platform.startswith("linux") or setpriv is None:
        return []
    return [setpriv, "--pdeathsig", orphan_signal.name.removeprefix("SIG")]


def exit_with_parent(poll_s: float = 0.5) -> None:
    """End this process when its parent is gone: for workers whose parent, killed, could not tell them."""
    # Who started us, also if that is gone by now: asking for the present parent would then name a stranger.
    starter = multiprocessing.parent_process()
    parent = starter.pid if starter else os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(poll_s)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="exit-with-parent", daemon=True).start()
