"""Filters on what events say: which of its types' events an endpoint hears. Pure: values in, an answer out.

`{"data": {"points": {"$gte": 100}}}`: names lead into the event, and at their end stands a value, which means equality,
or operators. Several names or operators in one object are all to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, Literal, NoReturn

from kit.errors import Invalid
from kit.strict_json import escape, is_writable

DEEPEST = 8  # objects within objects
MOST_CONDITIONS = 50  # values that something is compared with
LONGEST_TEXT = 200
ENVELOPE = ("id", "type", "version", "timestamp")

Scalar = str | int | float | bool | None
Kind = Literal["text", "number", "boolean", "null"]


class FilterRefused(Invalid):
    code = "filter_refused"
    title = "Filter refused"
    description = (
        "The endpoint's filter is not one that we can apply: it is not an object of fields and operators, names a "
        "field that the endpoint's event types do not have, or is too large. `pointer` says where in the filter, and "
        "`problem` says what is wrong."
    )
    remedy = (
        "Correct the filter at `pointer`. GET /v1/event-types lists the fields of each type. Send null to hear every "
        "event of the endpoint's types."
    )
    facts = ("pointer", "problem")


class _Missing:
    """What a field is that the event hasn't."""


_MISSING = _Missing()


def matches(filter_: dict[str, Any] | None, event: dict[str, Any]) -> bool:
    """Whether `event`, a frozen body as an object, is one that `filter_` lets through; None lets all through.

    What can't be compared, since its types differ or the event hasn't the field, doesn't match; `$ne` and `$not` are
    the contrary of what stands behind them. Times compare as text. Numbers are no booleans.
    """
    return filter_ is None or _holds(filter_, event)


def check(filter_: Any, *, fields: Collection[str]) -> None:
    """Raise FilterRefused unless `filter_` is a filter on events whose data can have `fields`."""
    if not isinstance(filter_, dict):
        _refuse("", "not_an_object", "a filter is a JSON object")
    known: Known = {**dict.fromkeys(ENVELOPE), "data": dict.fromkeys(fields)}
    for number, _ in enumerate(_conditions(filter_, known=known, at="", depth=1), start=1):
        if number > MOST_CONDITIONS:
            _refuse("", "too_many_conditions", f"a filter has at most {MOST_CONDITIONS} values to compare with")


def _holds(node: Any, value: Any) -> bool:
    if not isinstance(node, dict):
        return _equal(value, node)
    return all(
        _OPERATORS[name](value, operand) if name.startswith("$") else _holds(operand, _inner(value, name))
        for name, operand in node.items()
    )


def _inner(value: Any, name: str) -> Any:
    return value.get(name, _MISSING) if isinstance(value, dict) else _MISSING


def _kind(value: Any) -> Kind | None:
    if isinstance(value, bool):  # before numbers: in Python it is one
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    return "null" if value is None else None


def _equal(value: Any, operand: Scalar) -> bool:
    return _kind(value) == _kind(operand) and bool(value == operand)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, operand: _kind(value) == _kind(operand) and compare(value, operand)


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": _equal,
    "$ne": lambda value, operand: not _equal(value, operand),
    "$in": lambda value, operands: any(_equal(value, operand) for operand in operands),
    "$gt": _ordered(lambda value, operand: value > operand),
    "$gte": _ordered(lambda value, operand: value >= operand),
    "$lt": _ordered(lambda value, operand: value < operand),
    "$lte": _ordered(lambda value, operand: value <= operand),
    "$prefix": lambda value, operand: isinstance(value, str) and value.startswith(operand),
    "$exists": lambda value, wanted: (value is not _MISSING) == wanted,
    "$or": lambda value, nodes: any(_holds(node, value) for node in nodes),
    "$and": lambda value, nodes: all(_holds(node, value) for node in nodes),
    "$not": lambda value, node: not _holds(node, value),
}
_ORDER = ("$gt", "$gte", "$lt", "$lte")

# The names an object can have: of what is inside, or None where it ends.
Known = dict[str, Any]


def _conditions(node: Any, *, known: Known | None, at: str, depth: int) -> Iterator[str]:
    """The pointer of every value that something is compared with; raises FilterRefused at the first fault."""
    if not isinstance(node, dict):
        if known is not None:
            _refuse(at, "not_an_object", "here stands an object of fields")
        _check_scalar(node, at)
        yield at
        return
    if depth > DEEPEST:
        _refuse(at, "too_deep", f"a filter is at most {DEEPEST} objects deep")
    if not node:
        _refuse(at, "empty", "an object names at least one field or operator")
    for name, operand in node.items():
        here = f"{at}/{escape(name[:LONGEST_TEXT])}"
        if name.startswith("$"):
            yield from _of_operator(name, operand, known=known, at=here, depth=depth)
        elif known is None or name not in known:
            _refuse(here, "unknown_field", "none of the endpoint's event types has this field")
        else:
            yield from _conditions(operand, known=known[name], at=here, depth=depth + 1)


def _of_operator(name: str, operand: Any, *, known: Known | None, at: str, depth: int) -> Iterator[str]:
    if name not in _OPERATORS:
        _refuse(at, "unknown_operator", f"the operators are {' '.join(_OPERATORS)}")
    if name in ("$or", "$and"):
        for number, node in enumerate(_some(operand, at)):
            if not isinstance(node, dict):
                _refuse(f"{at}/{number}", "wrong_operand", f"{name} takes a list of objects")
            yield from _conditions(node, known=known, at=f"{at}/{number}", depth=depth + 1)
    elif name == "$not":
        if not isinstance(operand, dict):
            _refuse(at, "wrong_operand", "$not takes an object")
        yield from _conditions(operand, known=known, at=at, depth=depth + 1)
    elif name == "$in":
        for number, value in enumerate(_some(operand, at)):
            _check_scalar(value, f"{at}/{number}")
            yield f"{at}/{number}"
    else:
        _check_operand(name, operand, at)
        yield at


def _check_operand(name: str, operand: Any, at: str) -> None:
    if name == "$exists" and not isinstance(operand, bool):
        _refuse(at, "wrong_operand", "$exists takes true or false")
    if name == "$prefix" and not isinstance(operand, str):
        _refuse(at, "wrong_operand", "$prefix takes a text")
    if name in _ORDER and _kind(operand) not in ("number", "text"):
        _refuse(at, "wrong_operand", f"{name} takes a number or a text")
    _check_scalar(operand, at)


def _some(operand: Any, at: str) -> list[Any]:
    if not isinstance(operand, list) or not operand:
        _refuse(at, "wrong_operand", "this operator takes a list with at least one element")
    return operand


def _check_scalar(value: Any, at: str) -> None:
    if _kind(value) is None:
        _refuse(at, "wrong_operand", "here stands a text, a number, true, false or null")
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        _refuse(at, "too_long_text", f"a text has at most {LONGEST_TEXT} characters")
    if isinstance(value, str) and not is_writable(value):
        _refuse(at, "wrong_operand", "a text holds no NUL and no half of a surrogate pair")


def _refuse(pointer: str, problem: str, detail: str) -> NoReturn:
    raise FilterRefused(f"{detail} (at {pointer or 'the top'} of the filter)", pointer=pointer, problem=problem)
