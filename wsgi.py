"""Composition root of the HTTP service: `create_app` reads like a table of contents; `application` serves it."""

from __future__ import annotations

import os
from functools import partial

from flask import Flask

from coalition.business_days import DayWatch
from kit import clock, logins, logs, metrics, nudge, sandbox, settings
from kit.db import DatabaseUnavailable
from kit.http import api, health, measuring, problems, rate_limits, requests, versions
from kit.http import services as http_services
from kit.http.gateway import Gateway, Lane
from kit.http.mount import Mount
from kit.http.proxies import BehindProxies
from kit.http.rate_limits import Limiter
from kit.http.services import Services
from kit.metrics import Meter
from kit.nudge import Nudge
from kit.secrets import keyring
from kit.settings import Settings
from kit.supervisor import exit_with_parent
from partners import pages
from partners.http import admission, examples, oauth_limits
from partners.http.admin_brands import admin_brands_api
from partners.http.admin_categories import admin_categories_api
from partners.http.admin_clients import admin_clients_api
from partners.http.admin_contacts import admin_contacts_api
from partners.http.admin_locations import admin_locations_api
from partners.http.admin_members import admin_members_api
from partners.http.admin_partners import admin_partners_api
from partners.http.admin_presences import admin_presences_api
from partners.http.admin_rates import admin_rates_api
from partners.http.admin_signatures import admin_signatures_api
from partners.http.admin_staff import admin_staff_api
from partners.http.admin_tills import admin_tills_api
from partners.http.batches import batches_api
from partners.http.burns import burns_api
from partners.http.earns import earns_api
from partners.http.holds import holds_api
from partners.http.identifiers import identifiers_api
from partners.http.magic_references import magic_references_api
from partners.http.me import me_api
from partners.http.members import members_api
from partners.http.requests import requests_api
from partners.http.returns import returns_api
from partners.http.reversals import reversals_api
from partners.http.test_clock import test_clock_api
from partners.http.transactions import transactions_api
from partners.oauth import browser_apps, description
from partners.oauth import server as oauth_server
from partners.oauth.consent_pages import consent_pages
from partners.oauth.device_pages import device_pages
from partners.scopes import ADMIN_SCOPES, MEMBER_SCOPES, SCOPES
from partners.sign_in import postman
from partners.sign_in.passkey_pages import passkey_pages
from partners.sign_in.proof_pages import proof_pages
from partners.sign_in.sign_in_pages import sign_in_pages
from settlement import watch
from settlement.http.admin_agreements import admin_agreements_api
from settlement.http.explanations import explanations_api
from webhooks.http.deliveries import deliveries_api
from webhooks.http.endpoints import endpoints_api
from webhooks.http.event_types import event_types_api, webhooks_described

VERSION = "1.0.0"
MOST_WAITING = 4_096  # for a thread of one process: as many connections as the server accepts
# The rooms of the API, in the order its description has them.
API = (
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
    me_api,
    requests_api,
    test_clock_api,
    magic_references_api,
    endpoints_api,
    deliveries_api,
    event_types_api,
    admin_partners_api,
    admin_members_api,
    admin_brands_api,
    admin_categories_api,
    admin_presences_api,
    admin_locations_api,
    admin_tills_api,
    admin_contacts_api,
    admin_staff_api,
    admin_signatures_api,
    admin_clients_api,
    admin_rates_api,
    admin_agreements_api,
)


def create_app(chosen: Settings) -> Flask:
    """The HTTP service on the engines `chosen` names (both URLs set)."""
    if chosen.database_url is None or chosen.redis_url is None:
        raise ValueError("create_app needs the addresses of both engines")
    app = Flask("coalition", static_folder=None)
    parts = _services(chosen, redis_url=chosen.redis_url)
    http_services.install(app, parts)
    requests.install(app, is_https=chosen.issuer.startswith("https://"))
    measuring.install(app)
    versions.install(app)
    problems.install(app)
    limiter = Limiter(chosen.redis_url, prefix=rate_limits.key_prefix(parts.keyring))
    rate_limits.install(app, limiter, rate_limits.policies(chosen))
    admission.install(app, parts)
    oauth_limits.install(app)
    health.install(app, {"nights": watch.state})
    oauth_server.install(app)
    browser_apps.install(app, parts)
    postman.install(app, chosen)
    pages.install(app)
    for page in (sign_in_pages, passkey_pages, proof_pages, consent_pages, device_pages):
        app.register_blueprint(page)
    frame = api.create(
        app,
        title="Coalition partner API",
        version=VERSION,
        scopes=SCOPES | ADMIN_SCOPES,
        member_scopes=MEMBER_SCOPES,
        unavailable=(DatabaseUnavailable,),
        of_schema=examples.OF_SCHEMA,
        of_field=examples.OF_FIELD,
        webhooks=webhooks_described(),
        forms={"paths": description.paths(), "tag": description.TAG, "schemes": description.SCHEMES},
    )
    for blueprint in API:
        frame.register_blueprint(blueprint)
    # Always: from a proxy that nobody trusts the header is dropped.
    app.wsgi_app = BehindProxies(app.wsgi_app, chosen.trusted_proxies)  # type: ignore[method-assign]
    return app


def _services(chosen: Settings, *, redis_url: str) -> Services:
    keys = keyring(chosen)
    meter = Meter(redis_url, key=metrics.key(keys))
    # One connection besides those of the threads: what is written in the background keeps no request waiting.
    database = logins.service_database(chosen, pool_size=chosen.web_threads + 1, meter=meter)
    days = DayWatch(database)
    return Services(
        settings=chosen,
        database=database,
        tenants=logins.tenant_database(chosen, pool_size=chosen.web_threads, meter=meter),
        keyring=keys,
        nudge=Nudge(redis_url, channel=nudge.channel(keys)),
        meter=meter,
        before_writing=lambda: days.look(clock.now()),
    )


def application() -> Gateway:
    """What a web process of `coalition up` serves, live and the sandbox beside it; ends with who started it."""
    chosen = settings.from_environment(os.environ)
    logs.configure(chosen.log_format)
    exit_with_parent()
    live = create_app(chosen)
    lane = Lane(threads=chosen.web_threads, most_waiting=MOST_WAITING, refused=partial(measuring.count_busy, live))
    if chosen.sandbox != "beside":
        return Gateway(live, lambda path: lane)
    beside = sandbox.beside(chosen)
    test = create_app(beside)
    both = Mount(live, test, path=sandbox.PATH)
    aside = Lane(
        threads=beside.web_threads, most_waiting=sandbox.MOST_WAITING, refused=partial(measuring.count_busy, test)
    )
    return Gateway(both, lambda path: aside if both.is_sandbox(path) else lane)
