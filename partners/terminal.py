"""What commands about master data share: who decides a change and why, and how records are listed, shown and said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import click

from kit import ids
from kit.db import Session
from kit.terminal import answer, desk, json_option, one_line_errors
from partners import accounts, texts
from partners.audit_cli import write_down

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

    @property
    def facts(self) -> dict[str, str]:
        """What of it was said, for the audit."""
        given = {"reason": (self.reason, accounts.LONGEST_REASON), "by": (self.made_by, texts.LONGEST_NAME)}
        return {what: texts.text(value, what=what, longest=most) for what, (value, most) in given.items() if value}


def decided(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command that changes or takes back what there is a `--reason`, and `--by`; it gets them as `decision`."""
    return _decision(command, needs_reason=True)


def noted(command: Callable[..., R]) -> Callable[..., R]:
    """The same for a command that adds something: both may be left out."""
    return _decision(command, needs_reason=False)


def _decision(command: Callable[..., R], *, needs_reason: bool) -> Callable[..., R]:
    @click.option("--reason", required=needs_reason, help="Why; it stands in the audit.")
    @click.option("--by", "made_by", help="Who decides it, if not the user of this system.")
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


def tell(found: Any, text: str, *, as_json: bool) -> None:
    """Say what became of one record: `text` for people, its fields for a program."""
    answer(data_of(found), text, as_json=as_json)


def tell_one(found: Any, *, as_json: bool) -> None:
    """Show one record, all of its fields."""
    data = data_of(found)
    lines = (f"{name:<24} {value}" for name, value in data.items() if value not in (None, [], ""))
    answer(data, "\n".join(lines), as_json=as_json)


def tell_all(found: Sequence[Any], columns: Sequence[str], *, as_json: bool) -> None:
    """Show records: some columns for people, all fields for a program."""
    data = [data_of(one) for one in found]
    rows = ["  ".join("-" if one[name] is None else str(one[name]) for name in columns) for one in data]
    answer({"data": data}, "\n".join(rows) or "none yet", as_json=as_json)


def show_command(group: click.Group, *, prefix: str, get: Callable[[Session, UUID], Any]) -> None:
    """Give `group` the command `show`: one record by its id, with all its fields."""
    noun = group.name or ""

    @group.command("show", help=f"Show the {noun} {noun.upper()}_ID ({prefix}_…).")
    @click.argument("shown_id", metavar=f"{noun.upper()}_ID")
    @json_option
    @one_line_errors
    def show(*, shown_id: str, as_json: bool) -> None:
        with desk() as at, at.database.transaction() as session:
            found = get(session, ids.parse(prefix, shown_id))
        tell_one(found, as_json=as_json)


def correct_command(
    group: click.Group,
    *,
    prefix: str | None,
    options: Mapping[str, click.ParamType[Any] | None],
    change: Callable[[Session, str, dict[str, Any]], Any],
    key: str,
) -> None:
    """Give `group` the command `correct`: `change` gets the record's id as it is shown, and what of `options` is given.

    An option's type is None for any text; days come as dates.
    """
    noun = group.name or ""
    what = f"{noun.upper()}_ID"
    called = f"{what} ({prefix}_…)" if prefix else what

    @group.command("correct", help=f"Correct {called}; what is left out stays.")
    @click.argument("shown_id", metavar=what)
    @decided
    @json_option
    @one_line_errors
    def correct(*, shown_id: str, decision: Decision, as_json: bool, **given: Any) -> None:
        changes = {name: _plain(value) for name, value in given.items() if value not in (None, ())}
        if not changes:
            raise click.UsageError(f"say what to correct: {', '.join(f'--{_dashed(name)}' for name in options)}")
        with desk() as at, at.database.transaction() as session:
            made = change(session, shown_id, changes)
            write_down(at, session, f"{noun}.corrected", shown_id, fields=sorted(changes), **decision.facts)
        tell(made, f"{getattr(made, key)} is corrected", as_json=as_json)

    for name, kind in options.items():
        correct.params.append(click.Option([f"--{_dashed(name)}", name], type=kind))


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _plain(value: Any) -> Any:
    return value.date() if isinstance(value, datetime) else value
