"""/v1/admin: OAuth clients of partners."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from kit import clock, ids
from kit.http import etags
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.etags import Tagged
from kit.http.fields import OPTIONAL, Id
from kit.http.requests import DRY_RUN
from kit.http.services import services
from partners import accounts, client_list, client_rules, clients, texts
from partners.client_list import ListedClient
from partners.http.admin import PREFIX, READ, WRITE, LeftOutSchema, NoteSchema, line, write_down
from partners.http.auth import requires
from partners.scopes import SCOPES

admin_clients_api = Blueprint("admin-clients", __name__, url_prefix=PREFIX, description="OAuth clients, for the admin")
MOST_SHOWN = 100


class NewClientSchema(ma.Schema):
    """What a partner's program may ask tokens for; all that partners may, if left out."""

    scopes = ma.fields.List(
        ma.fields.String(validate=ma.validate.Length(1, 50), metadata={"enum": list(SCOPES)}),
        validate=ma.validate.Length(1, 50),
        load_default=None,
    )


class ClientChangeSchema(NoteSchema):
    """What can be corrected; what is left out stays. With other scopes the client's tokens end."""

    name = line(100)
    redirect_uris = ma.fields.List(
        line(client_rules.LONGEST_REDIRECT_URI), validate=ma.validate.Length(1, client_rules.MOST_REDIRECT_URIS)
    )
    scopes = ma.fields.List(
        ma.fields.String(validate=ma.validate.Length(1, 50), metadata={"enum": list(SCOPES)}),
        validate=ma.validate.Length(1, 50),
    )


class ClientSchema(ma.Schema):
    """An OAuth client; `client_secret` is in the answer to its creation only."""

    client_id = ma.fields.String()
    client_secret = ma.fields.String(metadata={OPTIONAL: True})
    partner_id = Id(ids.PARTNER, allow_none=True)
    kind = ma.fields.String(validate=ma.validate.OneOf(client_list.KINDS))
    name = ma.fields.String(metadata={"description": "What people read of an app or of tills"})
    auth_method = ma.fields.String()
    redirect_uris = ma.fields.List(ma.fields.String())
    rate_limit_percent = ma.fields.Integer()
    scopes = ma.fields.List(ma.fields.String())
    created_at = ma.fields.AwareDateTime()
    revoked_at = ma.fields.AwareDateTime(allow_none=True)


class ClientListSchema(ma.Schema):
    """A partner's clients."""

    data = ma.fields.List(ma.fields.Nested(ClientSchema))


@admin_clients_api.post("/partners/<partner_id>/clients")
@requires(admin_clients_api, WRITE)
@fails_with(accounts.PartnerNotFound, accounts.PartnerNotActive, clients.UnknownScope)
@admin_clients_api.doc(parameters=[DRY_RUN])
@admin_clients_api.arguments(NewClientSchema())
@admin_clients_api.response(201, ClientSchema, headers=etags.ETAG)
def create(body: dict[str, Any], partner_id: str) -> Tagged[dict[str, Any]]:
    """Create a client of an active partner; keep the secret, it is shown this once."""
    parts = services()
    with parts.writing() as session:
        made, secret = clients.create(
            session,
            partner_id=ids.parse(ids.PARTNER, partner_id),
            scopes=body["scopes"],
            now=clock.now(),
            keyring=parts.keyring,
        )
        listed = client_list.get(session, made.client_id)
        write_down(session, "client.created", made, key="client_id", scopes=made.scopes)
    return {**vars(listed), "client_secret": secret}, 201, etags.tag_of(listed.version)


@admin_clients_api.get("/partners/<partner_id>/clients")
@requires(admin_clients_api, READ)
@fails_with(accounts.PartnerNotFound)
@admin_clients_api.response(200, ClientListSchema)
def of_partner(partner_id: str) -> dict[str, Any]:
    """A partner's clients, the newest 100, revoked ones included."""
    with services().reading() as session:
        owner = accounts.by_id(session, ids.parse(ids.PARTNER, partner_id)).partner_id
        return {"data": client_list.of_partner(session, partner_id=owner, limit=MOST_SHOWN)}


@admin_clients_api.get("/clients/<client_id>")
@requires(admin_clients_api, READ)
@fails_with(clients.ClientNotFound)
@admin_clients_api.response(200, ClientSchema, headers=etags.ETAG)
def get(client_id: str) -> Tagged[ListedClient]:
    """One client, also one that was revoked."""
    with services().reading() as session:
        return etags.tagged(client_list.get(session, client_id))


@admin_clients_api.patch("/clients/<client_id>")
@requires(admin_clients_api, WRITE)
@fails_with(clients.ClientNotFound, clients.UnknownScope, client_rules.MalformedClient, texts.MalformedText)
@admin_clients_api.doc(parameters=[DRY_RUN, etags.IF_MATCH])
@admin_clients_api.arguments(ClientChangeSchema())
@admin_clients_api.response(200, ClientSchema, headers=etags.ETAG)
def change(body: dict[str, Any], client_id: str) -> Tagged[ListedClient]:
    """Correct a client: its name, an app's redirect addresses, a back end's scopes."""
    seen, reason = etags.seen(), body.pop("reason", None)
    changes: client_list.ClientChange = {**body}  # type: ignore[typeddict-item]
    with services().writing() as session:
        changed = client_list.change(session, client_id=client_id, changes=changes, seen=seen)
        write_down(session, "client.corrected", changed, key="client_id", fields=sorted(body), reason=reason)
    return etags.tagged(changed)


@admin_clients_api.post("/clients/<client_id>/revoke")
@requires(admin_clients_api, WRITE)
@fails_with(clients.ClientNotFound, texts.MalformedText)
@admin_clients_api.doc(parameters=[DRY_RUN])
@admin_clients_api.arguments(LeftOutSchema())
@admin_clients_api.response(204)
def revoke(body: dict[str, Any], client_id: str) -> None:
    """End a client, and its tokens within a second."""
    with services().writing() as session:
        clients.revoke(session, client_id=client_id, now=clock.now())
        gone = client_list.get(session, client_id)
        write_down(session, "client.revoked", gone, key="client_id", reason=body.get("reason"))
