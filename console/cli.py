"""`coalition replay` and `coalition demo`: the main job, on a file or on a day made up."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
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

from console.replay import generator, receipts, report
from console.replay.receipts import ReceiptFile
from console.replay.run import Outcome, insist
from console.replay.run import replay as run_replay
from console.run import address, coalition_up, is_ready
from kit import sandbox, schema, settings
from kit.db import DatabaseUnavailable
from kit.errors import CoalitionError
from kit.settings import Settings
from kit.terminal import Desk, desk, fail, json_option, one_line_errors, say, wants_sandbox

DEMO_DAY = date(2026, 3, 2)
DEMO_MEMBERS, DEMO_RECEIPTS = 60, 400
DEMO_DATABASE = "coalition_demo"

concurrency_option = click.option(
    "--concurrency", type=click.IntRange(1, 256), default=8, show_default=True, help="Cards served at once."
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@concurrency_option
@json_option
@one_line_errors
def replay(*, file: Path, concurrency: int, as_json: bool) -> None:
    """Drive a coalition with the till receipts in FILE (.csv or .csv.gz), through its API.

    Uses the coalition that runs at the configured address, or starts one for the time of the replay. Interrupted and
    run again, it goes on and posts nothing twice.
    """
    chosen = settings.from_environment(os.environ)
    read = receipts.read(file)
    with _coalition(chosen) as (at, url):
        ok = _run(at, url, read, concurrency=concurrency, as_json=as_json)
    sys.exit(0 if ok else 1)


@click.command()
@concurrency_option
@json_option
@one_line_errors
def demo(*, concurrency: int, as_json: bool) -> None:
    """From nothing: a day of receipts of four brands, made up, replayed and settled; leaves nothing running."""
    if wants_sandbox():
        fail("the demo has a coalition of its own; leave --sandbox out")
    chosen = _fresh_demo(settings.from_environment(os.environ))
    file = chosen.data_dir / "receipts.csv"
    file.write_text(generator.generate(day=DEMO_DAY, members=DEMO_MEMBERS, receipts=DEMO_RECEIPTS), "utf-8")
    with _started(chosen) as (at, url):
        ok = _run(at, url, receipts.read(file), concurrency=concurrency, as_json=as_json)
    sys.exit(0 if ok else 1)


@contextmanager
def _coalition(chosen: Settings) -> Iterator[tuple[Desk, str]]:
    if is_ready(chosen):
        with desk() as at:
            yield at, address(chosen) + (sandbox.PATH if wants_sandbox() else "")
    elif wants_sandbox():
        fail("the sandbox is served by `coalition up`; start it first")
    else:
        with _started(chosen) as started:
            yield started


@contextmanager
def _started(chosen: Settings) -> Iterator[tuple[Desk, str]]:
    folder = chosen.data_dir / "log"
    folder.mkdir(parents=True, exist_ok=True)
    click.echo(f"starting a coalition for this (its logs are in {folder}) …", err=True)
    chosen = replace(chosen, sandbox="none", metrics_address="none")
    with (folder / "replay.log").open("a", encoding="utf-8") as log:

        def sink(name: str, line: str) -> None:
            log.write(f"{name:<8} | {line}\n")
            log.flush()

        with coalition_up(chosen, sink=sink) as running:
            yield running.desk, running.url


def _run(at: Desk, url: str, file: ReceiptFile, *, concurrency: int, as_json: bool) -> bool:
    with tqdm(total=len(file.receipts), unit=" receipts", file=sys.stderr, disable=None) as bar:

        def tick(done: int, what: str) -> None:
            bar.set_description_str(what, refresh=False)
            bar.update(done)

        outcome = _complete(lambda: asyncio.run(run_replay(at, url=url, file=file, concurrency=concurrency, tick=tick)))
    books = asyncio.run(insist(lambda: report.read(at)))
    say(json.dumps(report.as_data(outcome, books)) if as_json else report.as_text(outcome, books))
    # More than were counted: what the coalition's own jobs have told since.
    return not books.faults and outcome.events <= outcome.verified


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
    folder = chosen.data_dir / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    chosen = replace(
        chosen, data_dir=folder, http_host="127.0.0.1", http_port=_free_port(), time_zone="UTC", currency="GBP",
        secret_key=secrets.token_hex(32), sandbox="none",
    )  # fmt: skip
    if chosen.database_url is None:
        return chosen
    return replace(chosen, database_url=_fresh_database(chosen.database_url))


def _fresh_database(url: str) -> str:
    name = sql.Identifier(DEMO_DATABASE)
    schema.require_server(url)
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
    except psycopg.errors.InsufficientPrivilege:
        fail(f"the demo needs the right to create the database {DEMO_DATABASE}")
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"can't connect to the database: {str(error).splitlines()[0]}") from error
    return make_url(url).set(database=DEMO_DATABASE).render_as_string(hide_password=False)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
