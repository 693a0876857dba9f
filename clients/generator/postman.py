"""The partner API as a Postman collection (v2.1.0): signed in by itself, with keys, examples and the ids that came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clients.generator import tour
from clients.generator.description import Description, Field, Group, Operation

PLACE = Path(__file__).parents[2] / "docs" / "postman" / "coalition.postman_collection.json"
SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
ABOUT = (
    "The partner API. Set the collection variables `baseUrl`, `clientId` and `clientSecret`. Every request then signs\n"
    "in by itself. A request that moves points gets a new Idempotency-Key each time. To see what a retry does, set a "
    "fixed key\n"
    "instead. Variables keep the ids in each answer, so that the next request can use them. Run the whole collection "
    "from top\n"
    "to bottom, or one folder. Every request checks its status, so a run without failures did everything.\n"
)
# Where an example can't stand as it is: a receipt is posted once for ever, holds end and clocks go in the future.
LIVE = {"card": "{{card}}", "reference": "R-{{$guid}}", "expires_at": "{{inAnHour}}", "now": "{{aMinuteLater}}"}
PROOFS = frozenset(("code", "pin"))  # no example can be right, and five wrong ones lock the member's own
SIGN_IN = """
const aheadS = Number(pm.collectionVariables.get("aheadS")) || 0;
const later = (seconds) => new Date(Date.now() + (aheadS + seconds) * 1000).toISOString();
pm.collectionVariables.set("inAnHour", later(3600));
pm.collectionVariables.set("aMinuteLater", later(60));
if (!(Number(pm.collectionVariables.get("tokenEndsAt")) > Date.now() + 60 * 1000)) {
    const credentials = ["clientId", "clientSecret"].map((name) => pm.variables.replaceIn(`{{${name}}}`));
    pm.sendRequest({
        url: pm.variables.replaceIn("{{baseUrl}}/oauth/token"),
        method: "POST",
        auth: {type: "basic", basic: [
            {key: "username", value: credentials[0]},
            {key: "password", value: credentials[1]},
        ]},
        body: {mode: "urlencoded", urlencoded: [{key: "grant_type", value: "client_credentials"}]},
    }, (error, response) => {
        if (error || response.code !== 200) {
            throw new Error("can't sign in: " + (error || response.text()));
        }
        pm.collectionVariables.set("accessToken", response.json().access_token);
        pm.collectionVariables.set("tokenEndsAt", Date.now() + response.json().expires_in * 1000);
    });
}
"""
KEEP_IDS = """
if (pm.request.method !== "GET") {
    pm.collectionVariables.set("request_id", pm.response.headers.get("Request-Id"));
}
const isJson = /^application\\/json(;|$)/.test(pm.response.headers.get("Content-Type") || "");
if (pm.response.code < 300 && isJson && pm.response.text()) {
    const answer = pm.response.json() || {};
    const first = Array.isArray(answer.data) ? answer.data[0] : answer;
    // A list may begin with what an earlier run left behind, which names an endpoint that is gone.
    const others = first === answer || pm.request.url.getPath().endsWith("/webhook-endpoints") ? "" : "endpoint_id";
    for (const [name, value] of Object.entries(first || {})) {
        if (name !== others && typeof value === "string" && (name === "reference" || name.endsWith("_id"))) {
            pm.collectionVariables.set(name, value);
        }
    }
    if (typeof answer.next_cursor === "string") {
        pm.collectionVariables.set("cursor", answer.next_cursor);
    }
    if (answer.ahead_s !== undefined) {
        pm.collectionVariables.set("aheadS", answer.ahead_s);
    }
}
"""
FILE = "kind,card,points,reference\nearn,{{card}},10,F-{{$guid}}\n"
VARIABLES = {"baseUrl": "http://127.0.0.1:8000", "clientId": "", "clientSecret": "", "card": "7001000000178503"}


def generate(described: Description) -> str:
    """The collection's text; what only the coalition's own clients may do is left out."""
    groups = tour.groups(
        [group for group in described.groups if not group.name.startswith("admin_") and group.name != "me"]
    )
    collection = {
        "info": {"name": "Coalition partner API", "description": ABOUT, "schema": SCHEMA},
        "auth": {"type": "oauth2", "oauth2": _pairs(_sign_in())},
        "event": [_script("prerequest", SIGN_IN), _script("test", KEEP_IDS)],
        "variable": [{"key": name, "value": value} for name, value in {**VARIABLES, **_examples(groups)}.items()],
        "item": [_folder(group, described.version) for group in groups],
    }
    return json.dumps(collection, indent=1, ensure_ascii=False) + "\n"


def _examples(groups: list[Group]) -> dict[str, str]:
    """What stands for the ids in paths until one of their kind has come."""
    return {field.name: field.example for group in groups for one in group.operations for field in one.path_fields}


def _sign_in() -> dict[str, str]:
    """The scheme, for whoever signs in by Postman's own button; `accessToken` is what the script before keeps."""
    return {
        "grant_type": "client_credentials",
        "accessTokenUrl": "{{baseUrl}}/oauth/token",
        "clientId": "{{clientId}}",
        "clientSecret": "{{clientSecret}}",
        "client_authentication": "header",
        "addTokenTo": "header",
        "headerPrefix": "Bearer",
        "accessToken": "{{accessToken}}",
    }


