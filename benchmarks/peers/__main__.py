"""`make bench-peers`: our earn over HTTP beside another ledger's posting over HTTP, on one PostgreSQL, in turns.

The peer is django-hordak, served by Granian with as many processes and threads as ours. It does less: see
`benchmarks/peers/hordak_app.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from benchmarks.balances_http import serving
from benchmarks.figures import Figure, Run, table
from benchmarks.fixtures import MEMBERS
from benchmarks.harness import BenchmarkError, Harness, prepared, report, run_tool
from benchmarks.http_client import Order
from benchmarks.ledger_http import as_partner, post, served, sign_in
from benchmarks.ledger_sql import EARNED
from kit.terminal import one_line_errors

SET_UP_S = 300


@click.command()
@click.option("--python", required=True, help="The Python of the environment of requirements/peers.txt.")
@click.option("--seconds", type=click.IntRange(1, 600), default=5, show_default=True, help="How long one run takes.")
@click.option("--runs", type=click.IntRange(1, 99), default=5, show_default=True, help="How many; the median counts.")
@one_line_errors
def main(python: str, seconds: int, runs: int) -> None:
    """Measure our earn over HTTP against django-hordak's transfer over HTTP."""
    try:
        with prepared(os.environ, seconds=seconds, runs=runs) as harness:
            conditions = harness.conditions()
            figure = _earn(harness, str(Path(python).absolute()))
    except BenchmarkError as error:
        raise click.ClickException(str(error)) from error
    click.echo(table([figure], conditions))


def _earn(harness: Harness, python: str) -> Figure:
    measured = []
    with served(harness, lots=0) as (books, port), _hordak(harness, python) as peer_port:
        plain = Order(port, "/v1/earns", sign_in(books, port), MEMBERS, *EARNED, harness.seconds)
        ours, peers = as_partner(books, plain), replace(plain, port=peer_port, path="/transfer")
        for _ in range(harness.runs):
            theirs, mine = post(peers), post(ours)
            report(f"  hordak      {theirs.answered / theirs.seconds:>9,.0f} transfers/s, p99 {theirs.p99_ms} ms")
            report(f"  measured    {mine.answered / mine.seconds:>9,.0f} earns/s, p99 {mine.p99_ms} ms")
            latency = {"median_ms": mine.median_ms, "p99_ms": mine.p99_ms, "peer_p99_ms": theirs.p99_ms}
            measured.append(Run(mine.answered, mine.seconds, theirs.answered, theirs.seconds, latency))
    return Figure("earn_hordak", "earns over HTTP", "django-hordak's transfer over HTTP", measured)


@contextmanager
def _hordak(harness: Harness, python: str) -> Iterator[int]:
    """django-hordak on a database of its own; its port."""
    with harness.new_database("hordak") as url:
        own = {"PEER_DATABASE_URL": url, "PYTHONPATH": str(Path(__file__).parents[2])}
        report(f"making {MEMBERS:,} accounts of django-hordak")
        module = "benchmarks.peers.hordak_app"
        run_tool([python, "-m", module, str(MEMBERS)], environment=own, timeout_s=SET_UP_S)
        with serving(f"{module}:application", harness.settings, python=python, environment=own) as port:
            yield port


if __name__ == "__main__":
    main()
