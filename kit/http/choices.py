"""Which of several fields a body has: one rule, checked as it is read and written into the API's description."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import marshmallow as ma


@dataclass(frozen=True)
class Choice:
    """Of the fields `names` a body has one; or none, where it `may_be_left_out`; or several, where they `may_be_many`.

    In place of them all a body may have the field `or_else` names, with a text that the pattern beside it is found in.
    """

    names: tuple[str, ...]
    message: str
    may_be_left_out: bool = False
    may_be_many: bool = False
    or_else: tuple[str, str] | None = None

    def allows(self, data: Mapping[str, Any]) -> bool:
        """Whether `data` is so."""
        count = len(data.keys() & set(self.names))
        if count == 0 and self.or_else is not None:
            name, pattern = self.or_else
            return re.search(pattern, data.get(name, "")) is not None
        return (count > 0 or self.may_be_left_out) and (count < 2 or self.may_be_many)

    def as_json_schema(self) -> dict[str, Any]:
        """The same as JSON Schema (2020-12) says it, of an object."""
        each: list[dict[str, Any]] = [{"required": [name]} for name in self.names]
        if self.may_be_many:
            return {"anyOf": each}
        none = {"not": {"anyOf": list(each)}}
        if self.may_be_left_out:
            each.append(none)
        if self.or_else is not None:
            name, pattern = self.or_else
            each.append({"required": [name], "properties": {name: {"pattern": pattern}}, **none})
        return {"oneOf": each}


class ChoosingSchema(ma.Schema):
    """A body of which `choices` say more than its fields do."""

    choices: ClassVar[tuple[Choice, ...]] = ()

    @ma.validates_schema
    def _choose(self, data: dict[str, Any], **kwargs: Any) -> None:
        if wrong := [choice.message for choice in self.choices if not choice.allows(data)]:
            raise ma.ValidationError(wrong)


def describe(schema: dict[str, Any], kind: type[ma.Schema]) -> None:
    """Write into the JSON schema of `kind` what it chooses: always below `allOf`.

    A generator that finds `oneOf` or `anyOf` beside `properties` takes the schema for a union and drops its fields.
    """
    found = [choice.as_json_schema() for choice in kind.choices] if issubclass(kind, ChoosingSchema) else []
    if found:
        schema["allOf"] = found
