"""Exclusivity: a plain model, the clause that is named, races, and the constraint that stands behind the code."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from kit.db import Session
from kit.errors import CoalitionError
from partners import accounts, categories, competition, lifecycle, placements, territories
from partners.placements import ExclusivityConflict, NoDays, PlacementNotFound, UnknownTerritory
from tests.conftest import NOW, World, act, active_partner

FIRST = date(2026, 1, 1)
LAST = 40  # days the model looks at
CLAUSE = "7.2: no other grocer"


def day(n: int) -> date:
    return FIRST + timedelta(days=n)


def grow(session: Session, *paths: str) -> dict[str, UUID]:
    """The tree of these paths, each after what it is part of."""
    made: dict[str, UUID] = {}
    for path in paths:
        above, _, code = path.rpartition("/")
        made[path] = categories.add(
            session, act(), code=code, name=code, parent_id=made.get(above)
        ).category_id  # fmt: skip
    return made


@pytest.fixture
def tree(world: World) -> dict[str, UUID]:
    with world.transaction() as session:
        return grow(session, "food", "food/grocer", "food/grocer/organic", "food/bakery", "fuel")


@pytest.fixture
def placed(world: World, tree) -> Callable[..., placements.Placement]:
    def add(partner: accounts.Partner, where: str, territory: str = "GB", **more: Any) -> placements.Placement:
        asked = {"since": FIRST, "until": None, "clause": None, **more}
        with world.transaction() as session:
            return placements.add(
                session,
                act(),
                partner_id=partner.partner_id,
                category_id=tree[where],
                territory=territory,
                **asked,
            )

    return add


def test_a_newcomer_is_refused_by_the_name_and_the_clause_of_who_is_there(world: World, placed) -> None:
    grocer, rival = world.partner("greengrocer"), world.partner("rival")
    placed(grocer, "food/grocer", clause=CLAUSE, until=day(30))
    with pytest.raises(ExclusivityConflict) as refused:
        placed(rival, "food/grocer/organic", "GB-SCT")
    assert CLAUSE in refused.value.detail
    assert refused.value.fields | {"partner_id": None} == {
        "partner_id": None,
        "partner_code": "greengrocer",
        "clause": CLAUSE,
        "clause_of": "greengrocer",
        "category": "food/grocer",
        "territory": "GB",
        "since": FIRST,
        "until": day(30),
    }
    assert world.count("partners.placement") == 1


def test_who_wants_exclusivity_where_somebody_is_present_is_told_who(world: World, placed) -> None:
    placed(world.partner("greengrocer"), "food/grocer")
    with pytest.raises(ExclusivityConflict) as refused:
        placed(world.partner("rival"), "food", "*", clause="1: all of food")
    fields = refused.value.fields
    assert (fields["partner_code"], fields["clause_of"], fields["clause"]) == ("greengrocer", "rival", "1: all of food")


@pytest.mark.parametrize(
    ("where", "territory", "dates", "clause"),
    [
        ("food/bakery", "GB", {}, CLAUSE),
        ("fuel", "GB", {}, CLAUSE),
        ("food/grocer", "FR", {}, CLAUSE),
        ("food/grocer", "GB", {"since": day(30)}, CLAUSE),
        ("food/grocer", "GB", {"since": day(-9), "until": FIRST}, CLAUSE),
    ],
    ids=["sibling", "another-tree", "another-country", "from-the-day-it-ends", "until-the-day-it-begins"],
)
def test_what_does_not_meet_does_not_compete(world: World, placed, where, territory, dates, clause) -> None:
    placed(world.partner("greengrocer"), "food/grocer", clause=CLAUSE, until=day(30))
    assert placed(world.partner("rival"), where, territory, clause=clause, **dates).exclusive


@pytest.mark.parametrize(
    ("where", "territory"),
    [("food/grocer", "GB"), ("food", "GB"), ("food/grocer/organic", "GB"), ("food/grocer", "GB-SCT"), ("food", "*")],
)
def test_ancestors_descendants_and_parts_of_the_country_compete(world: World, placed, where, territory) -> None:
    placed(world.partner("greengrocer"), "food/grocer", clause=CLAUSE)
    with pytest.raises(ExclusivityConflict):
        placed(world.partner("rival"), where, territory)


def test_without_a_clause_any_number_may_be_in_one_place_and_a_partner_never_competes_with_itself(
    world: World, placed
) -> None:
    grocer, rival = world.partner("greengrocer"), world.partner("rival")
    for partner in (grocer, rival, grocer):
        placed(partner, "food/grocer")
    other = world.partner("fuelway")
    for _ in range(2):
        placed(other, "fuel", clause=CLAUSE)
    assert world.count("partners.placement") == 5


def test_an_extension_is_checked_like_a_newcomer(world: World, placed) -> None:
    grocer, rival = world.partner("greengrocer"), world.partner("rival")
    early = placed(grocer, "food/grocer", clause=CLAUSE, until=day(10))
    late = placed(rival, "food/grocer", since=day(10))
    for placement_id, changes, told in (
        (early.placement_id, {"until": day(11)}, "rival"),
        (early.placement_id, {"until": None}, "rival"),
        (late.placement_id, {"since": day(9)}, "greengrocer"),
    ):
        with pytest.raises(ExclusivityConflict) as refused, world.transaction() as session:
            placements.change(session, act(), placement_id=placement_id, changes=changes)
        assert refused.value.fields["partner_code"] == told
    with world.transaction() as session:
        assert placements.change(
            session, act(), placement_id=early.placement_id, changes={"clause": None}
        ).until == day(10)
        assert (
            placements.change(session, act(), placement_id=early.placement_id, changes={"until": None}).clause is None
        )
    with pytest.raises(ExclusivityConflict), world.transaction() as session:
        placements.change(session, act(), placement_id=late.placement_id, changes={"clause": "mine now"})


def test_what_is_withdrawn_or_left_behind_is_free(world: World, placed) -> None:
    grocer, rival = world.partner("greengrocer"), world.partner("rival")
    mistake = placed(grocer, "fuel", clause=CLAUSE)
    with world.transaction() as session:
        placements.withdraw(session, act(), placement_id=mistake.placement_id)
    with pytest.raises(PlacementNotFound), world.transaction() as session:
        placements.withdraw(session, act(), placement_id=mistake.placement_id)
    assert placed(rival, "fuel", clause=CLAUSE)
    held = placed(grocer, "food/grocer", clause=CLAUSE)
    placed(grocer, "food/bakery", clause=CLAUSE, since=NOW.date() + timedelta(days=300))
    times = lifecycle.Leaving(NOW, NOW, NOW + timedelta(days=9))
    with world.transaction() as session:
        lifecycle.leave(session, act(reason="sold", by="ann"), partner_id=grocer.partner_id, times=times)
    gone = NOW + timedelta(days=9)
    with pytest.raises(ExclusivityConflict):
        placed(rival, "food/grocer", since=gone.date())
    with world.transaction() as session:
        assert lifecycle.finish_leaving(session, act(now=gone)) == 1
        assert placements.get(session, held.placement_id).until == gone.date()
    assert placed(rival, "food", since=gone.date(), clause=CLAUSE)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"territory": "UK"}, UnknownTerritory),
        ({"territory": "gb"}, UnknownTerritory),
        ({"territory": "GB-"}, UnknownTerritory),
        ({"territory": "GB-SCO"}, UnknownTerritory),
        ({"territory": "gb-sct"}, UnknownTerritory),
        ({"territory": ""}, UnknownTerritory),
        ({"until": FIRST}, NoDays),
        ({"until": day(-1)}, NoDays),
        ({"clause": " "}, CoalitionError),
        ({"clause": "x" * 501}, CoalitionError),
    ],
)
def test_a_placement_that_says_nothing_sound_is_refused(world: World, placed, change, error) -> None:
    with pytest.raises(error):
        placed(world.partner("greengrocer"), "fuel", **change)
    assert world.count("partners.exclusivity") == 0


def test_of_many_that_race_for_one_category_one_wins_and_the_others_are_told_who(world: World, placed) -> None:
    racers = [world.partner(f"racer-{n}") for n in range(8)]
    places = ["food", "food/grocer", "food/grocer/organic", "food/grocer"] * 2
    outcomes = race(
        [
            lambda partner=partner, place=place: placed(partner, place, clause=f"clause of {partner.code}")
            for partner, place in zip(racers, places, strict=True)
        ]
    )
    winners = [code for code, error in zip(range(8), outcomes, strict=True) if error is None]
    assert len(winners) == 1
    name = f"racer-{winners[0]}"
    losers = [error for error in outcomes if error is not None]
    assert all(isinstance(error, ExclusivityConflict) for error in losers), losers
    assert {(e.fields["partner_code"], e.fields["clause"]) for e in losers} == {(name, f"clause of {name}")}
    assert world.count("partners.placement") == 1


def test_of_two_that_extend_towards_each_other_one_is_told_by_name(world: World, placed) -> None:
    early, late = world.partner("early"), world.partner("late")
    first = placed(early, "fuel", clause=CLAUSE, until=day(10))
    second = placed(late, "fuel", since=day(20))

    def extend(placement_id: UUID, **changes: Any) -> None:
        with world.transaction() as session:
            placements.change(session, act(), placement_id=placement_id, changes=changes)  # type: ignore[typeddict-item]

    outcomes = race(
        [
            lambda: extend(first.placement_id, until=day(20)),
            lambda: extend(second.placement_id, since=day(10)),
        ]
    )
    told = [error.fields["partner_code"] for error in outcomes if isinstance(error, ExclusivityConflict)]
    assert outcomes.count(None) == 1
    assert told == ["early" if outcomes[0] is None else "late"]


def race(runners: list[Callable[[], object]]) -> list[Exception | None]:
    """Start all at once; what each raised, or None."""
    barrier = threading.Barrier(len(runners))
    outcomes: list[Exception | None] = [None] * len(runners)

    def run(n: int) -> None:
        barrier.wait()
        try:
            runners[n]()
        except CoalitionError as error:
            outcomes[n] = error

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(runners))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


PATHS = ("a1", "a1/b1", "a1/b1/c1", "a1/b2", "a10", "a1-b")
CELLS = ("GB", "GB-SCT", "GB-ENG", "FR", "FR-75C")
steps = st.lists(
    st.tuples(
        st.integers(0, 2),  # who
        st.sampled_from(PATHS),
        st.sampled_from((*CELLS, "*")),
        st.integers(0, LAST - 2),
        st.one_of(st.none(), st.integers(1, 12)),  # days
        st.booleans(),  # exclusive
        st.one_of(st.none(), st.integers(0, 9)),  # which earlier one to change instead
    ),
    min_size=2,
    max_size=14,
)


def cells(one: competition.Footprint) -> set[tuple[str, str, int]]:
    """Everything a placement occupies, one by one: what the rules are held against."""
    under = [path for path in PATHS if f"{path}/".startswith(one.category_path)]
    where = [c for c in CELLS if one.territory in ("*", c) or c.startswith(one.territory + "-")]
    last = LAST + 50 if one.until is None else (one.until - FIRST).days
    return {(path, cell, n) for path in under for cell in where for n in range((one.since - FIRST).days, last)}


def may_be(wanted: competition.Footprint, present: list[competition.Footprint]) -> bool:
    mine = cells(wanted)
    return not any(
        other.partner_id != wanted.partner_id and (other.clause or wanted.clause) and mine & cells(other)
        for other in present
    )


def constraint_allows(session: Session, wanted: placements.Placement, *, new: bool) -> bool:
    """Whether the database itself takes the row, without a word from the code."""
    statement = """
        UPDATE partners.placement SET valid = daterange(:since, :until), clause = :clause
        WHERE placement_id = :placement_id
    """
    if new:
        statement = """
            INSERT INTO partners.placement (placement_id, partner_id, category_id, category_path, territory, valid,
                                           clause, created_at)
            VALUES (:placement_id, :partner_id, :category_id, :category_path, :territory, daterange(:since, :until),
                    :clause, :created_at)
        """
    savepoint = session.begin_nested()
    try:
        session.execute(text(statement), vars(wanted))
    except IntegrityError as error:
        if not isinstance(error.orig, psycopg.errors.ExclusionViolation):
            raise
        return False
    finally:
        savepoint.rollback()
    return True


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_code_and_constraint_each_agree_with_a_plain_model(shared_world: World, steps) -> None:
    with shared_world.database.trial() as session:
        who = [active_partner(session, f"p{n}").partner_id for n in range(3)]
        tree = grow(session, *PATHS)
        present: list[placements.Placement] = []
        for partner, path, territory, since, days, exclusive, earlier in steps:
            change = earlier is not None and earlier < len(present)
            dates = {"since": day(since), "until": None if days is None else day(since + days)}
            clause = "alone" if exclusive else None
            old = present[earlier] if change else None
            wanted = placements.Placement(
                placement_id=old.placement_id if old else UUID(int=len(present) + 1),
                partner_id=old.partner_id if old else who[partner],
                category_id=old.category_id if old else tree[path],
                category_path=old.category_path if old else f"{path}/",
                territory=old.territory if old else territory,
                clause=clause,
                created_at=NOW,
                **dates,
            )
            others = [one for one in present if one is not old]
            expected = may_be(wanted.footprint, [one.footprint for one in others])
            assert constraint_allows(session, wanted, new=old is None) == expected
            try:
                if old:
                    done = placements.change(
                        session, act(), placement_id=old.placement_id, changes={**dates, "clause": clause}
                    )  # fmt: skip
                    present[earlier] = done
                else:
                    present.append(
                        placements.add(
                            session,
                            act(),
                            partner_id=wanted.partner_id,
                            category_id=wanted.category_id,
                            territory=territory,
                            clause=clause,
                            **dates,
                        )
                    )
                told = None
            except ExclusivityConflict as refused:
                told = refused.fields["partner_code"]
            assert (told is None) == expected
            rivals = [one for one in others if not may_be(wanted.footprint, [one.footprint])]
            assert told in {None, *(accounts.by_id(session, one.partner_id).code for one in rivals)}


def test_a_territory_contains_itself_and_its_parts_and_nothing_that_only_begins_alike() -> None:
    assert territories.contains("*", "GB")
    assert territories.contains("GB", "GB-SCT")
    assert territories.contains("GB-SCT", "GB-SCT")
    assert not territories.contains("GB-SCT", "GB")
    assert not territories.contains("GB-S", "GB-SCT")
    assert not territories.contains("FR", "GB")
    assert not competition.categories_overlap("a1/", "a10/")
    assert len(territories.countries()) == 249


def test_a_category_can_not_be_its_own_ancestor_not_even_for_the_owner_of_the_database(world: World, tree) -> None:
    with psycopg.connect(str(world.settings.database_url)) as owner, pytest.raises(psycopg.errors.IntegrityError):
        owner.execute(
            "UPDATE partners.category SET parent_id = %s, parent_path = 'food/grocer/' WHERE category_id = %s",
            (tree["food/grocer"], tree["food"]),
        )


def test_the_tree_is_bounded_and_each_place_in_it_taken_once(world: World, tree) -> None:
    with world.transaction() as session:
        with pytest.raises(categories.CategoryTaken):
            categories.add(session, act(), code="grocer", name="G", parent_id=tree["food"])
        with pytest.raises(categories.CategoryNotFound):
            categories.add(session, act(), code="grocer", name="G", parent_id=UUID(int=1))
        for bad in ("", "a", "A1", "a/b", "a" * 33, "ä1"):
            with pytest.raises(categories.MalformedCategory):
                categories.add(session, act(), code=bad, name="G", parent_id=None)
        parent = tree["food/grocer/organic"]
        for n in range(4, 7):
            parent = categories.add(session, act(), code=f"level-{n}", name="L", parent_id=parent).category_id
        with pytest.raises(categories.MalformedCategory):
            categories.add(session, act(), code="level-7", name="L", parent_id=parent)
        assert categories.by_path(session, "food/grocer").category_id == tree["food/grocer"]


def test_the_service_can_not_write_exclusivity_past_the_placements(world: World) -> None:
    for statement in ("DELETE FROM partners.exclusivity", "UPDATE partners.exclusivity SET is_exclusive = false"):
        with pytest.raises(Exception, match="permission denied"), world.transaction() as session:
            session.execute(text(statement))
