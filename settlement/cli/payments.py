"""`coalition settlement …`: payment files, what banks say of them, and what matches no payment; for the admin."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click

from coalition import programme
from kit import clock, ids, money
from kit.terminal import answer, desk, json_option, one_line_errors
from partners.cli.records import DAY, MOST_LISTED, Decision, decided, noted, report, report_all
from settlement import approvals, bank_entries, bank_import, instructions, open_items, statements
from settlement.cli.reports import settlement as settlement
from settlement.cli.runs import run_data, run_id_argument
from settlement.payments import Standing
from settlement.runs import Run


class _Draft:
    """A file that takes its name only once what it says is committed; until then it is nobody's but the user's."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part: Path | None = None

    def write(self, content: bytes) -> None:
        """Write all of it to the disk, beside where it will be."""
        with tempfile.NamedTemporaryFile(dir=self._path.parent, prefix=f".{self._path.name}.", delete=False) as file:
            self._part = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def publish(self) -> None:
        """Give it its name, in the place of what bore it."""
        if self._part is not None:
            self._part.replace(self._path)
            self._part = None

    def discard(self) -> None:
        """Take it away, unless it was published."""
        if self._part is not None:
            self._part.unlink(missing_ok=True)


@contextmanager
def _draft(path: Path) -> Iterator[_Draft]:
    made = _Draft(path)
    try:
        yield made
    finally:
        made.discard()


@settlement.command(
    "instruct",
    help=(
        "Write the payment file (ISO 20022 pain.001) of the approved run RUN_ID (srn_…), which is instructed then: the "
        "coalition's own payments, or those of another --payer, or all of them. Again, it writes the same bytes. "
        "With --another: a further file, of what came back since or is in no file. Without --output: say that the "
        "payments are made without a file."
    ),
)
@run_id_argument
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the file.")
@click.option("--payer", help="Whose payments: a partner's code, for that partner's bank. [default: coalition]")
@click.option("--all-payers", is_flag=True, help="One file for all payers, for a bank that has a mandate of each.")
@click.option("--another", is_flag=True, help="A further file: what was sent back or rejected since, or is in no file.")
@click.option("--again", "message_id", help="Write the file with this message id again.")
@click.option("--execute-on", type=DAY, help="When the bank pays. [default: today]")
@noted
@json_option
@one_line_errors
def instruct(
    *, run_id: str, output: Path | None, payer: str | None, all_payers: bool, another: bool,
    message_id: str | None, execute_on: datetime | None, decision: Decision, as_json: bool,
) -> None:  # fmt: skip
    if payer and all_payers:
        raise click.UsageError("either --payer or --all-payers")
    if message_id and (payer or all_payers or another):
        raise click.UsageError("--again needs none of --payer, --all-payers and --another")
    if output is None and (payer or all_payers or another or message_id or execute_on):
        raise click.UsageError("say where to write the file: --output")
    run_uuid = ids.parse(ids.SETTLEMENT_RUN, run_id)
    if output is None:
        with desk() as ctx, ctx.database.transaction() as session:
            made: Run = approvals.instruct(session, decision.act(ctx), run_id=run_uuid)
        report(run_data(made), "the run is instructed, without a payment file", as_json=as_json)
        return
    with desk() as ctx, _draft(output) as draft:
        with ctx.database.transaction() as session:
            payer_id = None if all_payers else statements.party_id(session, payer or statements.COALITION)
            written = instructions.instruct(
                session, decision.act(ctx), run_id=run_uuid, payer_id=payer_id,
                execute_on=execute_on.date() if execute_on else None, another=another, message_id=message_id,
                deliver=draft.write,
            )  # fmt: skip
        draft.publish()
    said = f"{output}: {written.payments} payments to execute on {written.execution_date}, message {written.message_id}"
    data = {"message_id": written.message_id, "payments": written.payments, "execution_date": written.execution_date}
    answer(
        {**data, "run_id": run_id, "state": written.run.state, "is_new": written.is_new, "file": str(output)},
        said if written.is_new else f"{said}; the same file as before",
        as_json=as_json,
    )


