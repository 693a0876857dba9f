"""What anybody may send to the edge: no redirect leads to a host of theirs, and browsers come over TLS only."""

from __future__ import annotations

from dataclasses import replace

import pytest

from identity import client_policies
from identity.client_policies import MalformedClient, check_redirect_uris, redirect_matches
from tests.conftest import World
from tests.service import shut
from wsgi import create_app

EVIL = {"Host": "evil.example"}


@pytest.mark.parametrize("path", ["//v1/earns", "/v1//earns", "/v1/members//x", "//evil.example/x", "/sign-in//staff"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_slashes_too_many_lead_nowhere(http, path: str, method: str) -> None:
    answer = http.open(path, method=method, headers=EVIL)
    assert answer.status_code == 404
    assert "Location" not in answer.headers
    assert "evil" not in answer.text


def test_no_route_redirects_to_the_senders_host(app, http) -> None:
    for rule in app.url_map.iter_rules():
        assert not rule.rule.endswith("/") or not rule.strict_slashes or rule.rule == "/", rule.rule
        assert rule.redirect_to is None
    assert http.get("/problems", headers=EVIL).status_code == 200
    for path in ("/device", "/sign-out", "/device/tills", "/oauth/authorize"):
        answer = http.get(path, headers=EVIL)
        assert "evil" not in answer.headers.get("Location", ""), path


@pytest.mark.parametrize("at", ["https://coalition.example", "http://127.0.0.1:8000"])
def test_browsers_are_told_to_come_over_tls_where_we_are_served_so(world: World, at: str) -> None:
    site = create_app(replace(world.settings, public_url=at))
    try:
        for path in ("/healthz", "/nowhere", "/sign-in/staff", "/openapi.json"):
            sent = site.test_client().get(path).headers.get("Strict-Transport-Security")
            assert sent == ("max-age=31536000" if at.startswith("https") else None)
    finally:
        shut(site)


@pytest.mark.parametrize(
    "host", ["a,b.example", "a;b.example", "a'b.example", "a(b).example", "a%2cb.example", "[::1%25eth0]"]
)
def test_a_redirect_goes_to_a_host_that_means_nothing_else_anywhere(host: str) -> None:
    uri = f"https://{host}/back"
    with pytest.raises(MalformedClient):
        check_redirect_uris([uri])
    assert not redirect_matches([uri], uri), "one that was registered before is no use either"


@pytest.mark.parametrize(
    "uri",
    ["https://app.example/b", "https://[2001:db8::1]:8443/b", "https://xn--bcher-kva.example/", "com.example.app:/b"],
)
def test_addresses_of_apps_are_taken(uri: str) -> None:
    assert check_redirect_uris([uri]) == (uri,)
    assert client_policies.redirect_matches([uri], uri)
