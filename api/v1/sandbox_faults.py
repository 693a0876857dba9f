"""/v1/sandbox-faults: what a posting's reference can make happen in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import marshmallow as ma
from flask import current_app

from api import sandbox_faults
from api.auth import requires
from api.sandbox import SandboxOnly, require_sandbox
from api.sandbox_faults import Planned, problems_of
from coalition.refusals import IdempotencyKeyReused
from kit.http import problems
from kit.http.api import Blueprint
from kit.http.description import fails_with
from partners.sandbox_faults import FAULTS, PREFIX

sandbox_faults_api = Blueprint(
    "sandbox_faults", __name__, url_prefix="/v1/sandbox-faults",
    description="Sandbox only: faults",
)  # fmt: skip


class SandboxFaultSchema(ma.Schema):
    schema_description = "A reference that makes something happen. You can add a colon and any text to it."

    reference = ma.fields.String(metadata={"example": "sandbox:insufficient_points"})
    status = ma.fields.Integer(
        allow_none=True,
        metadata={"description": "The status of the answer, or null if the posting is made", "example": 409},
    )
    does = ma.fields.String()
    comes_once = ma.fields.Boolean(
        metadata={"description": "Whether the same request succeeds when you send it again with its key"}
    )
    routes = ma.fields.List(ma.fields.String(), metadata={"description": "The routes it works on"})


class SandboxFaultListSchema(ma.Schema):
    schema_description = "All faults of the sandbox."

    data = ma.fields.List(ma.fields.Nested(SandboxFaultSchema))


@sandbox_faults_api.get("")
@sandbox_faults_api.doc(
    summary="List the references that make us refuse a posting, or make something go wrong with it.",
    description="Send one as the `reference` of an earn, burn, hold, capture, void, reversal, return or clawback.",
)
@requires(sandbox_faults_api, "transactions:read")
@fails_with(SandboxOnly)
@sandbox_faults_api.response(200, SandboxFaultListSchema)
def listed() -> dict[str, Any]:
    require_sandbox()
    return {"data": list(_all())}


def _all() -> Iterator[dict[str, Any]]:
    routes = {
        f"POST {rule.rule.replace('<', '{').replace('>', '}')}": problems_of(rule.endpoint)
        for rule in current_app.url_map.iter_rules()
        if IdempotencyKeyReused in problems_of(rule.endpoint)
    }
    kinds = {*sandbox_faults.ANYWHERE, *(kind for met in routes.values() for kind in met)}
    for kind in sorted(kinds, key=lambda kind: kind.code):
        yield _shown(
            Planned(kind.code, kind),
            kind.description,
            [route for route, met in routes.items() if kind in met or kind in sandbox_faults.ANYWHERE],
        )
    for name, does in FAULTS.items():
        yield _shown(Planned(name, None), does, list(routes))


def _shown(found: Planned, does: str, routes: list[str]) -> dict[str, Any]:
    return {
        "reference": f"{PREFIX}{found.name}",
        "status": found.kind and problems.status_of(found.kind),
        "does": does,
        "comes_once": found.comes_once,
        "routes": sorted(routes),
    }
