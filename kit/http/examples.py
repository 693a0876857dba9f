"""Examples for the API's description, made from the schemas themselves so that they can't fall behind them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SUFFIX = "01h45ytscbebyvny4gc8cr8ma2"
_BY_FORMAT = {
    "date-time": "2026-11-02T12:00:00+00:00",
    "date": "2026-11-02",
    "uri": "https://hooks.example.com/coalition",
    "uri-reference": "/problems/insufficient_points",
}
_BY_TYPE: dict[str, Any] = {"string": "text", "integer": 1, "number": 1.5, "boolean": False, "object": {}}
DEEPEST = 12
LEFT_OUT = object()  # what an answer may have, and most have not


class Examples:
    """Examples of one description: `of_schema` by the name of a schema, `of_field` by that of a field.

    `in_schema` has by the name of a schema the fields that are different there, or LEFT_OUT; `of_operation` by that of
    an operation what its answer has different.
    """

    def __init__(
        self,
        schemas: Mapping[str, Any],
        *,
        of_schema: Mapping[str, Any],
        of_field: Mapping[str, Any],
        in_schema: Mapping[str, Mapping[str, Any]],
        of_operation: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self._schemas = schemas
        self._of_schema = of_schema
        self._of_field = of_field
        self._in_schema = in_schema
        self._of_operation = of_operation

    def answer(self, schema: Mapping[str, Any], *, operation: str) -> Any:
        """An example of what an operation answers."""
        made = self.make(schema)
        return {**made, **self._of_operation[operation]} if operation in self._of_operation else made

    def make(self, schema: Mapping[str, Any], *, name: str = "", depth: int = 0) -> Any:
        """An example that is valid against `schema`, found under the field `name`."""
        if "$ref" in schema:
            referred = schema["$ref"].rsplit("/", 1)[-1]
            if referred in self._of_schema:
                return self._of_schema[referred]
            made = self.make(self._schemas[referred], name=name, depth=depth + 1)
            if referred in self._in_schema:
                made = {**made, **self._in_schema[referred]}
                return {field: value for field, value in made.items() if value is not LEFT_OUT}
            return made
        if "example" in schema:
            return schema["example"]
        if schema.get("enum"):
            return schema["enum"][0]
        return self._by_shape(schema, name, depth)

    def _by_shape(self, schema: Mapping[str, Any], name: str, depth: int) -> Any:
        for several in ("anyOf", "oneOf", "allOf"):
            if several in schema and "properties" not in schema:
                return self.make(schema[several][0], name=name, depth=depth + 1)
        kind = _kind(schema)
        if kind == "object" and "properties" in schema:
            if depth > DEEPEST:
                return {}
            return {
                field: self.make(inner, name=field, depth=depth + 1) for field, inner in schema["properties"].items()
            }
        if name in self._of_field and _fits(self._of_field[name], schema):
            return self._of_field[name]
        if kind == "array":
            return [self.make(schema.get("items", {}), depth=depth + 1)] if depth <= DEEPEST else []
        return _plain(schema, kind)


_PYTHON: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "object": (dict,),
    "array": (list,), "null": (type(None),),
}  # fmt: skip


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether `value` may stand there: fields of one name aren't of one type everywhere."""
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        return False
    kinds = schema.get("type", [])
    return isinstance(value, tuple(t for kind in ([kinds] if isinstance(kinds, str) else kinds) for t in _PYTHON[kind]))


def _plain(schema: Mapping[str, Any], kind: str) -> Any:
    pattern = schema.get("pattern", "")
    if pattern.endswith("_[0-7][0-9a-hjkmnp-tv-z]{25}$"):
        return pattern[1:].partition("_[")[0] + "_" + _SUFFIX
    if schema.get("format") in _BY_FORMAT:
        return _BY_FORMAT[schema["format"]]
    if kind == "integer":
        return max(1, schema.get("minimum", 1))
    return _BY_TYPE.get(kind, "text")


def _kind(schema: Mapping[str, Any]) -> str:
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kinds, list):
        return str(next((kind for kind in kinds if kind != "null"), "string"))
    return str(kinds)
