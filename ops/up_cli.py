"""`coalition up`: everything in the foreground."""

from __future__ import annotations

import os
import signal
import threading
from functools import partial

import click

from kit import settings
from kit.supervisor import print_json, print_line
from kit.terminal import fail, one_line_errors, say, wants_sandbox
from ops.run import Part, coalition_up, describe


@click.command(
    help="Run everything in the foreground: engines, web, workers and cron. Ctrl-C stops all of it in order."
)
@click.option(
    "--only", type=click.Choice(["web", "workers"]), help="Run one part only, when several hosts share the engines."
)
@one_line_errors
def up(*, only: Part | None) -> None:
    if wants_sandbox():
        fail("`coalition up` serves live and the sandbox beside it; leave --sandbox out")
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    chosen = settings.from_environment(os.environ)
    sink = print_json if chosen.log_format == "json" else print_line
    tell = partial(sink, "up") if chosen.log_format == "json" else say
    with coalition_up(chosen, only=only, sink=sink) as running:
        tell(describe(running))
        over.wait()
        tell("stopping …")
