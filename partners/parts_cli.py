"""`coalition partner brand | category | presence …`: for the operator."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import click

from kit import clock, ids
from kit.db import Session
from kit.terminal import answer, desk, json_option, one_line_errors
from partners import brands, categories, presences
from partners.audit_cli import write_down, write_down_of
from partners.terminal import (
    DAY,
    FIRST,
    MOST_LISTED,
    Decision,
    correct_command,
    noted,
    owner,
    show_command,
    tell,
    tell_all,
)


@click.group()
def brand() -> None:
    """What partners trade as."""


@brand.command("add")
@click.argument("partner_code")
@click.argument("name")
@noted
@json_option
@one_line_errors
def add_brand(*, partner_code: str, name: str, decision: Decision, as_json: bool) -> None:
    """Give PARTNER_CODE the brand NAME."""
    with desk() as at, at.database.transaction() as session:
        made = brands.add(session, partner_id=owner(session, partner_code), name=name, now=clock.now())
        write_down_of(at, session, "brand.added", made, "brand_id", **decision.facts)
    tell(made, f"{made.name} is a brand of {partner_code}", as_json=as_json)


@brand.command("end")
@click.argument("brand_id")
@noted
@json_option
@one_line_errors
def end_brand(*, brand_id: str, decision: Decision, as_json: bool) -> None:
    """End BRAND_ID (brd_…), so that its name is free."""
    with desk() as at, at.database.transaction() as session:
        made = brands.end(session, brand_id=ids.parse(ids.BRAND, brand_id), now=clock.now())
        write_down_of(at, session, "brand.ended", made, "brand_id", **decision.facts)
    tell(made, f"{made.name} is ended", as_json=as_json)


@brand.command("list")
@click.argument("partner_code")
@json_option
@one_line_errors
def list_brands(*, partner_code: str, as_json: bool) -> None:
    """List the brands of PARTNER_CODE."""
    with desk() as at, at.database.transaction() as session:
        whose = owner(session, partner_code)
        found = brands.of_partner(session, partner_id=whose, after=FIRST, limit=MOST_LISTED)
    tell_all(found, ("brand_id", "name", "ended_at"), as_json=as_json)


show_command(brand, prefix=ids.BRAND, get=brands.get)


def _correct_brand(session: Session, shown_id: str, changes: dict[str, Any]) -> Any:
    return brands.change(session, brand_id=ids.parse(ids.BRAND, shown_id), **changes)


correct_command(brand, prefix=ids.BRAND, options={"name": None}, change=_correct_brand, key="name")


@click.group()
def category() -> None:
    """What partners trade in: a tree."""


@category.command("add")
@click.argument("path")
@click.option("--name", help="How people call it; made from the path if left out.")
@noted
@json_option
@one_line_errors
def add_category(*, path: str, name: str | None, decision: Decision, as_json: bool) -> None:
    """Grow the tree by PATH, such as food/bakery; what it is part of has to be there."""
    above, _, code = path.strip("/").rpartition("/")
    with desk() as at, at.database.transaction() as session:
        parent_id = categories.by_path(session, above).category_id if above else None
        made = categories.add(
            session,
            code=code,
            name=name or code.replace("-", " ").title(),
            parent_id=parent_id,
            now=clock.now(),
        )
        write_down_of(at, session, "category.added", made, "category_id", path=made.path, **decision.facts)
    tell(made, f"{made.path} is {made.name}", as_json=as_json)


@category.command("list")
@json_option
@one_line_errors
def list_categories(*, as_json: bool) -> None:
    """List the tree."""
    with desk() as at, at.database.transaction() as session:
        found = categories.page(session, after=FIRST, limit=MOST_LISTED)
    tell_all(sorted(found, key=lambda one: one.path), ("path", "name"), as_json=as_json)


show_command(category, prefix=ids.CATEGORY, get=categories.by_id)


def _correct_category(session: Session, shown_id: str, changes: dict[str, Any]) -> Any:
    return categories.rename(session, category_id=ids.parse(ids.CATEGORY, shown_id), **changes)


correct_command(category, prefix=ids.CATEGORY, options={"name": None}, change=_correct_category, key="path")


@click.group()
def presence() -> None:
    """Where partners are present, and where exclusively."""


@presence.command("add")
@click.argument("partner_code")
@click.argument("category_path")
@click.argument("territory")
@click.option("--since", type=DAY, required=True, help="The first day.")
@click.option("--until", type=DAY, help="The first day after it; for as long as the partner stays, if left out.")
@click.option("--clause", help="The agreement's clause that keeps competitors out.")
@noted
@json_option
@one_line_errors
def add_presence(
    *,
    partner_code: str,
    category_path: str,
    territory: str,
    since: datetime,
    until: datetime | None,
    clause: str | None,
    decision: Decision,
    as_json: bool,
) -> None:
    """Put PARTNER_CODE into the category CATEGORY_PATH in TERRITORY (GB, GB-SCT, or * for everywhere)."""
    with desk() as at, at.database.transaction() as session:
        made = presences.add(
            session,
            partner_id=owner(session, partner_code),
            category_id=categories.by_path(session, category_path).category_id,
            territory=territory,
            since=since.date(),
            until=_date(until),
            clause=clause,
            now=clock.now(),
        )
        write_down_of(at, session, "presence.added", made, "presence_id", category=made.category_path, **decision.facts)
    how = "exclusively present" if made.exclusive else "present"
    tell(made, f"{partner_code} is {how} in {made.category_path} in {territory} from {made.since}", as_json=as_json)


@presence.command("end")
@click.argument("presence_id")
@click.argument("until", type=DAY)
@noted
@json_option
@one_line_errors
def end_presence(*, presence_id: str, until: datetime, decision: Decision, as_json: bool) -> None:
    """Let PRESENCE_ID (prs_…) last until UNTIL, the first day after it: sooner or later than it would have."""
    with desk() as at, at.database.transaction() as session:
        chosen = ids.parse(ids.PRESENCE, presence_id)
        made = presences.change(session, presence_id=chosen, changes={"until": until.date()})
        write_down(at, session, "presence.changed", presence_id, fields=["until"], **decision.facts)
    tell(made, f"{presence_id} lasts until {made.until}", as_json=as_json)


@presence.command("withdraw")
@click.argument("presence_id")
@noted
@json_option
@one_line_errors
def withdraw_presence(*, presence_id: str, decision: Decision, as_json: bool) -> None:
    """Take back PRESENCE_ID (prs_…), entered by mistake."""
    with desk() as at, at.database.transaction() as session:
        presences.withdraw(session, presence_id=ids.parse(ids.PRESENCE, presence_id), now=clock.now())
        write_down(at, session, "presence.withdrawn", presence_id, **decision.facts)
    answer({"presence_id": presence_id}, f"{presence_id} is withdrawn", as_json=as_json)


@presence.command("list")
@click.argument("partner_code")
@json_option
@one_line_errors
def list_presences(*, partner_code: str, as_json: bool) -> None:
    """List where PARTNER_CODE is present."""
    with desk() as at, at.database.transaction() as session:
        whose = owner(session, partner_code)
        found = presences.of_partner(session, partner_id=whose, after=FIRST, limit=MOST_LISTED)
    columns = ("presence_id", "category_path", "territory", "since", "until", "clause")
    tell_all(found, columns, as_json=as_json)


show_command(presence, prefix=ids.PRESENCE, get=presences.get)


def _correct_presence(session: Session, shown_id: str, changes: Any) -> Any:
    return presences.change(session, presence_id=ids.parse(ids.PRESENCE, shown_id), changes=changes)


correct_command(
    presence,
    prefix=ids.PRESENCE,
    options={"since": DAY, "until": DAY, "clause": None},
    change=_correct_presence,
    key="category_path",
)


def _date(day: datetime | None) -> date | None:
    return day.date() if day else None
