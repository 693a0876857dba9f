"""Which fields of our requests hold nothing of a person's and are kept in the log: told by their types."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask import Flask
from marshmallow import fields, validate

from api.commands import OPERATIONS
from api.fields import Reference
from identity.redaction import Fields, Kept
from kit.http.fields import Id, Shown
from kit.http.requests import DRY_RUN

_VALUES = (fields.Number, fields.Boolean, fields.DateTime, Id, Shown)


def of_app(app: Flask) -> Fields:
    """By name, the fields of what the routes of `app` ask for of which something is kept; once all routes are there.

    Free text is not kept. A name that means different things to different routes is treated as free text.
    """
    found: dict[str, set[Kept | None]] = {}
    for view in app.view_functions.values():
        for schema in getattr(view, "asks", ()):
            _collect(schema, found)
    kept = {name: how for name, (how, *others) in ((n, tuple(h)) for n, h in found.items()) if how and not others}
    # What an item of a batch says besides its kind's own fields; and what every change can be asked.
    targets = [operation.target[0] for operation in OPERATIONS.values() if operation.target]
    return {**kept, **dict.fromkeys(("kind", str(DRY_RUN["name"]), *targets), Kept.VALUE)}


def _collect(schema: ma.Schema, found: dict[str, set[Kept | None]]) -> None:
    for name, field in schema.fields.items():
        inner = field.inner if isinstance(field, fields.List) else field
        found.setdefault(field.data_key or name, set()).add(_kept(inner))
        if isinstance(inner, fields.Nested):
            _collect(inner.schema, found)


def _kept(field: fields.Field[Any]) -> Kept | None:
    if isinstance(field, Reference):
        return Kept.REFERENCE
    # Raw is the base of nothing else here: it is an item, whose own fields decide.
    if isinstance(field, fields.Nested | fields.Dict) or type(field) is fields.Raw:
        return Kept.INNER
    has_choice = "enum" in field.metadata or any(isinstance(one, validate.OneOf) for one in field.validators)
    return Kept.VALUE if has_choice or isinstance(field, _VALUES) else None
