"""What commands about master data share: who decides a change and why, and how records are listed, shown and said."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import click

from coalition import business_days
from kit import audit_cli, clock, ids
from kit.audit import Act
from kit.db import Session
from kit.terminal import Desk, answer, desk, json_option, one_line_errors
from partners import accounts

DAY = click.DateTime(["%Y-%m-%d"])
FIRST = UUID(int=0)
MOST_LISTED = 10_000
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Decision:
    """Why something is changed, and who decided it; the audit has both beside the user who ran the command."""

    reason: str | None
    made_by: str | None

    def act(self, ctx: Desk) -> Act:
        """What the command does, for the verb that does it; raises MalformedText."""
        return audit_cli.act(ctx, reason=self.reason, by=self.made_by)


@contextmanager
def changing_terms(ctx: Desk) -> Iterator[Session]:
    """A transaction for what holds from a day on. Days that are over close first, as before a posting.

    Otherwise terms that are made after midnight would hold on the day before, and price what was issued on it.
    """
    with ctx.database.transaction() as session:
        business_days.close_over(session, now=clock.now())
    with ctx.database.transaction() as session:
        yield session


@contextmanager
def trying_terms(ctx: Desk) -> Iterator[Session]:
    """The same, rolled back: to see what would come of it."""
    with ctx.database.trial() as session:
        business_days.close_over(session, now=clock.now())
        yield session


def decided(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command that changes or takes back what there is a `--reason`, and `--by`; it gets them as `decision`."""
    return _decision(command, needs_reason=True)


def noted(command: Callable[..., R]) -> Callable[..., R]:
    """The same for a command that adds something: both may be left out."""
    return _decision(command, needs_reason=False)


def _decision(command: Callable[..., R], *, needs_reason: bool) -> Callable[..., R]:
    @click.option("--reason", required=needs_reason, help="The reason. The audit keeps it.")
    @click.option("--by", "made_by", help="Who decides this, if not the user of this system.")
    @wraps(command)
    def with_decision(*args: Any, reason: str | None, made_by: str | None, **kwargs: Any) -> R:
        return command(*args, decision=Decision(reason, made_by), **kwargs)

    return with_decision


def owner(session: Session, code: str) -> UUID:
    """The id of the partner called `code`; raises PartnerNotFound."""
    return accounts.by_code(session, code).partner_id


def data_of(found: Any) -> dict[str, Any]:
    """A record's fields for a program, its ids as people see them."""
    if isinstance(found, Mapping):
        return ids.show_fields(found)
    return ids.show_fields({field.name: getattr(found, field.name) for field in fields(found)})


def report(found: Any, text: str, *, as_json: bool) -> None:
    """Say what became of one record: `text` for people, its fields for a program."""
    answer(data_of(found), text, as_json=as_json)


def report_one(found: Any, *, as_json: bool) -> None:
    """Show one record, all of its fields."""
    data = data_of(found)
    lines = (f"{name:<24} {value}" for name, value in data.items() if value not in (None, [], ""))
    answer(data, "\n".join(lines), as_json=as_json)


def report_all(found: Sequence[Any], columns: Sequence[str], *, as_json: bool) -> None:
    """Show records: some columns for people, all fields for a program."""
    data = [data_of(one) for one in found]
    rows = ["  ".join("-" if one[name] is None else str(one[name]) for name in columns) for one in data]
    answer({"data": data}, "\n".join(rows) or "there are none yet", as_json=as_json)


def show_command(group: click.Group, *, prefix: str, get: Callable[[Session, UUID], Any]) -> None:
    """Give `group` the command `show`: one record by its id, with all its fields."""
    noun = group.name or ""

    @group.command("show", help=f"Show the {noun} {noun.upper()}_ID ({prefix}_…).")
    @click.argument("shown_id", metavar=f"{noun.upper()}_ID")
    @json_option
    @one_line_errors
    def show(*, shown_id: str, as_json: bool) -> None:
        with desk() as ctx, ctx.database.reading() as session:
            found = get(session, ids.parse(prefix, shown_id))
        report_one(found, as_json=as_json)


def correct_command(
    group: click.Group,
    *,
    prefix: str | None,
    options: Mapping[str, click.ParamType[Any] | None],
    change: Callable[[Session, Act, str, dict[str, Any]], Any],
    key: str,
    may_lack: Collection[str] = (),
) -> None:
    """Give `group` the command `correct`: `change` gets the record's id as it is shown, and what of `options` is given.

    An option's type is None for any text; days come as dates. What a record `may_lack` is taken away with `--no-…`,
    and comes as None.
    """
    noun = group.name or ""
    what = f"{noun.upper()}_ID"
    called = f"{what} ({prefix}_…)" if prefix else what

    @group.command("correct", help=f"Correct {called}. What you leave out stays as it is.")
    @click.argument("shown_id", metavar=what)
    @decided
    @json_option
    @one_line_errors
    def correct(*, shown_id: str, decision: Decision, as_json: bool, **given: Any) -> None:
        lacks = {name: None for name in may_lack if given.pop(f"no_{name}")}
        changes = {name: _plain(value) for name, value in given.items() if value not in (None, ())}
        if both := changes.keys() & lacks.keys():
            raise click.UsageError(f"either --{_dashed(min(both))} or --no-{_dashed(min(both))}")
        changes |= lacks
        if not changes:
            raise click.UsageError(f"say what to correct: {', '.join(f'--{_dashed(name)}' for name in options)}")
        with desk() as ctx, ctx.database.transaction() as session:
            made = change(session, decision.act(ctx), shown_id, changes)
        report(made, f"{getattr(made, key)} is corrected", as_json=as_json)

    for name, kind in options.items():
        correct.params.append(click.Option([f"--{_dashed(name)}", name], type=kind))
        if name in may_lack:
            correct.params.append(
                click.Option([f"--no-{_dashed(name)}", f"no_{name}"], is_flag=True, help="Remove the value.")
            )


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _plain(value: Any) -> Any:
    return value.date() if isinstance(value, datetime) else value
