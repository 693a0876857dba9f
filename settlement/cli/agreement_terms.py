"""The terms of an agreement at the terminal: an option for each, and a change of them side by side."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from typing import Any, ParamSpec, TypeVar

import click

from kit import money
from settlement import agreement_terms
from settlement.agreement_changes import Change, Effect
from settlement.agreement_terms import MOST_MINOR, TERMS, AgreementTerms, Amount, Choice, Term
from settlement.agreements import Agreement

P = ParamSpec("P")
R = TypeVar("R")


def term_options(
    *, but: Term | None = None, only: Collection[str] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Give a command an option for each term `but` one, and `--no-…` for what an agreement may be without.

    With `only`, for the terms of these names. The command hands them to `named`.
    """

    def given(command: Callable[P, R]) -> Callable[P, R]:
        for term in reversed(TERMS):
            if term is not but and (only is None or term.name in only):
                command = _option(term)(command)
        return command

    return given


def _option(term: Term) -> Callable[[Callable[P, R]], Callable[P, R]]:
    def given(command: Callable[P, R]) -> Callable[P, R]:
        if term.default is None:
            command = click.option(f"--no-{term.option}", f"no_{term.name}", is_flag=True, help="Remove the value.")(
                command
            )
        return click.option(f"--{term.option}", term.name, type=_type(term), help=term.about)(command)

    return given


def _type(term: Term) -> click.ParamType[Any] | None:
    match term.kind:
        case Amount():
            return click.IntRange(0, MOST_MINOR)
        case Choice(values):
            return click.Choice(values)
    return None


def named(given: Mapping[str, Any]) -> AgreementTerms:
    """The terms that were named, by their options' values; raises what `agreement_terms.parse` does."""
    found = {term.name: given[term.name] for term in TERMS if given.get(term.name) is not None}
    for term in TERMS:
        if given.get(f"no_{term.name}"):
            if term.name in found:
                raise click.UsageError(f"either --{term.option} or --no-{term.option}")
            found[term.name] = None
    return agreement_terms.parse(found)


OPTIONS = ", ".join(f"--{term.option}" for term in TERMS)


def data(found: Agreement) -> dict[str, Any]:
    """An agreement for a program."""
    return {**vars(found), **found.terms}


def change_data(change: Change) -> dict[str, Any]:
    """A change for a program; what is not made yet has no id."""
    after, effect = change.after, change.effect
    return {
        "since": after.since,
        "until": after.until,
        "before": None if change.before is None else change.before.terms,
        "after": after.terms,
        "effect": None if effect is None else {**asdict(effect), "difference_minor": effect.difference_minor},
    }


def change_text(change: Change, *, code: str) -> str:
    """A change for people: the days, the terms side by side, and what it would have come to."""
    after = change.after
    days = f"from {after.since} " + (f"to the day before {after.until}" if after.until else "on")
    old, new = ({} if change.before is None else change.before.terms), after.terms
    rows = [(f"{code}, {days}", "before", "after", "")]
    for term in TERMS:
        one, other = old.get(term.name), new[term.name]
        if one is not None or other is not None:
            rows.append((term.option, _shown(one), _shown(other), "" if one == other else "changed"))
    widths = [max(len(row[n]) for row in rows) for n in range(3)]
    lines = ["  ".join([*map(str.ljust, row, widths), row[3]]).rstrip() for row in rows]
    return "\n".join([*lines, *([_effect(change.effect)] if change.effect else [])])


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)


def _effect(effect: Effect) -> str:
    if not effect.days:
        return "No day is settled yet that the prices could be compared on."
    amounts = (
        f"{money.show(effect.amount_before_minor, effect.currency_before)} at the price before, "
        f"{money.show(effect.amount_after_minor, effect.currency_after)} at the one after"
    )
    text = (
        f"From {effect.first} to {effect.last} (settled days: {effect.days}) {effect.points} of its points were "
        f"redeemed elsewhere: {amounts}"
    )
    difference = effect.difference_minor
    if not difference:  # none, or in two currencies
        return f"{text}."
    shown = money.show(abs(difference), effect.currency_after)
    return f"{text}, {shown} {'less' if difference < 0 else 'more'}."
