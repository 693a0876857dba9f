"""Composition root of the HTTP service: `create_app` reads like a table of contents; `application` serves it."""

from __future__ import annotations

import os
from functools import partial

from flask import Flask

from api import app as api
from coalition.business_days import DayWatch
from console import app as console
from kit import clock, logins, logs, metrics, sandbox, settings, wakeup
from kit.http import health, measuring, problems, redoing, requests, versions
from kit.http import services as http_services
from kit.http.gateway import Gateway, Lane
from kit.http.mount import Mount
from kit.http.proxies import BehindProxies
from kit.http.services import Services
from kit.metrics import Meter
from kit.secrets import Keyring
from kit.settings import Settings
from kit.supervisor import exit_with_parent
from kit.wakeup import Wakeup
from settlement import watch

MOST_WAITING = 4_096  # for a thread of one process: as many connections as the server accepts


def create_app(chosen: Settings, keyring: Keyring | None = None) -> Flask:
    """The HTTP service on the engines `chosen` names (both URLs set); its keys are those of its books, unless given."""
    if chosen.database_url is None or chosen.redis_url is None:
        raise ValueError("create_app needs the addresses of both engines")
    app = Flask("coalition", static_folder=None)
    http_services.install(app, _services(chosen, keyring or logins.keyring(chosen), redis_url=chosen.redis_url))
    requests.install(app, is_https=chosen.issuer.startswith("https://"))
    redoing.install(app)
    measuring.install(app)
    versions.install(app)
    problems.install(app)
    health.install(app, {"settlement": watch.state})
    api.install(app)
    console.install(app)
    # Always: from a proxy that nobody trusts the header is dropped.
    app.wsgi_app = BehindProxies(app.wsgi_app, chosen.trusted_proxies)  # type: ignore[method-assign]
    return app


def _services(chosen: Settings, keys: Keyring, *, redis_url: str) -> Services:
    meter = Meter(redis_url, key=metrics.key(keys))
    # One connection besides those of the threads: what is written in the background keeps no request waiting.
    database = logins.service_database(chosen, pool_size=chosen.web_threads + 1, meter=meter)
    days = DayWatch(database)
    return Services(
        settings=chosen,
        database=database,
        tenants=logins.tenant_database(chosen, pool_size=chosen.web_threads, meter=meter),
        questions=logins.tenant_database(chosen, pool_size=chosen.web_threads, read_only=True, meter=meter),
        keyring=keys,
        wakeup=Wakeup(redis_url, channel=wakeup.channel(keys)),
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
    of_sandbox = sandbox.settings_of(chosen)
    test = create_app(of_sandbox)
    both = Mount(live, test, path=sandbox.PATH)
    aside = Lane(
        threads=of_sandbox.web_threads, most_waiting=sandbox.MOST_WAITING, refused=partial(measuring.count_busy, test)
    )
    return Gateway(both, lambda path: aside if both.is_sandbox(path) else lane)
