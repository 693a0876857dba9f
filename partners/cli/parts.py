"""`coalition partner brand | category | placement …`: for the operator."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import click

from kit import ids
from kit.audit import Act
from kit.db import Session
from kit.terminal import answer, desk, json_option, one_line_errors
from partners import brands, categories, placements
from partners.cli.records import (
    DAY,
    FIRST,
    MOST_LISTED,
    Decision,
    correct_command,
    decided,
    noted,
    owner,
    report,
    report_all,
    show_command,
)


@click.group(help="Brands that partners trade under.")
def brand() -> None:
    pass


@brand.command("add", help="Add the brand NAME to PARTNER_CODE.")
@click.argument("partner_code")
@click.argument("name")
@noted
@json_option
@one_line_errors
def add_brand(*, partner_code: str, name: str, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        made = brands.add(session, decision.act(ctx), partner_id=owner(session, partner_code), name=name)
    report(made, f"{made.name} is a brand of {partner_code}", as_json=as_json)


@brand.command("end", help="End the brand BRAND_ID (brd_…). Its name becomes free.")
@click.argument("brand_id")
@decided
@json_option
@one_line_errors
def end_brand(*, brand_id: str, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        made = brands.end(session, decision.act(ctx), brand_id=ids.parse(ids.BRAND, brand_id))
    report(made, f"{made.name} is ended", as_json=as_json)


@brand.command("list", help="List the brands of PARTNER_CODE.")
@click.argument("partner_code")
@json_option
@one_line_errors
def list_brands(*, partner_code: str, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        whose = owner(session, partner_code)
        found = brands.of_partner(session, partner_id=whose, after=FIRST, limit=MOST_LISTED)
    report_all(found, ("brand_id", "name", "ended_at"), as_json=as_json)


show_command(brand, prefix=ids.BRAND, get=brands.get)


def _correct_brand(session: Session, act: Act, shown_id: str, changes: dict[str, Any]) -> Any:
    return brands.change(session, act, brand_id=ids.parse(ids.BRAND, shown_id), **changes)


correct_command(brand, prefix=ids.BRAND, options={"name": None}, change=_correct_brand, key="name")


@click.group(help="The tree of categories that partners trade in.")
def category() -> None:
    pass


@category.command("add", help="Add the category PATH, such as food/bakery. Its parent has to exist.")
@click.argument("path")
@click.option("--name", help="The name for people. If you leave it out: made from the path.")
@noted
@json_option
@one_line_errors
def add_category(*, path: str, name: str | None, decision: Decision, as_json: bool) -> None:
    above, _, code = path.strip("/").rpartition("/")
    with desk() as ctx, ctx.database.transaction() as session:
        parent_id = categories.by_path(session, above).category_id if above else None
        made = categories.add(
            session,
            decision.act(ctx),
            code=code,
            name=name or code.replace("-", " ").title(),
            parent_id=parent_id,
        )
    report(made, f"{made.path} is {made.name}", as_json=as_json)


@category.command("list", help="List the categories.")
@json_option
@one_line_errors
def list_categories(*, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        found = categories.page(session, after=FIRST, limit=MOST_LISTED)
    report_all(sorted(found, key=lambda one: one.path), ("path", "name"), as_json=as_json)


show_command(category, prefix=ids.CATEGORY, get=categories.by_id)


def _correct_category(session: Session, act: Act, shown_id: str, changes: dict[str, Any]) -> Any:
    return categories.rename(session, act, category_id=ids.parse(ids.CATEGORY, shown_id), **changes)


correct_command(category, prefix=ids.CATEGORY, options={"name": None}, change=_correct_category, key="path")


@click.group(help="Where partners are present, and where exclusively.")
def placement() -> None:
    pass


@placement.command(
    "add", help="Add PARTNER_CODE to the category CATEGORY_PATH in TERRITORY (GB, GB-SCT, or * for everywhere)."
)
@click.argument("partner_code")
@click.argument("category_path")
@click.argument("territory")
@click.option("--since", type=DAY, required=True, help="The first day.")
@click.option(
    "--until", type=DAY, help="The first day after the placement. If you leave it out: as long as the partner stays."
)
@click.option("--clause", help="The clause of the agreement that excludes competitors.")
@noted
@json_option
@one_line_errors
def add_placement(
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
    with desk() as ctx, ctx.database.transaction() as session:
        made = placements.add(
            session,
            decision.act(ctx),
            partner_id=owner(session, partner_code),
            category_id=categories.by_path(session, category_path).category_id,
            territory=territory,
            since=since.date(),
            until=_date(until),
            clause=clause,
        )
    how = "exclusively present" if made.exclusive else "present"
    report(made, f"{partner_code} is {how} in {made.category_path} in {territory} from {made.since}", as_json=as_json)


@placement.command("end", help="End the placement PLACEMENT_ID (plc_…) at UNTIL, the first day after it.")
@click.argument("placement_id")
@click.argument("until", type=DAY)
@decided
@json_option
@one_line_errors
def end_placement(*, placement_id: str, until: datetime, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        chosen = ids.parse(ids.PLACEMENT, placement_id)
        made = placements.change(session, decision.act(ctx), placement_id=chosen, changes={"until": until.date()})
    report(made, f"{placement_id} lasts until {made.until}", as_json=as_json)


@placement.command("withdraw", help="Withdraw the placement PLACEMENT_ID (plc_…) that you added by mistake.")
@click.argument("placement_id")
@decided
@json_option
@one_line_errors
def withdraw_placement(*, placement_id: str, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        placements.withdraw(session, decision.act(ctx), placement_id=ids.parse(ids.PLACEMENT, placement_id))
    answer({"placement_id": placement_id}, f"{placement_id} is withdrawn", as_json=as_json)


@placement.command("list", help="List where PARTNER_CODE is present.")
@click.argument("partner_code")
@json_option
@one_line_errors
def list_placements(*, partner_code: str, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        whose = owner(session, partner_code)
        found = placements.of_partner(session, partner_id=whose, after=FIRST, limit=MOST_LISTED)
    columns = ("placement_id", "category_path", "territory", "since", "until", "clause")
    report_all(found, columns, as_json=as_json)


show_command(placement, prefix=ids.PLACEMENT, get=placements.get)


def _correct_placement(session: Session, act: Act, shown_id: str, changes: Any) -> Any:
    return placements.change(session, act, placement_id=ids.parse(ids.PLACEMENT, shown_id), changes=changes)


correct_command(
    placement,
    prefix=ids.PLACEMENT,
    options={"since": DAY, "until": DAY, "clause": None},
    may_lack=("until", "clause"),
    change=_correct_placement,
    key="category_path",
)


def _date(day: datetime | None) -> date | None:
    return day.date() if day else None