@settlement.command(
    "import-bank",
    help=(
        "Read FILE from a bank: a statement (camt.053), notices (camt.054), or the answer to a payment file "
        "(pain.002). What was read before changes nothing."
    ),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@noted
@json_option
@one_line_errors
def import_bank(*, file: Path, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, file.open("rb") as opened, ctx.database.transaction() as session:
        made = bank_import.import_file(session, decision.act(ctx), opened)
    settled = [f"{run.cycle} run of {run.first_day} to {run.last_day} is settled" for run in made.progress.settled]
    reopened = [
        f"{run.cycle} run of {run.first_day} to {run.last_day} is no longer settled" for run in made.progress.reopened
    ]
    data = {**vars(made), "progress": None, "settled": [], "reopened": [], **made.progress.facts}
    del data["progress"]
    said = f"{made.message}: {made.read} read, {made.new} new, {made.payments} payments changed"
    answer(data, "\n".join([f"{said}, {made.open_items} open items", *settled, *reopened]), as_json=as_json)


@settlement.command("open-items", help="List what banks booked and no payment has, the oldest first.")
@json_option
@one_line_errors
def list_open_items(*, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        found = bank_entries.open_items(session, limit=MOST_LISTED)
        current = programme.get(session)
        names = {party_id: one.code for party_id, one in statements.parties(session).items()}
        today = current.day(current.time(clock.now()))
    report_all(
        [
            {
                "bank_entry_id": one.bank_entry_id,
                "booked_on": one.booked_on,
                "age_days": (today - one.booked_on).days,
                "account_of": names[one.owner_id],
                "direction": "in" if one.is_credit else "out",
                "open": money.show(one.open_minor, one.currency),
                "open_minor": one.open_minor,
                "amount_minor": one.amount_minor,
                "currency": one.currency,
                "counterparty": one.counterparty_name,
                "counterparty_account": one.counterparty_account,
                "booking_reference": one.booking_reference,
                "imported_at": one.imported_at,
                "end_to_end_id": one.end_to_end_id,
                "remittance": one.remittance,
                "is_return": one.is_return,
                "return_reason": one.return_reason,
            }
            for one in found
        ],
        ("bank_entry_id", "booked_on", "age_days", "direction", "open", "counterparty", "remittance"),
        as_json=as_json,
    )


bank_entry_argument = click.argument("bank_entry_id")
payment_argument = click.argument("payment_id")


@settlement.command(
    "match", help="Say that the bank entry BANK_ENTRY_ID (bke_…) is for the payment PAYMENT_ID (pay_…)."
)
@bank_entry_argument
@payment_argument
@click.option("--amount-minor", type=int, help="How much of it. [default: as much as is open]")
@decided
@json_option
@one_line_errors
def match(
    *, bank_entry_id: str, payment_id: str, amount_minor: int | None, decision: Decision, as_json: bool
) -> None:  # fmt: skip
    with desk() as ctx, ctx.database.transaction() as session:
        found = open_items.match(
            session, decision.act(ctx), bank_entry_id=ids.parse(ids.BANK_ENTRY, bank_entry_id),
            payment_id=ids.parse(ids.PAYMENT, payment_id), amount_minor=amount_minor,
        )  # fmt: skip
    _report(found, as_json=as_json)


@settlement.command("unmatch", help="Take back that the bank entry BANK_ENTRY_ID is for the payment PAYMENT_ID.")
@bank_entry_argument
@payment_argument
@decided
@json_option
@one_line_errors
def unmatch(*, bank_entry_id: str, payment_id: str, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        found = open_items.unmatch(
            session, decision.act(ctx), bank_entry_id=ids.parse(ids.BANK_ENTRY, bank_entry_id),
            payment_id=ids.parse(ids.PAYMENT, payment_id),
        )  # fmt: skip
    _report(found, as_json=as_json)


@settlement.command("write-off", help="Say that no payment will have what is open of the bank entry BANK_ENTRY_ID.")
@bank_entry_argument
@decided
@json_option
@one_line_errors
def write_off(*, bank_entry_id: str, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        found = open_items.write_off(session, decision.act(ctx), bank_entry_id=ids.parse(ids.BANK_ENTRY, bank_entry_id))
    said = f"{money.show(found.open_minor, found.currency)} are written off"
    answer({"bank_entry_id": bank_entry_id, "written_off_minor": found.open_minor}, said, as_json=as_json)


def _report(found: Standing, *, as_json: bool) -> None:
    data = {"payment_id": found.payment.payment_id, "status": found.status, "paid_minor": found.paid_minor}
    report({**data, "open_minor": found.open_minor}, f"the payment is {found.status}", as_json=as_json)
