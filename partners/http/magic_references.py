"""/v1/magic-references: in the sandbox, what a posting's reference can make happen; and how it is made to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import marshmallow as ma
from flask import Response, current_app, request

from coalition.ledger import Request
from coalition.refusals import IdempotencyKeyReused
from kit import clock
from kit.http import exchange, problems
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.requests import is_dry_run
from kit.http.services import services
from partners import faults, magic
from partners.http.auth import requires
from partners.http.sandbox import SandboxOnly, require_sandbox
from partners.magic import Magic

magic_references_api = Blueprint(
    "magic_references", __name__, url_prefix="/v1/magic-references",
    description="Sandbox only: faults to order",
)  # fmt: skip


class MagicReferenceSchema(ma.Schema):
    """A reference that makes something happen, alone or with a colon and anything behind it."""

    reference = ma.fields.String(metadata={"example": "sandbox:insufficient_points"})
    status = ma.fields.Integer(allow_none=True, metadata={"description": "null: the posting is made", "example": 409})
    does = ma.fields.String()
    comes_once = ma.fields.Boolean(metadata={"description": "Sent again under its key, the same request goes through"})
    routes = ma.fields.List(ma.fields.String(), metadata={"description": "Where it works"})


class MagicReferenceListSchema(ma.Schema):
    """All there are."""

    data = ma.fields.List(ma.fields.Nested(MagicReferenceSchema))


@magic_references_api.get("")
@requires(magic_references_api, "transactions:read")
@fails_with(SandboxOnly)
@magic_references_api.response(200, MagicReferenceListSchema)
def listed() -> dict[str, Any]:
    """Which references make a posting be refused, or something go wrong with it.

    Give one as the `reference` of an earn, burn, hold, capture, void, reversal, return or clawback.
    """
    require_sandbox()
    return {"data": list(_all())}


def foretell(reference: str, asked: Request) -> Magic | None:
    """The fault to `play` once the posting is made; a refusal the reference asks for is raised here and now.

    Nothing, at live. Raises UnknownMagic.
    """
    parts = services()
    if not parts.settings.is_sandbox:
        return None
    found = magic.read(reference, among=_problems(request.endpoint))
    if found is None or (found.comes_once and not _is_first(asked)):
        return None
    if found.kind is not None:
        raise found.refusal()
    return None if is_dry_run() else found


def play(fault: Magic | None, response: Response) -> Response:
    """The answer as it leaves: late, or not at all, where `fault` wants it so."""
    if fault is not None and fault.name == "slow":
        exchange.of(request.environ).answer_after_s = magic.SLOW_S
    if fault is not None and fault.name == "commit_then_drop":
        return _cut_off(response)
    return response


def _cut_off(response: Response) -> Response:
    """An answer that promises more than comes: the server has nothing left to do but to close the connection."""
    cut = Response(iter(()), status=response.status_code, mimetype="application/octet-stream")
    cut.headers["Content-Length"] = response.headers["Content-Length"]
    return cut


def _is_first(asked: Request) -> bool:
    if asked.key is None or is_dry_run():
        return True
    with services().reading() as session:
        return faults.is_first(session, partner_id=asked.partner_id, key=asked.key, now=clock.now())


def _problems(endpoint: str | None) -> tuple[type[Any], ...]:
    return getattr(current_app.view_functions.get(endpoint or ""), "problems", ())


def _all() -> Iterator[dict[str, Any]]:
    routes = {
        f"POST {rule.rule.replace('<', '{').replace('>', '}')}": _problems(rule.endpoint)
        for rule in current_app.url_map.iter_rules()
        if IdempotencyKeyReused in _problems(rule.endpoint)
    }
    kinds = {*magic.ANYWHERE, *(kind for met in routes.values() for kind in met)}
    for kind in sorted(kinds, key=lambda kind: kind.code):
        yield _shown(
            Magic(kind.code, kind),
            " ".join((kind.__doc__ or "").split()),
            [route for route, met in routes.items() if kind in met or kind in magic.ANYWHERE],
        )
    for name, does in magic.FAULTS.items():
        yield _shown(Magic(name, None), does, list(routes))


def _shown(found: Magic, does: str, routes: list[str]) -> dict[str, Any]:
    return {
        "reference": f"{magic.PREFIX}{found.name}",
        "status": found.kind and problems.status_of(found.kind),
        "does": does,
        "comes_once": found.comes_once,
        "routes": sorted(routes),
    }