def _folder(group: Group, version: str) -> dict[str, Any]:
    items = [_item(group, one, version) for one in tour.operations(group)]
    return {"name": group.name.replace("_", " ").capitalize(), "description": group.description, "item": items}


def _item(group: Group, one: Operation, version: str) -> dict[str, Any]:
    headers = {"Coalition-Version": version}
    if one.keyed:
        headers["Idempotency-Key"] = "{{$guid}}"
    if one.matched:
        headers["If-Match"] = "*"
    request: dict[str, Any] = {
        "method": one.method,
        "header": _pairs(headers, typed=False),
        "url": _url(one),
        "description": "\n\n".join(dict.fromkeys([one.summary, one.description, *_also(group, one)])),
    }
    if one.media:
        request["header"].append({"key": "Content-Type", "value": one.media[0]})
        request["body"] = {"mode": "raw", "raw": FILE}
    elif (example := tour.BODIES.get((group.name, one.name), one.example)) is not None:
        left_out = {field.name for field in one.body_fields if field.name in PROOFS and not field.required}
        kept = {name: value for name, value in example.items() if name not in left_out}
        text = json.dumps(_live(kept), indent=2, ensure_ascii=False)
        request["body"] = {"mode": "raw", "raw": text, "options": {"raw": {"language": "json"}}}
    return {"name": one.name.replace("_", " ").capitalize(), "event": _events(group, one), "request": request}


def _events(group: Group, one: Operation) -> list[dict[str, Any]]:
    """What is done before, and what is checked of the answer."""
    right = tour.statuses(group, one)
    said = " or ".join(map(str, right))
    check = f'pm.test("it is answered with {said}", () => pm.expect(pm.response.code).to.be.oneOf({right}));'
    before = tour.BEFORE.get((group.name, one.name))
    return [*([_script("prerequest", before)] if before else []), _script("test", check)]


def _also(group: Group, one: Operation) -> list[str]:
    also = tour.ALSO.get((group.name, one.name))
    return [f"Here the answer can also be {also[0]}: {also[1]}."] if also else []


def _url(one: Operation) -> dict[str, Any]:
    path = [f":{part[1:-1]}" if part.startswith("{") else part for part in one.path.strip("/").split("/")]
    query = [_parameter(field) for field in one.query_fields]
    if one.dries:
        query.append({"key": "dry_run", "value": "true", "disabled": True})
    asked = "&".join(f"{each['key']}={each['value']}" for each in query if not each.get("disabled"))
    url: dict[str, Any] = {"raw": "{{baseUrl}}/" + "/".join(path) + ("?" + asked if asked else "")}
    url |= {"host": ["{{baseUrl}}"], "path": path}
    if query:
        url["query"] = query
    if one.path_fields:
        url["variable"] = [
            {"key": field.name, "value": f"{{{{{field.name}}}}}", "description": field.description}
            for field in one.path_fields
        ]
    return url


def _parameter(field: Field) -> dict[str, Any]:
    if field.required:
        return {"key": field.name, "value": f"{{{{{field.name}}}}}", "description": field.description}
    return {"key": field.name, "value": "", "description": field.description, "disabled": True}


def _live(example: Any, name: str = "") -> Any:
    """`example` with what has to be new each time, and with ids that came before."""
    if isinstance(example, dict):
        return {key: _live(value, key) for key, value in example.items()}
    if isinstance(example, list):
        return [_live(value, name) for value in example]
    if name.endswith("_id") and name != "external_id":
        return f"{{{{{name}}}}}"
    return LIVE.get(name, example)


def _script(when: str, text: str) -> dict[str, Any]:
    return {"listen": when, "script": {"type": "text/javascript", "exec": text.strip().split("\n")}}


def _pairs(named: dict[str, str], *, typed: bool = True) -> list[dict[str, str]]:
    kind = {"type": "string"} if typed else {}
    return [{"key": name, "value": value, **kind} for name, value in named.items()]
