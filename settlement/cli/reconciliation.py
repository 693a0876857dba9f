"""`coalition settlement reconcile | mapping | breaks | break`: a partner's own file, and what it disagrees about."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from coalition import programme
from kit import cells, clock, ids
from kit.terminal import answer, desk, json_option, one_line_errors, say
from partners import accounts
from partners.cli.records import DAY, FIRST, MOST_LISTED, Decision, data_of, decided, noted, owner, report, report_all
from settlement.cycles import Span
from settlement.reconciliation import breaks as kept_breaks
from settlement.reconciliation import mappings, reconciliations
from settlement.reconciliation.breaks import Asked, Break
from settlement.reconciliation.mappings import MalformedMapping
from settlement.reconciliation.partner_files import MOST_LINES
from settlement.reconciliation.passes import Tolerance
from settlement.reconciliation.reconciliations import MOST_TOLERANCE_DAYS, MOST_TOLERANCE_POINTS

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
TOLD_EVERY = 100_000  # lines
NO_LIMIT = 2**31


@click.group(help="How a partner's own files are read.")
def mapping() -> None:
    pass


@mapping.command(
    "set", help="Read the files of PARTNER_CODE by the mapping in FILE (JSON) from now on. A change is a new version."
)
@click.argument("partner_code")
@click.argument("file", type=FILE)
@decided
@json_option
@one_line_errors
def set_mapping(*, partner_code: str, file: Path, decision: Decision, as_json: bool) -> None:
    said = _read(file)
    with desk() as ctx, ctx.database.transaction() as session:
        made = mappings.put(session, decision.act(ctx), partner_id=owner(session, partner_code), said=said)
    report(_mapping_data(made), f"version {made.version} of the mapping counts", as_json=as_json)


def _read(file: Path) -> Any:
    with file.open("rb") as opened:
        content = opened.read(mappings.LARGEST_BYTES + 1)
    if len(content) > mappings.LARGEST_BYTES:
        raise MalformedMapping(f"the file has more than {mappings.LARGEST_BYTES} bytes")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise MalformedMapping(f"the file is no JSON: {error}") from None


@mapping.command("show", help="Print the mapping of PARTNER_CODE that counts.")
@click.argument("partner_code")
@json_option
@one_line_errors
def show_mapping(*, partner_code: str, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        found = mappings.current(session, owner(session, partner_code))
    shown = json.dumps(asdict(found.mapping), indent=2, ensure_ascii=False)
    report(_mapping_data(found), f"version {found.version}, set {found.set_at:%Y-%m-%d}\n{shown}", as_json=as_json)


def _mapping_data(kept: mappings.Kept) -> dict[str, Any]:
    return {**vars(kept), "mapping": asdict(kept.mapping)}


@click.command(
    "reconcile",
    help=(
        "Compare FILE of PARTNER_CODE with what the partner posted on the days from --first-day to --last-day, and "
        "write down what differs. The same file again makes nothing twice."
    ),
)
@click.argument("partner_code")
@click.argument("file", type=FILE)
@click.option("--first-day", type=DAY, required=True, help="The first business day.")
@click.option("--last-day", type=DAY, required=True, help="The last business day.")
@click.option(
    "--tolerance-points",
    type=click.IntRange(0, MOST_TOLERANCE_POINTS),
    default=0,
    show_default=True,
    help="How many points a line may differ by and still match its member's transaction.",
)
@click.option(
    "--tolerance-days",
    type=click.IntRange(0, MOST_TOLERANCE_DAYS),
    default=0,
    show_default=True,
    help="How many days it may differ by.",
)
@click.option(
    "--most-lines",
    type=click.IntRange(1, NO_LIMIT),
    default=MOST_LINES,
    show_default=True,
    help="Refuse a file with more lines.",
)
@noted
@json_option
@one_line_errors
def reconcile(
    *, partner_code: str, file: Path, first_day: datetime, last_day: datetime, tolerance_points: int,
    tolerance_days: int, most_lines: int, decision: Decision, as_json: bool,
) -> None:  # fmt: skip
    with desk() as ctx, file.open("rb") as opened, ctx.database.transaction() as session:
        done = reconciliations.reconcile(
            session, decision.act(ctx), opened, partner_id=owner(session, partner_code),
            span=Span(first_day.date(), last_day.date()), tolerance=Tolerance(tolerance_points, tolerance_days),
            most_lines=most_lines, told=_tell,
        )  # fmt: skip
    made = done.reconciliation
    data = {**vars(made), "file_sha256": made.file_sha256.hex(), "is_new": done.is_new, "new": done.new}
    report(
        {**data, "reopened": done.reopened, "gone": done.gone},
        f"{made.lines} lines and {made.postings} transactions from {made.first_day} to {made.last_day}: "
        f"{made.by_reference} match by reference, {made.by_member} by member, {made.by_tolerance} by tolerance; "
        f"{made.passed_over} lines passed over\n{made.breaks} breaks, {done.new} of them new and {done.reopened} "
        f"open again; {done.gone} are gone",
        as_json=as_json,
    )


def _tell(read: int) -> None:
    if read % TOLD_EVERY == 0:
        click.echo(f"{read} lines read", err=True)


@click.command("breaks", help="List what partners' files and the ledger disagree about, the oldest first.")
@click.option("--partner", "code", help="Only of this partner, by its code.")
@click.option("--state", type=click.Choice([*kept_breaks.STATES, "all"]), default=kept_breaks.OPEN, show_default=True)
@click.option("--owner", "owned_by", help="Only those this person owns.")
@click.option("--type", "type_", type=click.Choice(kept_breaks.TYPES), help="Only of this type.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV for a spreadsheet.")
@json_option
@one_line_errors
def list_breaks(
    *, code: str | None, state: str, owned_by: str | None, type_: str | None, as_csv: bool, as_json: bool
) -> None:
    asked_state = None if state == "all" else state
    with desk() as ctx:
        with ctx.database.reading() as session:
            asked = Asked(owner(session, code) if code else None, asked_state, owned_by, type_)
            found = kept_breaks.find(session, asked, after=FIRST, limit=MOST_LISTED)
            codes = {one: accounts.by_id(session, one).code for one in {each.partner_id for each in found}}
            current = programme.get(session)
        today = current.day(current.time(clock.now()))
        shown = [_data(one, codes[one.partner_id], (today - current.day(one.first_seen_at)).days) for one in found]
        if not as_csv:
            columns = ("break_id", "partner", "type", "day", "difference", "owner", "age_days", "line", "reference")
            report_all(shown, columns, as_json=as_json)
            return
        rows = [data_of(one) for one in shown]
    names = [*rows[0]] if rows else []
    say(cells.table([names, *([_cell(row[name]) for name in names] for row in rows)]).rstrip("\r\n"))


def _data(one: Break, partner: str, age_days: int) -> dict[str, Any]:
    """A break as it is listed: the line's reference where the ledger has none."""
    fields = dict(vars(one))
    del fields["partner_id"]
    return {
        **fields, "partner": partner, "age_days": age_days, "reference": one.reference or one.line_reference,
    }  # fmt: skip


def _cell(value: Any) -> cells.Cell:
    if value is None:
        return ""
    return value if isinstance(value, int | date) and not isinstance(value, bool | datetime) else str(value)


@click.group("break", help="One thing that a partner's file and the ledger disagree about.")
def one_break() -> None:
    pass


@one_break.command("assign", help="Make somebody the owner of the break BREAK_ID (brk_…).")
@click.argument("break_id")
@click.option("--to", "to", required=True, help="Who looks into it.")
@noted
@json_option
@one_line_errors
def assign(*, break_id: str, to: str, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        found = kept_breaks.assign(session, decision.act(ctx), break_id=ids.parse(ids.BREAK, break_id), owner=to)
        data = data_of(found)
    answer(data, f"{found.owner} owns the break", as_json=as_json)


@one_break.command("resolve", help="Resolve the break BREAK_ID (brk_…). It stays resolved when it is found again.")
@click.argument("break_id")
@decided
@json_option
@one_line_errors
def resolve(*, break_id: str, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        found = kept_breaks.resolve(session, decision.act(ctx), break_id=ids.parse(ids.BREAK, break_id))
        data = data_of(found)
    answer(data, "the break is resolved", as_json=as_json)
