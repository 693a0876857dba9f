"""/v1/admin: OAuth clients of partners."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from api.admission import act
from api.auth import requires
from api.v1.admin.common import PREFIX, READ, WRITE, LeftOutSchema, NoteSchema, line
from identity import client_list, client_policies, clients
from identity.client_list import ListedClient
from identity.scopes import SCOPES
from kit import ids
from kit.http import etags
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.etags import Tagged
from kit.http.fields import OPTIONAL, Id
from kit.http.requests import DRY_RUN
from kit.http.services import services
from partners import accounts, texts

admin_clients_api = Blueprint("admin-clients", __name__, url_prefix=PREFIX, description="OAuth clients, for the admin")
MOST_SHOWN = 100


class NewClientSchema(ma.Schema):
    schema_description = (
        "The scopes that a partner's program can ask tokens for. If you leave them out, it can ask for every scope of "
        "a partner."
    )

    scopes = ma.fields.List(
        ma.fields.String(validate=ma.validate.Length(1, 50), metadata={"enum": list(SCOPES)}),
        validate=ma.validate.Length(1, 50),
        load_default=None,
    )


class ClientChangeSchema(NoteSchema):
    schema_description = (
        "The fields you can correct. A field you leave out stays as it is. If you change the scopes, the client's "
        "tokens end."
    )

    name = line(100)
    redirect_uris = ma.fields.List(
        line(client_policies.LONGEST_REDIRECT_URI), validate=ma.validate.Length(1, client_policies.MOST_REDIRECT_URIS)
    )
    scopes = ma.fields.List(
        ma.fields.String(validate=ma.validate.Length(1, 50), metadata={"enum": list(SCOPES)}),
        validate=ma.validate.Length(1, 50),
    )


class ClientSchema(ma.Schema):
    schema_description = "An OAuth client. Only the answer that creates it has a `client_secret`."

    client_id = ma.fields.String()
    client_secret = ma.fields.String(metadata={OPTIONAL: True})
    partner_id = Id(ids.PARTNER, allow_none=True)
    kind = ma.fields.String(validate=ma.validate.OneOf(client_list.KINDS))
    name = ma.fields.String(metadata={"description": "The name of the app or of the tills that people see"})
    auth_method = ma.fields.String()
    redirect_uris = ma.fields.List(ma.fields.String())
    rate_limit_percent = ma.fields.Integer()
    scopes = ma.fields.List(ma.fields.String())
    created_at = ma.fields.AwareDateTime()
    revoked_at = ma.fields.AwareDateTime(allow_none=True)


class ClientListSchema(ma.Schema):
    schema_description = "A partner's clients."

    data = ma.fields.List(ma.fields.Nested(ClientSchema))


@admin_clients_api.post("/partners/<partner_id>/clients")
@requires(admin_clients_api, WRITE)
@fails_with(accounts.PartnerNotFound, accounts.PartnerNotActive, clients.UnknownScope)
@admin_clients_api.doc(
    summary="Create a client for an active partner. Keep the secret: we show it only this once.", parameters=[DRY_RUN]
)
@admin_clients_api.arguments(NewClientSchema())
@admin_clients_api.response(201, ClientSchema, headers=etags.ETAG)
def create(body: dict[str, Any], partner_id: str) -> Tagged[dict[str, Any]]:
    with services().writing() as session:
        owner = ids.parse(ids.PARTNER, partner_id)
        made, secret = clients.create(session, act(), partner_id=owner, scopes=body["scopes"])
        listed = client_list.get(session, made.client_id)
    return {**vars(listed), "client_secret": secret}, 201, etags.tag_of(listed.version)


@admin_clients_api.get("/partners/<partner_id>/clients")
@admin_clients_api.doc(summary="List the newest 100 clients of a partner, including revoked ones.")
@requires(admin_clients_api, READ)
@fails_with(accounts.PartnerNotFound)
@admin_clients_api.response(200, ClientListSchema)
def of_partner(partner_id: str) -> dict[str, Any]:
    with services().reading() as session:
        owner = accounts.by_id(session, ids.parse(ids.PARTNER, partner_id)).partner_id
        return {"data": client_list.of_partner(session, partner_id=owner, limit=MOST_SHOWN)}


@admin_clients_api.get("/clients/<client_id>")
@admin_clients_api.doc(summary="Get a client, even a revoked one.")
@requires(admin_clients_api, READ)
@fails_with(clients.ClientNotFound)
@admin_clients_api.response(200, ClientSchema, headers=etags.ETAG)
def get(client_id: str) -> Tagged[ListedClient]:
    with services().reading() as session:
        return etags.tagged(client_list.get(session, client_id))


@admin_clients_api.patch("/clients/<client_id>")
@requires(admin_clients_api, WRITE)
@fails_with(clients.ClientNotFound, clients.UnknownScope, client_policies.MalformedClient, texts.MalformedText)
@admin_clients_api.doc(
    summary="Correct a client: its name, an app's redirect addresses, or a back end's scopes.",
    parameters=[DRY_RUN, etags.IF_MATCH],
)
@admin_clients_api.arguments(ClientChangeSchema())
@admin_clients_api.response(200, ClientSchema, headers=etags.ETAG)
def change(body: dict[str, Any], client_id: str) -> Tagged[ListedClient]:
    expected_version, why = etags.expected_version(), act(reason=body.pop("reason", None))
    changes: client_list.ClientChange = {**body}  # type: ignore[typeddict-item]
    with services().writing() as session:
        changed = client_list.change(
            session, why, client_id=client_id, changes=changes, expected_version=expected_version
        )
    return etags.tagged(changed)


@admin_clients_api.post("/clients/<client_id>/revoke")
@requires(admin_clients_api, WRITE)
@fails_with(clients.ClientNotFound, texts.MalformedText)
@admin_clients_api.doc(summary="Revoke a client. Its tokens end within a second.", parameters=[DRY_RUN])
@admin_clients_api.arguments(LeftOutSchema())
@admin_clients_api.response(204)
def revoke(body: dict[str, Any], client_id: str) -> None:
    with services().writing() as session:
        clients.revoke(session, act(reason=body.get("reason")), client_id=client_id)
