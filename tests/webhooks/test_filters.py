"""Filters on content: what they let through, and which are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.event_types import EVENT_TYPES
from webhooks.filters import FilterRefused, check, matches

FIELDS = {name for kind in EVENT_TYPES.values() for name in kind.schema["properties"]}
EVENT = {
    "id": "evt_1",
    "type": "points.earned",
    "version": 1,
    "timestamp": "2026-03-02T12:00:00Z",
    "data": {"points": 100, "reference": "R-1001", "hold_id": None, "awards": [{"points": 100}], "shortfall": 0},
}


def holds(filter_: dict[str, Any]) -> bool:
    check(filter_, fields=FIELDS)
    return matches(json.loads(json.dumps(filter_)), EVENT)


@pytest.mark.parametrize(
    "filter_",
    [
        {"type": "points.earned"},
        {"data": {"points": 100}},
        {"data": {"points": 100.0}},
        {"data": {"points": {"$gte": 100, "$lt": 101}, "reference": {"$prefix": "R-"}}},
        {"data": {"points": {"$in": [1, 100]}}},
        {"data": {"hold_id": None}},
        {"data": {"hold_id": {"$exists": True}, "kind": {"$exists": False}, "awards": {"$exists": True}}},
        {"data": {"kind": {"$ne": "capture"}}},
        {"data": {"points": {"$not": {"$gt": 100}}}},
        {"$or": [{"type": "points.burned"}, {"data": {"points": {"$or": [{"$lt": 5}, {"$gt": 10}]}}}]},
        {"$and": [{"timestamp": {"$gte": "2026-03-01"}}, {"$not": {"data": {"points": 5}}}]},
    ],
)
def test_a_filter_lets_through_what_it_describes(filter_: dict[str, Any]) -> None:
    assert holds(filter_)
    assert not holds({"$not": filter_})


@pytest.mark.parametrize(
    "filter_",
    [
        {"data": {"points": "100"}},
        {"data": {"points": {"$gt": "1"}}},
        {"data": {"reference": {"$gt": 1}}},
        {"data": {"shortfall": False}},
        {"version": True},
        {"data": {"hold_id": {"$lt": "z"}}},
        {"data": {"kind": None}},
        {"data": {"kind": {"$lt": 5}}},
        {"data": {"awards": {"$in": [100, None]}}},
        {"data": {"points": {"$prefix": "1"}}},
        {"data": {"$or": [{"points": 1}, {"kind": "x"}]}},
    ],
)
def test_what_cannot_be_compared_does_not_match(filter_: dict[str, Any]) -> None:
    assert not holds(filter_)


def test_no_filter_lets_everything_through() -> None:
    assert matches(None, EVENT)


def deep(levels: int) -> dict[str, Any]:
    node: dict[str, Any] = {"$exists": True}
    for _ in range(levels - 3):
        node = {"$not": node}
    return {"data": {"points": node}}


@pytest.mark.parametrize(
    ("filter_", "pointer", "problem"),
    [
        (None, "", "not_an_object"),
        ([], "", "not_an_object"),
        ("points", "", "not_an_object"),
        ({}, "", "empty"),
        ({"data": 5}, "/data", "not_an_object"),
        ({"data": {}}, "/data", "empty"),
        ({"data": {"points": {}}}, "/data/points", "empty"),
        ({"colour": "red"}, "/colour", "unknown_field"),
        ({"data": {"colour/~": "red"}}, "/data/colour~1~0", "unknown_field"),
        ({"data": {"points": {"value": 5}}}, "/data/points/value", "unknown_field"),
        ({"data": {"awards": {"0": {"points": 5}}}}, "/data/awards/0", "unknown_field"),
        ({"data": {"points": {"$regex": ".*"}}}, "/data/points/$regex", "unknown_operator"),
        ({"data": {"points": {"$": 5}}}, "/data/points/$", "unknown_operator"),
        ({"data": {"points": [5]}}, "/data/points", "wrong_operand"),
        ({"data": {"points": {"$eq": {"$eq": 5}}}}, "/data/points/$eq", "wrong_operand"),
        ({"data": {"points": {"$in": 5}}}, "/data/points/$in", "wrong_operand"),
        ({"data": {"points": {"$in": []}}}, "/data/points/$in", "wrong_operand"),
        ({"data": {"points": {"$in": [1, [2]]}}}, "/data/points/$in/1", "wrong_operand"),
        ({"data": {"points": {"$gt": True}}}, "/data/points/$gt", "wrong_operand"),
        ({"data": {"points": {"$lte": None}}}, "/data/points/$lte", "wrong_operand"),
        ({"data": {"points": {"$exists": 1}}}, "/data/points/$exists", "wrong_operand"),
        ({"data": {"reference": {"$prefix": 5}}}, "/data/reference/$prefix", "wrong_operand"),
        ({"data": {"reference": "\x00"}}, "/data/reference", "wrong_operand"),
        ({"$or": {"type": "x"}}, "/$or", "wrong_operand"),
        ({"$or": [5]}, "/$or/0", "wrong_operand"),
        ({"$and": []}, "/$and", "wrong_operand"),
        ({"$not": "x"}, "/$not", "wrong_operand"),
        ({"$not": {"colour": 5}}, "/$not/colour", "unknown_field"),
        ({"data": {"reference": "x" * 201}}, "/data/reference", "too_long_text"),
        ({"data": {"points": {"$in": list(range(51))}}}, "", "too_many_conditions"),
        ({"$or": [{"data": {"points": n}} for n in range(51)]}, "", "too_many_conditions"),
        (deep(9), "/data/points" + "/$not" * 6, "too_deep"),
    ],
)
def test_a_filter_that_says_nothing_we_can_apply_is_refused_where_it_is_wrong(
    filter_: Any, pointer: str, problem: str
) -> None:
    with pytest.raises(FilterRefused) as refused:
        check(filter_, fields=FIELDS)
    assert refused.value.fields == {"pointer": pointer, "problem": problem}


def test_the_bounds_themselves_are_allowed() -> None:
    check(deep(8), fields=FIELDS)
    check(
        {
            "data": {
                "points": {"$in": list(range(50))},
            }
        },
        fields=FIELDS,
    )
    check({"data": {"reference": "x" * 200}}, fields=FIELDS)


# The model: conditions drawn at random, each with the filter that says it and a test of the data in plain Python.
Condition = tuple[dict[str, Any], Callable[[dict[str, Any]], bool]]
NAMES = ("points", "reference", "shortfall")
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.0, 1.0, 0.5]), st.text("ab", max_size=2)
)
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": lambda a, b: a > b,
    "$gte": lambda a, b: a >= b,
    "$lt": lambda a, b: a < b,
    "$lte": lambda a, b: a <= b,
}


def same_type(left: Any, right: Any) -> bool:
    numbers = (int, float)
    return type(left) is type(right) or (type(left) in numbers and type(right) in numbers)


@st.composite
def leaves(draw: st.DrawFn) -> Condition:
    name, value = draw(st.sampled_from(NAMES)), draw(SCALARS)
    operator = draw(st.sampled_from(["plain", "$eq", "$ne", "$in", "$exists", "$prefix", *ORDER]))

    def equals(data: dict[str, Any], wanted: Any = value) -> bool:
        return name in data and same_type(data[name], wanted) and data[name] == wanted

    if operator in ORDER and type(value) in (int, float, str):
        compare = ORDER[operator]
        return {
            name: {operator: value}
        }, lambda data: name in data and same_type(data[name], value) and compare(data[name], value)
    if operator == "$ne":
        return {name: {"$ne": value}}, lambda data: not equals(data)
    if operator == "$in":
        values = [value, *draw(st.lists(SCALARS, max_size=3))]
        return {name: {"$in": values}}, lambda data: any(equals(data, one) for one in values)
    if operator == "$exists":
        wanted = draw(st.booleans())
        return {name: {"$exists": wanted}}, lambda data: (name in data) is wanted
    if operator == "$prefix":
        return {name: {"$prefix": "a"}}, lambda data: str(data.get(name)).startswith("a") and type(data[name]) is str
    return {name: value if operator == "plain" else {"$eq": value}}, equals


def combined(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    some = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        some.map(lambda them: ({"$or": [f for f, _ in them]}, lambda data: any(test(data) for _, test in them))),
        some.map(lambda them: ({"$and": [f for f, _ in them]}, lambda data: all(test(data) for _, test in them))),
        inner.map(lambda it: ({"$not": it[0]}, lambda data: not it[1](data))),
    )


@given(
    st.recursive(leaves(), combined, max_leaves=6),
    st.lists(st.dictionaries(st.sampled_from(NAMES), SCALARS), min_size=1, max_size=5),
)
def test_a_filter_means_what_plain_python_says(condition: Condition, events: list[dict[str, Any]]) -> None:
    filter_, test = condition
    for data in events:
        assert matches({"data": filter_}, {**EVENT, "data": data}) == test(data)


@given(
    st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["data", "points", "$or", "$not", "$in", "$gt", "$exists", "x"]), inner)
        ),
        max_leaves=20,
    )
)
def test_what_passes_the_check_can_be_applied(filter_: Any) -> None:
    try:
        check(filter_, fields=FIELDS)
    except FilterRefused:
        return
    assert matches(filter_, EVENT) in (True, False)
