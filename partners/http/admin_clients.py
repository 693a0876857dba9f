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
from partners import accounts, client_list, clients
from partners.client_list import ListedClient
from partners.http import admission
from partners.http.admin import PREFIX, READ, WRITE, write_down
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


class ClientSchema(ma.Schema):
    """An OAuth client; `client_secret` is in the answer to its creation only."""

    client_id = ma.fields.String()
    client_secret = ma.fields.String(metadata={OPTIONAL: True})
    partner_id = Id(ids.PARTNER)
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
    parts, now = services(), clock.now()
    with parts.writing() as session:
        made, secret = clients.create(
            session,
            partner_id=ids.parse(ids.PARTNER, partner_id),
            scopes=body["scopes"],
            now=now,
            keyring=parts.keyring,
        )
        write_down(session, "client.created", made, key="client_id", scopes=made.scopes)
    return {**vars(made), "client_secret": secret, "created_at": now, "revoked_at": None}, 201, etags.tag_of(1)


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
    """One client of a partner, also one that was revoked."""
    with services().reading() as session:
        return etags.tagged(client_list.get(session, client_id))


@admin_clients_api.post("/clients/<client_id>/revoke")
@requires(admin_clients_api, WRITE)
@fails_with(clients.ClientNotFound)
@admin_clients_api.doc(parameters=[DRY_RUN])
@admin_clients_api.response(204)
def revoke(client_id: str) -> None:
    """End a client, and its tokens within a second."""
    with services().writing() as session:
        clients.revoke(session, client_id=client_id, now=clock.now())
        admission.write_down(session, "client.revoked", client_id)
