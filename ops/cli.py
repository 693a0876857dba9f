"""`coalition replay` and `coalition demo`: the main job, on a file or on a day made up."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import click
import psycopg
from psycopg import sql
from sqlalchemy import make_url
from tqdm import tqdm

from kit import logins, sandbox, schema, secret_key, settings
from kit.db import DatabaseUnavailable, shown
from kit.errors import CoalitionError
from kit.settings import Settings
from kit.supervisor import Supervisor
from kit.terminal import Desk, desk, fail, json_option, one_line_errors, say, wants_sandbox
from ops.replay import generator, receipts, report
from ops.replay.receipts import ReceiptFile
from ops.replay.retries import retrying
from ops.replay.run import Outcome
from ops.replay.run import replay as run_replay
from ops.run import StartFailed, address, coalition_up, is_running

DEMO_DAY = date(2026, 3, 2)
DEMO_MEMBERS, DEMO_RECEIPTS = 60, 400
UNDELIVERED = 3  # the exit code: all is posted and settled, and webhooks are missing
DEMO_DATABASE = "coalition_demo"
DEMO_KEY = "demo.key"
# By these the demo knows what it made itself: it drops nothing else.
DEMO_MARK = "made-by-coalition-demo"
MARK = "made by `coalition demo`, which drops it"
_MARK_OF_DATABASE = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"

concurrency_option = click.option(
    "--concurrency",
    type=click.IntRange(1, 256),
    default=8,
    show_default=True,
    help="How many receipts to post at once.",
)


@click.command(
    help=(
        "Replay the till receipts in FILE (.csv or .csv.gz) through a coalition's API.\n\n"
        "This uses the coalition at the configured address, or starts one for the replay. If you interrupt the replay "
        "and run it again, it continues and posts nothing twice."
    )
)
@click.argument("file", type=click.Path(path_type=Path))
@concurrency_option
@json_option
@one_line_errors
def replay(*, file: Path, concurrency: int, as_json: bool) -> None:
    chosen = settings.from_environment(os.environ)
    read = receipts.read(file)
    with _coalition(chosen) as (ctx, url, supervisor):
        code = _run(ctx, url, supervisor, read, concurrency=concurrency, as_json=as_json)
    sys.exit(code)


@click.command(
    help="Make up a day of receipts of four brands, replay it and settle it. Nothing keeps running afterwards."
)
@concurrency_option
@json_option
@one_line_errors
def demo(*, concurrency: int, as_json: bool) -> None:
    if wants_sandbox():
        fail("the demo has its own coalition; leave --sandbox out")
    chosen = _fresh_demo(settings.from_environment(os.environ))
    file = chosen.data_dir / "receipts.csv"
    file.write_text(generator.generate(day=DEMO_DAY, members=DEMO_MEMBERS, receipts=DEMO_RECEIPTS), "utf-8")
    with _started(chosen) as (ctx, url, supervisor):
        code = _run(ctx, url, supervisor, receipts.read(file), concurrency=concurrency, as_json=as_json)
    sys.exit(code)


@contextmanager
def _coalition(chosen: Settings) -> Iterator[tuple[Desk, str, Supervisor | None]]:
    if is_running(chosen):
        with desk() as ctx:
            yield ctx, address(chosen) + (sandbox.PATH if wants_sandbox() else ""), None
    elif wants_sandbox():
        fail("`coalition up` serves the sandbox; start it first")
    else:
        with _started(chosen) as started:
            yield started


@contextmanager
def _started(chosen: Settings) -> Iterator[tuple[Desk, str, Supervisor]]:
    folder = chosen.data_dir / "log"
    folder.mkdir(parents=True, exist_ok=True)
    click.echo(f"starting a coalition for this (its logs are in {folder}) …", err=True)
    chosen = replace(chosen, sandbox="none", metrics_address="none")
    with (folder / "replay.log").open("a", encoding="utf-8") as log:

        def sink(name: str, line: str) -> None:
            log.write(f"{name:<8} | {line}\n")
            log.flush()

        with coalition_up(chosen, sink=sink) as running:
            yield running.desk, running.url, running.supervisor


def _run(
    ctx: Desk, url: str, supervisor: Supervisor | None, file: ReceiptFile, *, concurrency: int, as_json: bool
) -> int:
    """The exit code: 0, 1 where the books or what was verified are at fault, 3 where only deliveries are missing."""
    with tqdm(total=len(file.receipts), unit=" receipts", file=sys.stderr, disable=None) as bar:

        def tick(done: int, what: str) -> None:
            bar.set_description_str(what, refresh=False)
            bar.update(done)
            if supervisor is not None and (failing := supervisor.failing()):
                raise StartFailed(f"a part of the coalition does not start: {failing}")

        outcome = _complete(
            lambda: asyncio.run(run_replay(ctx, url=url, file=file, concurrency=concurrency, tick=tick))
        )
    books = asyncio.run(retrying(lambda: report.read(ctx)))
    say(json.dumps(report.as_data(outcome, books)) if as_json else report.as_text(outcome, books))
    # More than were counted: what the coalition's own jobs have told since.
    if books.faults or outcome.events > outcome.verified:
        return 1
    return UNDELIVERED if outcome.undelivered else 0


def _complete(run: Callable[[], Outcome]) -> Outcome:
    """Run it; of several failures at once the first is what the person needs to read."""
    try:
        return run()
    except BaseExceptionGroup as group:
        first: BaseException | None = group.subgroup(CoalitionError)
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        if first is not None:
            raise first from group
        raise


def _fresh_demo(chosen: Settings) -> Settings:
    """The settings of a demo from nothing: a folder, a port and, on a real server, a database of its own."""
    folder = _fresh_folder(chosen.data_dir / "demo")
    owner = chosen.database_url and logins.resolve(chosen).database_owner_url
    if chosen.database_url is not None and owner is None:
        fail("the demo creates its own database; set COALITION_DATABASE_OWNER_URL")
    # Kept outside of the folder: on a real server the demo's logins are the same ones each time.
    key = chosen.data_dir / DEMO_KEY
    secret_key.make(key, taken_is_fine=True)
    chosen = replace(
        chosen, data_dir=folder, http_host="127.0.0.1", http_port=_free_port(), time_zone="UTC", currency="GBP",
        secret_key=secret_key.read(key).hex(), sandbox="none", database_tenant_url=None, database_owner_url=None,
    )  # fmt: skip
    return replace(chosen, database_url=_fresh_database(owner)) if owner else chosen


def _fresh_folder(folder: Path) -> Path:
    """An empty folder of the demo's; one that the demo didn't make stays as it is."""
    mark = folder / DEMO_MARK
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        fail(f"{folder} isn't marked as the demo's ({DEMO_MARK}), so nothing was removed; move it away")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    mark.write_text("What is in this folder, `coalition demo` made and removes.\n", "utf-8")
    return folder


def _fresh_database(url: str) -> str:
    name = sql.Identifier(DEMO_DATABASE)
    schema.require_server(url)
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            if (found := connection.execute(_MARK_OF_DATABASE, [DEMO_DATABASE]).fetchone()) is not None:
                if found != (MARK,):
                    fail(f"the demo didn't make the database {DEMO_DATABASE}, so nothing was dropped; rename it")
                connection.execute(sql.SQL("DROP DATABASE {}").format(name))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
            connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, MARK))
    except psycopg.errors.ObjectInUse:
        fail(f"the database {DEMO_DATABASE} is in use: another demo runs")
    except psycopg.errors.InsufficientPrivilege:
        fail(f"the demo needs the right to create the database {DEMO_DATABASE}")
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"can't connect to the database: {str(error).splitlines()[0]}") from error
    return shown(make_url(url).set(database=DEMO_DATABASE))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
