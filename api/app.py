"""The room installs itself: the partner API, the authorization server for programs, and what guards both."""

from __future__ import annotations

from flask import Flask

from api import admission, event_documents, examples, webhook_keys
from api.oauth import browser_apps, description, limits
from api.oauth import server as oauth_server
from api.v1.admin.agreements import admin_agreements_api
from api.v1.admin.brands import admin_brands_api
from api.v1.admin.categories import admin_categories_api
from api.v1.admin.clients import admin_clients_api
from api.v1.admin.contacts import admin_contacts_api
from api.v1.admin.locations import admin_locations_api
from api.v1.admin.members import admin_members_api
from api.v1.admin.partners import admin_partners_api
from api.v1.admin.placements import admin_placements_api
from api.v1.admin.rates import admin_rates_api
from api.v1.admin.settlement_reports import admin_settlement_reports_api
from api.v1.admin.settlement_runs import admin_settlement_runs_api
from api.v1.admin.signatures import admin_signatures_api
from api.v1.admin.staff import admin_staff_api
from api.v1.admin.tills import admin_tills_api
from api.v1.batches import batches_api
from api.v1.burns import burns_api
from api.v1.disputes import disputes_api
from api.v1.earns import earns_api
from api.v1.event_consumers import event_consumers_api
from api.v1.event_digests import event_digests_api
from api.v1.event_types import event_types_api
from api.v1.events import events_api
from api.v1.explanations import explanations_api
from api.v1.holds import holds_api
from api.v1.identifiers import identifiers_api
from api.v1.me import me_api
from api.v1.members import members_api
from api.v1.obligations import obligations_api
from api.v1.reconciliations import reconciliation_breaks_api, reconciliations_api
from api.v1.requests import requests_api
from api.v1.returns import returns_api
from api.v1.reversals import reversals_api
from api.v1.sandbox_faults import sandbox_faults_api
from api.v1.settlement_runs import settlement_runs_api
from api.v1.statements import statements_api
from api.v1.test_clock import test_clock_api
from api.v1.transactions import transactions_api
from api.v1.webhook_deliveries import deliveries_api
from api.v1.webhook_endpoints import endpoints_api
from api.v1.webhook_replays import replays_api
from coalition.business_days import ClockDoubtful
from identity.scopes import ADMIN_SCOPES, MEMBER_SCOPES, SCOPES
from kit.db import DatabaseUnavailable
from kit.http import api, rate_limits
from kit.http.rate_limits import Limiter
from kit.http.services import services

VERSION = "1.0.0"
# In the order the API's description has them.
NOUNS = (
    members_api,
    identifiers_api,
    earns_api,
    burns_api,
    holds_api,
    batches_api,
    reversals_api,
    returns_api,
    transactions_api,
    explanations_api,
    settlement_runs_api,
    statements_api,
    obligations_api,
    disputes_api,
    reconciliations_api,
    reconciliation_breaks_api,
    me_api,
    requests_api,
    test_clock_api,
    sandbox_faults_api,
    endpoints_api,
    deliveries_api,
    replays_api,
    event_types_api,
    events_api,
    event_consumers_api,
    event_digests_api,
    admin_partners_api,
    admin_members_api,
    admin_brands_api,
    admin_categories_api,
    admin_placements_api,
    admin_locations_api,
    admin_tills_api,
    admin_contacts_api,
    admin_staff_api,
    admin_signatures_api,
    admin_clients_api,
    admin_rates_api,
    admin_agreements_api,
    admin_settlement_runs_api,
    admin_settlement_reports_api,
)


def install(app: Flask) -> None:
    """Serve the API under /v1 and the authorization server's endpoints under /oauth, from the services of `app`."""
    with app.app_context():
        svc = services()
    limiter = Limiter(str(svc.settings.redis_url), prefix=rate_limits.key_prefix(svc.keyring))
    svc.closing.callback(limiter.close)
    rate_limits.install(app, limiter, rate_limits.policies(svc.settings))
    admission.install(app, svc)
    limits.install(app)
    oauth_server.install(app)
    browser_apps.install(app, svc)
    webhook_keys.install(app)
    frame = api.create(
        app,
        title="Coalition partner API",
        version=VERSION,
        scopes=SCOPES | ADMIN_SCOPES,
        member_scopes=MEMBER_SCOPES,
        unavailable=(DatabaseUnavailable, ClockDoubtful),
        of_schema=examples.OF_SCHEMA,
        of_field=examples.OF_FIELD,
        in_schema=examples.IN_SCHEMA,
        of_operation=examples.OF_OPERATION,
        webhooks=event_documents.webhooks(tag=event_types_api.name),
        forms={
            "paths": description.paths(),
            "responses": description.responses(),
            "tag": description.TAG,
            "schemes": description.SCHEMES,
        },
    )
    event_documents.install(app, version=VERSION)
    for noun in NOUNS:
        frame.register_blueprint(noun)
