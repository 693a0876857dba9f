"""The client's `ensure`: one endpoint at an address, with the types that are asked for, however often it is called."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from coalition_client import NULL, endpoints, errors, problems
from coalition_client.models import Authentication, AuthenticationShown

from tests.clients.conftest import Service
from tests.pin_events import DOCUMENT

URL = "https://hooks.example.com/coalition"


def test_it_registers_once_and_then_changes_only_what_differs(service: Service) -> None:
    section = DOCUMENT.read_text("utf-8").partition("## Register an endpoint\n")[2]
    code = re.findall(r"```python\n(.*?)```", section, re.S)[0]
    client_id, client_secret = service.credentials("greengrocer")
    names = {"url": f"http://127.0.0.1:{service.port}", "client_id": client_id, "client_secret": client_secret}
    exec(code, names)  # noqa: S102 -- the document's own code
    with service.client() as grocer:
        first = names["ensured"]
        assert first.secret.startswith("whsec_")
        again = endpoints.ensure(grocer, URL, ["points.*", "points.*"])
        assert (again.secret, again.endpoint.endpoint_id) == (None, first.endpoint.endpoint_id)
        seen = grocer.webhook_endpoints.get(first.endpoint.endpoint_id)
        grocer.webhook_endpoints.change(seen.endpoint_id, if_match=str(seen.meta.etag), status="disabled")
        changed = endpoints.ensure(grocer, URL, ["points.*", "member.enrolled"])
        assert changed.endpoint.event_types == ("member.enrolled", "points.*")
        assert changed.endpoint.status == "disabled", "that is not what was asked"
        other = endpoints.ensure(grocer, URL + "/other", ["*"])
        assert other.secret is not None
        assert len(grocer.webhook_endpoints.list()) == 2
        with pytest.raises(errors.Invalid):
            endpoints.ensure(grocer, URL, ["points.unheard_of"])


def test_how_we_authenticate_is_set_by_each_call_that_names_it(service: Service) -> None:
    asked = Authentication(
        type="oauth2", token_url="https://login.example.com/token", client_id="us", client_secret="xyzzy"
    )
    with service.client() as grocer:
        made = endpoints.ensure(grocer, URL, ["*"], authentication=asked).endpoint
        assert made.authentication == AuthenticationShown(
            type="oauth2", token_url=asked.token_url, client_id="us", client_authentication="basic"
        )
        same = endpoints.ensure(grocer, URL, ["*"]).endpoint
        assert (same.authentication, same.meta.etag) == (made.authentication, made.meta.etag)
        again = endpoints.ensure(grocer, URL, ["points.*"], authentication=replace(asked, client_id="we")).endpoint
        assert (again.authentication and again.authentication.client_id, again.event_types) == ("we", ("points.*",))
        assert endpoints.ensure(grocer, URL, ["points.*"], authentication=asked).endpoint.meta.etag != again.meta.etag
        none = endpoints.ensure(grocer, URL, ["points.*"], authentication=NULL).endpoint
        assert none.authentication is None
        assert endpoints.ensure(grocer, URL, ["points.*"], authentication=NULL).endpoint.meta.etag == none.meta.etag


def test_one_that_somebody_changes_meanwhile_is_looked_at_again(service: Service) -> None:
    with service.client() as grocer:
        endpoint_id = endpoints.ensure(grocer, URL, ["points.*"]).endpoint.endpoint_id
        get, changes = grocer.webhook_endpoints.get, [1, 1]

        def changed_behind_our_back(wanted: str):
            seen = get(wanted)
            if changes and changes.pop():
                grocer.webhook_endpoints.change(wanted, if_match=str(seen.meta.etag), metadata={"n": str(len(changes))})
            return seen

        grocer.webhook_endpoints.get = changed_behind_our_back
        assert endpoints.ensure(grocer, URL, ["*"]).endpoint.event_types == ("*",)
        changes[:] = [1] * 99
        with pytest.raises(problems.PreconditionFailed):
            endpoints.ensure(grocer, URL, ["points.*"])
        assert get(endpoint_id).event_types == ("*",)
