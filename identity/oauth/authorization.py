"""What an app asks a member for (RFC 6749 §4.1.1, 9396, 7636, 9700): read strictly, before anybody sees a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from identity.client_policies import redirect_matches
from identity.clients import Client
from identity.oauth.codes import CHALLENGE
from identity.oauth.grants import SPEND, Spend
from kit import strict_json

LONGEST_STATE = 1_000
LONGEST_DETAILS = 2_000
MOST_POINTS = 2**53 - 1
DETAILS_TYPE = "coalition_spend"
_REFUSED = {
    "request": "request_not_supported",
    "request_uri": "request_uri_not_supported",
    "registration": "registration_not_supported",
}

# Every parameter with all its values, as a browser sent them.
Parameters = dict[str, list[str]]


class NotForRedirect(Exception):
    """The request names no client, or an address that isn't the client's: nobody is sent anywhere (RFC 9700 §4.1)."""


class Refused(Exception):
    """The client is told what is wrong, at its own address; `error` is one of RFC 6749's or OpenID Connect's codes."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


@dataclass(frozen=True)
class Destination:
    """Where the answer goes: an address of the client's, and what it wants to hear again."""

    client: Client
    redirect_uri: str
    state: str | None


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the client asks for."""

    scopes: tuple[str, ...]
    challenge: str
    nonce: str | None = None
    spend: Spend | None = None
    prompts: frozenset[str] = frozenset()
    max_age_s: int | None = None


def destination(parameters: Parameters, find: Callable[[str], Client | None]) -> Destination:
    """Who asks and where the answer goes; raises NotForRedirect."""
    client_id, redirect_uri = (_once(parameters, name) for name in ("client_id", "redirect_uri"))
    client = find(client_id) if client_id and "\x00" not in client_id else None
    if client is None or client.kind != "app":
        raise NotForRedirect("the request names no app that we know")
    if redirect_uri is None or not redirect_matches(client.redirect_uris, redirect_uri):
        raise NotForRedirect("the app asked to send you to an address that is not its own")
    state = parameters.get("state", [None])[0]
    return Destination(client, redirect_uri, state if state is None or len(state) <= LONGEST_STATE else None)


def _once(parameters: Parameters, name: str) -> str | None:
    values = parameters.get(name, [])
    return values[0] if len(values) == 1 else None


def wish(parameters: Parameters, client: Client) -> Wish:
    """What is asked for; raises Refused."""
    _check_form(parameters)
    one = {name: values[0] for name, values in parameters.items()}
    scopes = tuple(sorted(set(one.get("scope", "").split())))
    if not scopes or not set(scopes) <= set(client.scopes):
        raise Refused("invalid_scope", "ask only for scopes that this app can have")
    prompts = frozenset(one.get("prompt", "").split())
    if not prompts <= {"none", "login", "consent", "select_account"} or ("none" in prompts and len(prompts) > 1):
        raise Refused("invalid_request", "prompt must be none, or some of login, consent and select_account")
    return Wish(
        scopes=scopes,
        challenge=_challenge(one),
        nonce=one.get("nonce"),
        spend=_spend(one.get("authorization_details"), asked=SPEND in scopes),
        prompts=prompts,
        max_age_s=_max_age(one.get("max_age")),
    )


def _check_form(parameters: Parameters) -> None:
    for name, values in parameters.items():
        if len(values) > 1:
            raise Refused("invalid_request", "a parameter occurs more than once")
        if name in _REFUSED:
            raise Refused(_REFUSED[name], f"{name} is not supported here")
        if "\x00" in values[0]:
            raise Refused("invalid_request", "a parameter holds a NUL")
    if len(parameters.get("state", [""])[0]) > LONGEST_STATE or len(parameters.get("nonce", [""])[0]) > LONGEST_STATE:
        raise Refused("invalid_request", f"state and nonce have up to {LONGEST_STATE} characters")
    if parameters.get("response_type") != ["code"]:
        raise Refused("unsupported_response_type", "response_type must be code")
    if parameters.get("response_mode", ["query"]) != ["query"]:
        raise Refused("invalid_request", "response_mode must be query")


def _challenge(one: dict[str, str]) -> str:
    # Of clients with a secret, too; a method left out would mean `plain` (RFC 7636 §4.3), which protects nobody.
    challenge = one.get("code_challenge", "")
    if one.get("code_challenge_method") != "S256" or not CHALLENGE.fullmatch(challenge):
        raise Refused("invalid_request", "send a code_challenge with code_challenge_method=S256")
    return challenge


def _max_age(given: str | None) -> int | None:
    if given is None:
        return None
    if not given.isascii() or not given.isdigit() or len(given) > 9:
        raise Refused("invalid_request", "max_age must be a number of seconds")
    return int(given)


def _spend(details: str | None, *, asked: bool) -> Spend | None:
    """The limits of spending; asked for with the scope `spend`, and only then."""
    if (details is not None) != asked:
        raise Refused("invalid_authorization_details", f"the scope {SPEND} and authorization_details go together")
    if details is None:
        return None
    try:
        found = strict_json.loads(details.encode()) if len(details) <= LONGEST_DETAILS else None
    except ValueError:
        found = None
    if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], dict):
        raise Refused("invalid_authorization_details", "authorization_details must be a JSON list of one object")
    return _limits(found[0])


def _limits(detail: dict[str, Any]) -> Spend:
    if set(detail) != {"type", "points_per_purchase", "points_per_day"} or detail["type"] != DETAILS_TYPE:
        raise Refused(
            "invalid_authorization_details",
            f"the object has type {DETAILS_TYPE}, points_per_purchase and points_per_day",
        )
    purchase, day = detail["points_per_purchase"], detail["points_per_day"]
    if type(purchase) is not int or type(day) is not int or not 1 <= purchase <= day <= MOST_POINTS:
        raise Refused(
            "invalid_authorization_details",
            "limits must be whole points, and the limit a day at least the limit a purchase",
        )
    return Spend(purchase, day)


def details_of(spend: Spend) -> list[dict[str, Any]]:
    """The limits as authorization details, as tokens and introspection show them."""
    return [
        {
            "type": DETAILS_TYPE,
            "points_per_purchase": spend.most_per_purchase,
            "points_per_day": spend.most_per_day,
        }
    ]
