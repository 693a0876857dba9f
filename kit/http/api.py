"""The API's frame: flask-smorest on OpenAPI 3.1, errors as problems, its page served from our own package."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from threading import Lock
from typing import Any

import flask_smorest
from flask import Flask, Response, render_template_string, request, send_from_directory
from flask_smorest.utils import prepare_response

from kit.http import choices, description, problems
from kit.http.requests import StrictParser

_PAGE_POLICY = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{{ title }}</title>
<link rel="stylesheet" href="{{ root }}/docs/assets/swagger-ui.css"></head><body><div id="swagger-ui"></div>
<script src="{{ root }}/docs/assets/swagger-ui-bundle.js"></script>
<script src="{{ root }}/docs/start.js"></script></body></html>"""
_HOME = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{{ title }}</title></head><body>
<h1>{{ title }}</h1><p>{{ introduction }}</p><ul>
<li><a href="{{ root }}/docs">The API, route by route</a> (<a href="{{ root }}/openapi.json">OpenAPI 3.1</a>)</li>
<li><a href="{{ root }}/asyncapi.json">The events we send</a> (AsyncAPI 3.0)</li>
<li><a href="{{ root }}/problems/">What can go wrong, and what to do about it</a></li>
</ul></body></html>"""
INTRODUCTION = (
    "Members collect points at one partner and spend them at another. Get a token from /oauth/token with your client's "
    "id and secret, find or enrol a member, and post earns and burns. Send an Idempotency-Key with each of them, so "
    "that a retry never posts twice. Amounts are whole minor units and points are whole numbers. Errors are problem "
    "details (RFC 9457) with a stable code. Webhooks tell you what happens."
)
_START = 'window.ui = SwaggerUIBundle({url: "%s/openapi.json", dom_id: "#swagger-ui", deepLinking: true});'
_LICENSE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
_ASSETS = {"swagger-ui.css", "swagger-ui-bundle.js"}


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]
    """A blueprint whose arguments are parsed strictly, and whose texts are given to `doc`: docstrings are for us."""

    ARGUMENTS_PARSER = StrictParser()

    def arguments(self, schema: Any, *, location: str = "json", **more: Any) -> Callable[[Any], Any]:
        """As flask-smorest has it; a view says what it asks for, and if that is a query, since others refuse any."""
        decorate = super().arguments(schema, location=location, **more)

        def marked(view: Any) -> Any:
            view = decorate(view)
            view.asks = (*getattr(view, "asks", ()), schema)
            if location == "query":
                view.takes_query = True
            return view

        return marked

    def _store_endpoint_docs(self, endpoint: str, *arguments: Any, **named: Any) -> None:
        super()._store_endpoint_docs(endpoint, *arguments, **named)
        for method, described in self._docs[endpoint].items():
            if method != "parameters":
                described["docstring"] = {}


class Api(flask_smorest.Api):  # type: ignore[misc]
    """The API and its description."""

    ERROR_SCHEMA = problems.ProblemSchema
    finish: Callable[[dict[str, Any]], dict[str, Any]]
    finished: str | None = None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.describing = Lock()
        super().__init__(*arguments, **named)

    def _openapi_json(self) -> Response:
        """The description, completed at its first use: by then every route is there."""
        with self.describing:  # completing changes what all threads share
            self._complete()
        return Response(self.finished, mimetype="application/json")

    def _complete(self) -> None:
        if self.finished is None:
            document = self.spec.to_dict()
            for key, name in self.ma_plugin.converter.refs.items():
                schema = document["components"]["schemas"][name]
                if (text := vars(key[0]).get("schema_description")) is not None:
                    schema["description"] = text
                choices.describe(schema, key[0])
            self.finished = json.dumps(self.finish(document), indent=1, ensure_ascii=False)

    def _register_responses(self) -> None:
        for name, phrase in [(s.name, s.phrase) for s in HTTPStatus] + [("DEFAULT_ERROR", "Problem details")]:
            response: dict[str, Any] = {"description": phrase, "schema": self.ERROR_SCHEMA}
            prepare_response(response, self.spec, problems.CONTENT_TYPE)
            self.spec.components.response(name, response, lazy=True)

    def _register_error_handlers(self) -> None:
        """Errors are `problems.install`'s."""


def create(
    app: Flask, *, title: str, version: str, scopes: dict[str, str], member_scopes: dict[str, str], **more: Any
) -> Api:
    """The API of `app`: its description at /openapi.json, a page to read it at /docs.

    `more` is what `kit.http.description.complete` wants to know.
    """
    app.config |= {
        "API_TITLE": title,
        "API_VERSION": version,
        "OPENAPI_VERSION": "3.1.0",
        "OPENAPI_URL_PREFIX": "/",
        "OPENAPI_JSON_PATH": "openapi.json",
    }
    flows = {
        "clientCredentials": {"tokenUrl": "/oauth/token", "scopes": scopes},
        "authorizationCode": {
            "authorizationUrl": "/oauth/authorize",
            "tokenUrl": "/oauth/token",
            "refreshUrl": "/oauth/token",
            "scopes": member_scopes,
        },
    }
    api = Api(app, spec_kwargs={"info": {"description": INTRODUCTION, "license": _LICENSE}})
    api.spec.components.security_scheme("oauth2", {"type": "oauth2", "flows": flows})
    api.finish = partial(description.complete, app=app, **more)
    _serve_page(app, title)
    return api


def _serve_page(app: Flask, title: str) -> None:
    assets = str(importlib.resources.files("swagger_ui") / "static")

    @app.get("/")
    def home() -> str:
        return render_template_string(_HOME, title=title, introduction=INTRODUCTION, root=request.script_root)

    @app.get("/docs")
    def docs() -> Response:
        page = Response(render_template_string(_PAGE, title=title, root=request.script_root), mimetype="text/html")
        page.headers["Content-Security-Policy"] = _PAGE_POLICY
        return page

    @app.get("/docs/start.js")
    def docs_start() -> Response:
        return Response(_START % request.script_root, mimetype="text/javascript")

    @app.get("/docs/assets/<name>")
    def docs_asset(name: str) -> Response:
        if name not in _ASSETS:
            raise problems.RouteNotFound("no such asset")
        return send_from_directory(assets, name, max_age=86_400)
