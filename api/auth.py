"""Who is asking: every route of the API names the scope it needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import current_app, request

from api.admission import admit
from api.context import of_request
from identity import access_tokens, prefixes
from identity.clients import Admin, Principal
from identity.token_cache import TokenCache
from kit import clock, ids, pairwise
from kit.db import Tenant
from kit.http.api import Blueprint
from kit.http.problems import InsufficientScope, Unauthenticated
from kit.http.requests import check_query, note
from kit.http.services import serve, services

_CACHE = "coalition.tokens"
View = TypeVar("View", bound=Callable[..., Any])


def requires(blueprint: Blueprint, scope: str) -> Callable[[View], View]:
    """Let a view in only with a token good for `scope`, and say so in the API's description."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            authorise(scope)
            return view(*args, **kwargs)

        documented = blueprint.doc(security=[{"oauth2": [scope]}])(guarded)
        documented.required_scope = scope  # read by the test that walks all routes
        return cast(View, documented)

    return decorate


def authorise(scope: str) -> None:
    """Put the principal of this request's token into place; raises Unauthenticated, InsufficientScope."""
    found = _authenticate(request.headers.get("Authorization", ""))
    if isinstance(found, Principal):
        note(client_id=found.client_id, partner_id=found.partner_id)
        ids.see_as(pairwise.view_of(services().keyring, found.partner_id))
    else:
        note(client_id=found.client_id)
        ids.see_as(ids.OUR_OWN)  # the coalition's admin
    admit(found)
    if scope not in found.scopes:
        raise InsufficientScope(f"this needs the scope {scope}", required_scope=scope)
    check_query()
    of_request.change(principal=found)
    if isinstance(found, Principal):
        serve(Tenant(found.partner_id, found.member_id))


def principal() -> Principal:
    """The partner behind this request; on a route whose scope is a partner's, nobody else gets here."""
    return cast(Principal, of_request.get().principal)


def admin() -> Admin:
    """The coalition's admin behind this request; on a route whose scope is the admin's, nobody else gets here.

    No client can have scopes of both kinds: `clients.create` refuses it, and the database does.
    """
    return cast(Admin, of_request.get().principal)


def _authenticate(header: str) -> Principal | Admin:
    svc = services()
    cache = cast(TokenCache, current_app.extensions.setdefault(_CACHE, TokenCache()))
    scheme, _, token = header.partition(" ")
    token_hash = access_tokens.hash_of(svc.keyring, token.strip()) if scheme.lower() == "bearer" else None
    if token_hash is None:
        mixed_up = prefixes.mix_up(svc.keyring, token.strip())
        raise Unauthenticated(mixed_up or "send a valid access token: Authorization: Bearer …")
    now = clock.now()
    if (known := cache.get(token_hash, now)) is not None:
        return known
    asked_s = time.monotonic()
    with svc.reading() as session:
        found = access_tokens.find_principal(session, token_hash=token_hash, now=now)
    if found is None:
        raise Unauthenticated("the access token is unknown, expired or revoked")
    cache.put(token_hash, *found, asked_s=asked_s)
    return found[0]
