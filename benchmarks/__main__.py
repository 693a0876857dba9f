"""`python -m benchmarks`: every figure of docs/performance.md, each beside a reference of the same run."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack

import click

from benchmarks import (
    balances_http,
    bank_files,
    captures,
    closing_days,
    figures,
    large_books,
    ledger_batches,
    ledger_http,
    ledger_sql,
    settlement_history,
    settlement_netting,
    settlement_run,
    statement_files,
    tokens_http,
    verifying,
    webhook_latency,
    webhook_pump,
)
from benchmarks.figures import Figure
from benchmarks.harness import BenchmarkError, Harness, prepared, report
from benchmarks.pgbench import Tpcb, tpcb
from kit.terminal import one_line_errors

AGAINST_TPCB: dict[str, Callable[[Harness, Tpcb], Figure]] = {
    "earn_db": ledger_sql.earn,
    "burn_db": ledger_sql.burn,
    "hold_db": ledger_sql.hold,
    "capture_db": captures.capture,
    "batch_db": ledger_batches.batch,
    "earn_http": ledger_http.earn,
    "burn_http": ledger_http.burn,
    "batch_http": ledger_http.batch,
}
AGAINST_THEIR_OWN: dict[str, Callable[[Harness], Figure]] = {
    "balance_http": balances_http.balance,
    "tokens_http": tokens_http.tokens,
    "earn_during_close": closing_days.earn,
    "earn_db_large": large_books.earn,
    "verify_large": verifying.verify,
    "webhooks": webhook_pump.run,
    "webhooks_two": webhook_pump.two,
    "webhook_latency": webhook_latency.quiet,
    "webhook_hanging": webhook_latency.hanging,
    "webhook_backlog": webhook_latency.backlog,
    "webhook_replay": webhook_latency.replay,
    "settlement": settlement_run.run,
    "settlement_million": settlement_run.million,
    "netting_20": settlement_netting.few,
    "netting_1000": settlement_netting.many,
    "bank_statement": bank_files.statement,
    "statement_tables": statement_files.tables,
    "statement_pdf": statement_files.pdf,
    "settlement_history": settlement_history.settlement_history,
    "settlement_history_large": settlement_history.settlement_history_large,
}
KEYS = (*AGAINST_TPCB, *AGAINST_THEIR_OWN)
LARGE = {"earn_db_large", "verify_large", "settlement_history_large"}  # ten minutes of filling and 20 GB of disk each


@click.command(
    help=(
        "Measure the coalition on its own servers, or on those that COALITION_DATABASE_URL and _REDIS_URL name.\n\n"
        "Without --only we measure everything except what has `_large` in its name. For that, use --large or its name."
    )
)
@click.option("--only", type=click.Choice(KEYS), multiple=True, help="Measure this one; may be given several times.")
@click.option("--seconds", type=click.IntRange(1, 600), default=5, show_default=True, help="How long one run takes.")
@click.option("--runs", type=click.IntRange(1, 99), default=3, show_default=True, help="How many; the median counts.")
@click.option(
    "--large", is_flag=True, help="Measure those with 10 M postings, too: ten minutes and 20 GB of disk each."
)
@one_line_errors
def main(only: tuple[str, ...], seconds: int, runs: int, large: bool) -> None:
    # What was started is ended by the blocks that started it, also when we are told to stop.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    named = {*(only or set(KEYS) - LARGE), *(LARGE if large else ())}
    wanted = [key for key in KEYS if key in named]
    try:
        with prepared(os.environ, seconds=seconds, runs=runs) as harness:
            conditions = harness.conditions()
            measured = _measure(harness, wanted)
    except BenchmarkError as error:
        raise click.ClickException(str(error)) from error
    figures.keep(measured, conditions)
    click.echo(figures.table(measured, conditions))


def _measure(harness: Harness, wanted: list[str]) -> list[Figure]:
    measured = []
    with ExitStack() as stack:
        reference: Tpcb | None = None
        for key in wanted:
            report(key)
            if key in AGAINST_THEIR_OWN:
                measured.append(AGAINST_THEIR_OWN[key](harness))
                continue
            reference = reference or stack.enter_context(tpcb(harness))
            measured.append(AGAINST_TPCB[key](harness, reference))
    return measured


if __name__ == "__main__":
    main()
